//! Machines as NCCL and RCCL write them down: the XML of `NCCL_TOPO_FILE` and `NCCL_TOPO_DUMP_FILE`.
//!
//! A `system` holds a `cpu` for each NUMA node, below it `pci` devices below each other, and in them a `gpu` with its
//! `nvlink`s (NCCL, version 1) or `xgmi` links (RCCL, version 2), or a `nic` with its `net`s (NVIDIA/nccl
//! `src/graph/xml.cc`, ROCm/rccl the same). A `pci` element above devices is a whole switch, upstream and downstream port
//! in one, so that the host bridge of a device is not told: what meets at a `cpu` alone counts as meeting at its host
//! bridge, as NCCL has it.

mod error;
mod read;
#[cfg(test)]
mod tests;

use kerf_types::PciAddress;
use kerf_types::topology::LinkClass;

pub use error::NcclError;

use crate::topology::Near;

/// Class of a display controller of the kinds that compute, in the high 16 bits of the class code.
const COMPUTE_CLASSES: [u32; 2] = [0x0302, 0x1200];

/// Class of a bridge that is no other's: an NVSwitch.
const SWITCH_CLASS: u32 = 0x0680;

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NcclSystem {
    /// PCI devices in the order of the file, each after the one that it hangs below.
    devices: Vec<Device>,
    /// Those of them that are accelerators.
    accelerators: Vec<usize>,
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
    /// Names of its network interfaces.
    nets: Vec<String>,
}

/// An `nvlink` or `xgmi` element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    target: PciAddress,
    count: u32,
    is_to_switch: bool,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Net<'a> {
    /// Its name.
    pub name: &'a str,
    device: usize,
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
    pub fn nets(&self) -> impl Iterator<Item = Net<'_>> {
        let devices = self.devices.iter().enumerate();
        devices.flat_map(|(device, of)| of.nets.iter().map(move |name| Net { name, device }))
    }

    /// How near two accelerators are; `None` where one of the numbers is nobody's.
    pub fn near(&self, a: usize, b: usize) -> Option<Near> {
        let (a, b) = (*self.accelerators.get(a)?, *self.accelerators.get(b)?);
        Some(Near {
            level: self.level(a, b),
            links: self.links(self.device(a), self.device(b)),
        })
    }

    /// How near an accelerator is to a network interface.
    pub fn near_net(&self, accelerator: usize, net: &Net<'_>) -> Option<LinkClass> {
        let at = self.accelerators.get(accelerator)?;
        Some(self.level(*at, net.device))
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "every number of a device was given out by this system"
    )]
    fn device(&self, at: usize) -> &Device {
        &self.devices[at]
    }

    /// A switch that both are below counts once, and each other one on the way from one to the other.
    fn level(&self, a: usize, b: usize) -> LinkClass {
        if self.device(a).cpu != self.device(b).cpu {
            return LinkClass::Sys;
        }
        let (a, b) = (self.above(a), self.above(b));
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
        let direct = |from: &Device, to: &Device| sum(from, &|link| link.target == to.address);
        let to_switch = |of: &Device| sum(of, &|link| link.is_to_switch);
        match direct(a, b).min(direct(b, a)) {
            0 => to_switch(a).min(to_switch(b)),
            links => links,
        }
    }
}
