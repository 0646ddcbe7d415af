//! Which network interfaces and which disks stand nearest to some of a host's devices.
//!
//! Owns the rule. Pure. Nearest is by the levels of the matrix, for each device by itself: what one of them has on its
//! own switch is named, also where another has nothing as near. What only the link between NUMA nodes leads to is
//! near to nobody. Whether a port is up is left out: it changes while a name stands.

use std::collections::BTreeSet;

use kerf_types::PciAddress;
use kerf_types::inventory::Inventory;
use kerf_types::topology::LinkClass;

use super::path::{PciTree, Place};

/// What is nearest, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nearby {
    /// RDMA interfaces (`mlx5_0`).
    pub nics: Vec<String>,
    /// NVMe controllers (`nvme0`).
    pub nvme: Vec<String>,
}

/// A host to be asked what is nearest, of as many devices as one likes.
#[derive(Debug)]
pub struct Nearest<'a> {
    host: &'a Inventory,
    tree: PciTree,
    nics: Vec<Candidate<'a>>,
    nvme: Vec<Candidate<'a>>,
}

/// What may be near.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    name: &'a str,
    pci: PciAddress,
    numa_node: Option<u32>,
}

impl<'a> Nearest<'a> {
    /// On a host.
    pub fn of(host: &'a Inventory) -> Self {
        let candidate = |name: &'a str, pci: Option<PciAddress>, node: Option<u32>| {
            let pci = pci?;
            let function = host.map.function(pci);
            // A virtual function is somebody else's: a guest's, or another container's.
            let is_virtual = function.is_some_and(|function| function.physical_function.is_some());
            (!is_virtual).then(|| Candidate {
                name,
                pci,
                numa_node: node.or_else(|| numa_node(host, pci)),
            })
        };
        let nics = host.rdma_nics();
        let nics = nics.filter_map(|nic| candidate(&nic.name, nic.pci, nic.numa_node));
        let nvme = host.map.nvme.iter();
        let nvme = nvme.filter_map(|disk| candidate(&disk.name, disk.pci, disk.numa_node));
        Self {
            host,
            tree: PciTree::of(&host.map),
            nics: nics.collect(),
            nvme: nvme.collect(),
        }
    }

    /// To these devices.
    pub fn to(&self, devices: &BTreeSet<PciAddress>) -> Nearby {
        Nearby {
            nics: self.among(&self.nics, devices),
            nvme: self.among(&self.nvme, devices),
        }
    }

    /// Names of those that are among the nearest of one of the devices, in their own order.
    fn among(&self, all: &[Candidate<'a>], devices: &BTreeSet<PciAddress>) -> Vec<String> {
        let mut near = BTreeSet::new();
        for device in devices {
            let place = self.place(*device, numa_node(self.host, *device));
            let levels = all.iter().enumerate().map(|(at, one)| {
                let other = self.place(one.pci, one.numa_node);
                (at, place.level(other))
            });
            near.extend(nearest(levels));
        }
        let near = near.into_iter().filter_map(|at| all.get(at));
        near.map(|one| one.name.to_owned()).collect()
    }

    fn place(&self, pci: PciAddress, numa_node: Option<u32>) -> Place<'_> {
        Place {
            path: self.tree.path(pci),
            numa_node,
        }
    }
}

/// Of what is this near to one device, all that is as near as the nearest; across the link between NUMA nodes nothing
/// is near.
pub fn nearest<T>(all: impl Iterator<Item = (T, LinkClass)> + Clone) -> impl Iterator<Item = T> {
    let levels = all.clone().map(|(_, level)| level);
    let least = levels.min().filter(|least| *least < LinkClass::Sys);
    let near = all.filter(move |(_, level)| Some(*level) == least);
    near.map(|(one, _)| one)
}

/// The NUMA node that a device is next to, by whoever knows it.
pub(super) fn numa_node(host: &Inventory, pci: PciAddress) -> Option<u32> {
    let gpu = host.gpus.iter().find(|gpu| gpu.pci == pci);
    let amd = host.amd.iter().find(|gpu| gpu.pci == pci);
    let mut accelerators = host.map.accelerators.iter();
    let accelerator = accelerators.find(|one| one.pci == Some(pci));
    gpu.and_then(|gpu| gpu.numa_node)
        .or_else(|| amd?.numa_node)
        .or_else(|| accelerator?.numa_node)
        .or_else(|| host.map.function(pci)?.numa_node)
}

#[cfg(test)]
mod tests;
