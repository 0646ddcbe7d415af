//! How near the devices of a host are to each other, as `nvidia-smi topo -m` prints it.
//!
//! Owns the rule by which a level follows from PCI paths, NUMA nodes and NVLinks, and what follows from levels and nodes
//! for whoever gets a device. Pure: the paths were read by [`crate::sysfs::pci`], the links by [`crate::nvml`].

mod cpuset;
mod links;
mod matrix;
mod nearby;
mod path;
mod site;
mod whole;

pub use cpuset::{Cpuset, cpuset};
pub use matrix::{matrix, matrix_of};
pub use nearby::{Nearby, Nearest, nearest};
pub use site::{Device, Near, Site};
pub use whole::whole;

#[cfg(test)]
mod tests;
