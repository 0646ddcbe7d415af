//! What the kernel says about the host: NUMA nodes, processors, PCI functions, devices, driver numbers.
//!
//! Owns the reading of `/sys` and `/proc` under an injected root. A file that is absent or does not
//! answer means "unknown" and never zero. Never writes, and never asks the GPU driver for anything that
//! can hang, except in [`driver`], which says so, and in [`numa`], which waits a second at most.

mod acs;
pub mod capabilities;
pub mod cpu;
pub mod cpus;
pub mod devices;
pub mod driver;
mod folder;
mod identity;
pub mod imex;
pub(crate) mod links;
pub mod majors;
mod near;
pub mod nics;
pub mod numa;
pub mod nvme;
pub mod pci;
mod reader;
mod root;

pub use folder::Folder;
pub use reader::{ODDITY_LIMIT, Reader};
pub use root::{Root, SysfsError};

#[cfg(test)]
mod dumps;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
