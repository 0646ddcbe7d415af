//! NVIDIA GPUs through NVML: what they are, what MIG has made of them, and changes to that.
//!
//! `nvml-wrapper`'s safe calls serve identity, links, processes, sensors, events and GPM; [`ffi`] holds
//! the raw ones, for MIG and where the wrapper answers wrongly. Everything is read anew when asked: an
//! index, a handle, a minor or an instance id may mean something else after any change.

mod answers;
pub mod apply;
pub mod compute_mode;
mod error;
mod ffi;
mod identity;
mod instances;
mod library;
mod links;
mod observe;
mod processes;
mod profiles;
pub mod sample;

pub use answers::answers;
pub use error::{NvmlError, ReturnCode};
pub use library::{LibraryError, load};
pub use observe::{GpuAccess, Site, driver, gpu_count, observe};

#[cfg(test)]
mod tests;
