//! The map of a host: what its kernel shows of processors, memory, buses and devices, whoever made them.
//!
//! Owns the words for it. Knows no file and no driver: the readers are the partitioner's. A value that nobody
//! knows is `None` or empty, never zero.

pub mod accelerator;
pub mod capability;
pub mod cpu;
pub mod device;
pub mod imex;
pub mod link;
pub mod pci;

use crate::pci::PciAddress;

pub use accelerator::{Accelerator, AcceleratorHealth, Vendor};
pub use capability::{Capabilities, Capability, CapabilityKey, CapabilityValue, Provenance};
pub use cpu::{Cache, CacheKind, CoreKind, Cpus, Die, Package};
pub use device::{ClassDevice, DeviceClass, Namespace, Nvme};
pub use imex::ImexChannels;
pub use link::{End, Link, LinkKind};
pub use pci::{Acs, LinkSpeed, PciFunction, PciLink, SriovFunctions};

/// What the kernel shows of a host beside its NUMA nodes and interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostMap {
    /// Its processors.
    pub cpus: Cpus,
    /// Every PCI function, by address. Of several with one address, which firmware has been seen to give out, the first
    /// is the one that the kernel's bus lists.
    pub pci: Vec<PciFunction>,
    /// What the kernel's classes make of them: disks, interfaces, render nodes, in order of class and name.
    pub devices: Vec<ClassDevice>,
    /// NVMe controllers, by name.
    pub nvme: Vec<Nvme>,
    /// Accelerators as the kernel shows them, by address. What a library knows beside is not in here.
    pub accelerators: Vec<Accelerator>,
    /// Links between accelerators that the kernel names: xGMI, Gaudi, Neuron.
    pub links: Vec<Link>,
    /// IMEX channels of NVIDIA's driver; `None` where it has none.
    pub imex: Option<ImexChannels>,
    /// Files that do not say what a kernel says there, in order of their paths.
    pub oddities: Vec<Oddity>,
}

impl HostMap {
    /// The function at an address. Where firmware gave one out twice it is the one that the kernel's bus lists.
    pub fn function(&self, address: PciAddress) -> Option<&PciFunction> {
        pci::find(&self.pci, address)
    }

    /// The function at an address whose canonical path is that.
    pub fn function_at(&self, address: PciAddress, path: &str) -> Option<&PciFunction> {
        let mut all = pci::all_at(&self.pci, address);
        all.find(|function| function.path == path)
    }

    /// The bridges above a function, innermost first, by where it hangs: an address may stand twice, and a parent named
    /// by its address alone may be another bridge, or one below.
    pub fn above<'a>(&'a self, function: &'a PciFunction) -> impl Iterator<Item = &'a PciFunction> {
        let parent = |path: &'a str| path.rfind('/').and_then(|at| path.get(..at));
        let folders = std::iter::successors(parent(&function.path), move |path| parent(path));
        folders.filter_map(|path| {
            let address = path.rsplit('/').next()?.parse().ok()?;
            self.function_at(address, path)
        })
    }
}

/// One file that is not as a kernel writes it. What it should have told is unknown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oddity {
    /// Its path, from `/`.
    pub path: String,
    /// What is odd about it, in words.
    pub what: String,
}
