//! What the kernel says about the host: NUMA nodes, processors, PCI functions, devices, driver numbers.
//!
//! Owns the reading of `/sys` and `/proc` under an injected root. A file that is absent or does not
//! answer means "unknown" and never zero. Never writes. What the driver of a device answers may never come: it is read
//! as a [`Device`], by a thread that is waited for a second and then left behind; so is what [`numa`] asks of NVIDIA's
//! driver. [`driver`] alone waits for ever, and says so.

mod acs;
mod again;
pub mod capabilities;
pub mod cpu;
pub mod cpus;
mod device;
pub mod devices;
pub mod driver;
mod folder;
mod guard;
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

pub use again::open_again;
pub use device::Device;
pub use folder::Folder;
pub use guard::held_in;
pub use reader::{ODDITY_LIMIT, Reader};
pub use root::{Root, SysfsError};

#[cfg(test)]
mod dumps;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
