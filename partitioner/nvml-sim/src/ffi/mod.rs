//! The NVML C ABI. Each function resolves its handle, asks the model and writes the answer out;
//! no rule stands here. Owns the exported symbols, the structure layouts and all unsafe code that
//! touches a caller's memory (`pointer`).

// Defines exported functions: the body is a closure that returns `Result<(), Status>`.
macro_rules! nvml {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block)*) => {$(
        $(#[$meta])*
        #[unsafe(no_mangle)]
        extern "C" fn $name($($arg: $ty),*) -> u32 {
            $crate::ffi::answer::answer(
                stringify!($name),
                move || -> Result<(), $crate::model::status::Status> { $body },
            )
        }
    )*};
}

mod answer;
mod call;
mod ci;
mod clocks;
mod ecc;
mod events;
mod fabric;
mod fields;
mod gi;
mod gpm;
mod handle;
mod home;
mod identity;
mod lookup;
mod memory;
mod mig;
mod nodes;
mod nvlink;
mod pcie;
mod pointer;
mod power;
mod process;
mod settings;
mod system;
mod thermal;
mod topology;
mod types;
mod unsupported;
mod utilization;

#[cfg(test)]
mod tests;
