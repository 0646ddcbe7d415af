//! NVIDIA GPUs through NVML: what they are, what MIG has made of them, and changes to that.
//!
//! `nvml-wrapper`'s safe calls serve identity, links, processes, sensors, events and GPM; [`ffi`] holds
//! the raw ones, for MIG and where the wrapper answers wrongly. Everything is read anew when asked, for an
//! index, a handle, a minor or an instance id may mean something else after any change; only what no step can
//! change is kept from a look for the steps after it ([`known`]).

mod answers;
pub mod apply;
pub mod compute_mode;
mod error;
mod fabric;
mod ffi;
mod identity;
mod instances;
mod known;
mod library;
mod links;
mod observe;
mod processes;
mod profiles;
pub mod sample;

pub use answers::answers;
pub use error::{NvmlError, ReturnCode};
pub use known::KnownGpus;
pub use library::{LibraryError, load};
pub use observe::{GpuAccess, Site, driver, gpu_count, observe};

#[cfg(test)]
mod tests;
