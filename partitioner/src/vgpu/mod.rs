//! vGPUs of NVIDIA GPUs: what the kernel says of them, and how they are made and taken away.
//!
//! Owns the files of both frameworks under `/sys`, mediated devices and vendor-specific VFIO, through the seam
//! [`crate::systree`], and their words in the vocabulary. NVML never makes a vGPU, so none is loaded. Makes no
//! decision and keeps nothing: whose a vGPU is stands in kerfd's record, and a step takes away only the one that it
//! names. Never unbinds a function from its driver, from which only a cycle of SR-IOV recovers.

pub mod apply;
mod error;
mod handles;
mod observe;
mod table;
#[cfg(test)]
mod tests;
mod tool;

pub use error::VgpuError;
pub use observe::observe;
pub use tool::WithTool;
