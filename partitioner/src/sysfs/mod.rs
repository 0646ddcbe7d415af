//! What the kernel says about the host: NUMA nodes, PCI functions, RDMA interfaces, driver numbers.
//!
//! Owns the reading of `/sys` and `/proc` under an injected root. A file that is absent or does not
//! answer means "unknown" and never zero. Never writes, and never asks the GPU driver for anything that
//! can hang, except in [`driver`], which says so.

pub mod capabilities;
pub mod cpus;
pub mod driver;
pub mod majors;
pub mod nics;
pub mod numa;
pub mod pci;
mod reader;
mod root;

pub use reader::Reader;
pub use root::{Root, SysfsError};

#[cfg(test)]
mod dumps;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
