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

/// What is nearest to these devices.
pub fn nearby(host: &Inventory, devices: &BTreeSet<PciAddress>) -> Nearby {
    let tree = PciTree::of(&host.map);
    let place = |pci: PciAddress, node: Option<u32>| Place {
        path: tree.path(pci),
        numa_node: node.or_else(|| numa_node(host, pci)),
    };
    let places: Vec<Place<'_>> = devices.iter().map(|pci| place(*pci, None)).collect();
    let candidate = |name: &str, pci: Option<PciAddress>, node: Option<u32>| {
        let pci = pci?;
        let function = host.map.function(pci);
        // A virtual function is somebody else's: a guest's, or another container's.
        let is_virtual = function.is_some_and(|function| function.physical_function.is_some());
        (!is_virtual).then(|| (name.to_owned(), place(pci, node)))
    };
    let nics = host.rdma_nics();
    let nics = nics.filter_map(|nic| candidate(&nic.name, nic.pci, nic.numa_node));
    let nvme = host.map.nvme.iter();
    let nvme = nvme.filter_map(|disk| candidate(&disk.name, disk.pci, disk.numa_node));
    Nearby {
        nics: nearest(&places, &nics.collect::<Vec<_>>()),
        nvme: nearest(&places, &nvme.collect::<Vec<_>>()),
    }
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

/// Names of those that one of the places has nothing nearer than, in their own order.
fn nearest(places: &[Place<'_>], candidates: &[(String, Place<'_>)]) -> Vec<String> {
    let least = |place: &Place<'_>| {
        let levels = candidates.iter().map(|(_, other)| place.level(*other));
        levels.min().filter(|least| *least < LinkClass::Sys)
    };
    let bounds: Vec<(&Place<'_>, LinkClass)> = places
        .iter()
        .filter_map(|place| Some((place, least(place)?)))
        .collect();
    let is_near = |other: &Place<'_>| {
        let mut bounds = bounds.iter();
        bounds.any(|(place, least)| place.level(*other) == *least)
    };
    let near = candidates.iter().filter(|(_, place)| is_near(place));
    near.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests;
