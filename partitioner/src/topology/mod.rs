//! How near the devices of a host are to each other, as `nvidia-smi topo -m` prints it.
//!
//! Owns the rule by which a level follows from PCI paths, NUMA nodes and NVLinks. Pure: the paths were
//! read by [`crate::sysfs::pci`], the links by [`crate::nvml`].

mod links;
mod matrix;
mod path;
mod site;
mod whole;

pub use links::links;
pub use matrix::matrix;
pub use path::{PciPath, PciTree};
pub use site::{Device, Near, Site};
pub use whole::whole;

#[cfg(test)]
mod tests;
