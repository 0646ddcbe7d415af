//! Machines as NCCL and RCCL write them down: the XML of `NCCL_TOPO_FILE` and `NCCL_TOPO_DUMP_FILE`.
//!
//! A `system` holds a `cpu` for each NUMA node, below it `pci` devices below each other, and in them a `gpu` with its
//! `nvlink`s (NCCL, version 1) or `xgmi` links (RCCL, version 2), or a `nic` with its `net`s (NVIDIA/nccl
//! `src/graph/xml.cc`, ROCm/rccl the same). A `pci` element above devices is a whole switch, upstream and downstream port
//! in one, so that the host bridge of a device is not told: what meets at a `cpu` alone counts as meeting at its host
//! bridge, as NCCL has it.

mod describe;
mod error;
mod read;
#[cfg(test)]
mod tests;
mod write;

use kerf_types::PciAddress;
use kerf_types::topology::LinkClass;

pub use describe::describe;
pub use error::NcclError;
pub use write::write;

use crate::topology::Near;

/// Class of a display controller of the kinds that compute, in the high 16 bits of the class code.
const COMPUTE_CLASSES: [u32; 2] = [0x0302, 0x1200];

/// Class of network controllers, in the high 8 bits of the class code.
const NETWORK_CLASS: u32 = 0x02;

/// What NCCL writes for the far end of a link into an NVSwitch; a CPU with NVLink (POWER9) has 0x068001.
const SWITCH_CLASS: u32 = 0x068000;
/// What it writes for the address of one that is not on this machine's bus, as guests see it: NVML's own text.
const UNSEEN_SWITCH: &str = "fffffff:ffff:ff";

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NcclSystem {
    /// PCI devices in the order of the file, each after the one that it hangs below.
    devices: Vec<Device>,
    /// Those of them that are accelerators.
    accelerators: Vec<usize>,
    nets: Vec<Net>,
}

/// A `pci` element and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Device {
    address: PciAddress,
    /// The device above it, `None` below a `cpu`.
    parent: Option<usize>,
    /// Which of the file's `cpu`s.
    cpu: usize,
    numa_node: Option<u32>,
    links: Vec<Link>,
    /// How many devices it hangs below.
    depth: usize,
}

/// An `nvlink` or `xgmi` element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    /// `None` for what is not on the machine's bus.
    target: Option<PciAddress>,
    count: u32,
    is_to_switch: bool,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Net {
    /// Its name; its address in a file that names none.
    pub name: String,
    /// Whether it reaches the memory of GPUs by itself, which only one with RDMA can; a file need not say it.
    pub has_gdr: bool,
    cpu: usize,
    /// Its device; one that is not on PCI has none.
    device: Option<usize>,
}

impl NcclSystem {
    /// Addresses of the accelerators, in the order of the file.
    pub fn accelerators(&self) -> impl ExactSizeIterator<Item = PciAddress> {
        let devices = self.accelerators.iter().map(|at| self.device(*at));
        let addresses: Vec<_> = devices.map(|device| device.address).collect();
        addresses.into_iter()
    }

    /// The NUMA node of an accelerator by its number; an unknown one has none.
    pub fn numa_node(&self, accelerator: usize) -> Option<u32> {
        let at = self.accelerators.get(accelerator)?;
        self.device(*at).numa_node
    }

    /// The network interfaces, in the order of the file.
    pub fn nets(&self) -> &[Net] {
        &self.nets
    }

    /// How near two accelerators are; `None` where one of the numbers is nobody's.
    pub fn near(&self, a: usize, b: usize) -> Option<Near> {
        let (a, b) = (*self.accelerators.get(a)?, *self.accelerators.get(b)?);
        Some(Near {
            level: self.level(self.place(a), self.place(b)),
            links: self.links(self.device(a), self.device(b)),
        })
    }

    /// How near an accelerator is to a network interface.
    pub fn near_net(&self, accelerator: usize, net: &Net) -> Option<LinkClass> {
        let at = self.accelerators.get(accelerator)?;
        Some(self.level(self.place(*at), (net.cpu, net.device)))
    }

    fn place(&self, at: usize) -> (usize, Option<usize>) {
        (self.device(at).cpu, Some(at))
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "every number of a device was given out by this system"
    )]
    fn device(&self, at: usize) -> &Device {
        &self.devices[at]
    }

    /// A switch that both are below counts once, and each other one on the way from one to the other.
    fn level(
        &self,
        (cpu, a): (usize, Option<usize>),
        (other, b): (usize, Option<usize>),
    ) -> LinkClass {
        if cpu != other {
            return LinkClass::Sys;
        }
        let above = |at: Option<usize>| at.map_or_else(Vec::new, |at| self.above(at));
        let (a, b) = (above(a), above(b));
        let common = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        match (common, a.len() + b.len() - 2 * common) {
            (0, _) => LinkClass::Phb,
            (_, 0) => LinkClass::Pix,
            _ => LinkClass::Pxb,
        }
    }

    /// The devices that one hangs below, from the `cpu` on.
    fn above(&self, at: usize) -> Vec<usize> {
        let parents = std::iter::successors(self.device(at).parent, |at| self.device(*at).parent);
        let mut above: Vec<usize> = parents.collect();
        above.reverse();
        above
    }

    /// Those between the two, or the fewer of both their links into the switches.
    fn links(&self, a: &Device, b: &Device) -> u32 {
        let sum = |of: &Device, counts: &dyn Fn(&Link) -> bool| -> u32 {
            let links = of.links.iter().filter(|link| counts(link));
            links.fold(0, |sum, link| sum.saturating_add(link.count))
        };
        let direct =
            |from: &Device, to: &Device| sum(from, &|link| link.target == Some(to.address));
        let to_switch = |of: &Device| sum(of, &|link| link.is_to_switch);
        match direct(a, b).min(direct(b, a)) {
            0 => to_switch(a).min(to_switch(b)),
            links => links,
        }
    }
}
