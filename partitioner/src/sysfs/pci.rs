//! PCI functions: where they hang in the tree, and which NUMA node is next to them.
//!
//! Firmware often leaves `numa_node` at -1, and some trees have folders where a kernel has links: both
//! end in "unknown" after the other sources were asked.

use std::collections::BTreeMap;

use kerf_types::PciAddress;
use kerf_types::inventory::NumaNode;

use super::cpus::CpuSet;
use super::{Root, SysfsError};

const DEVICES: &str = "sys/bus/pci/devices";
const NVIDIA: &str = "0x10de";
/// Class codes (base class, or base and sub class) of what jobs use or kerf places by: network,
/// display, InfiniBand is a network sub class, processing accelerators, co-processors.
const CLASSES: [&str; 4] = ["0x02", "0x03", "0x12", "0x0b40"];
/// An NVSwitch is a bridge of NVIDIA's.
const BRIDGE: &str = "0x0680";

/// Every PCI function that jobs can use, with its canonical path under `/sys/devices`. A function
/// whose path is not known is left out.
pub fn paths(root: &Root) -> Result<BTreeMap<PciAddress, String>, SysfsError> {
    let mut paths = BTreeMap::new();
    for name in root.list(DEVICES)? {
        let Ok(address) = name.parse::<PciAddress>() else {
            continue;
        };
        let class = root
            .fact(&format!("{DEVICES}/{name}/class"))
            .unwrap_or_default();
        let is_switch = class.starts_with(BRIDGE)
            && root.fact(&format!("{DEVICES}/{name}/vendor")).as_deref() == Some(NVIDIA);
        if is_switch || CLASSES.iter().any(|wanted| class.starts_with(wanted)) {
            paths.extend(path(root, address).map(|path| (address, path)));
        }
    }
    Ok(paths)
}

/// The canonical path of a function, `/sys/devices/pci0000:15/0000:15:01.0/0000:16:00.0`.
pub fn path(root: &Root, address: PciAddress) -> Option<String> {
    let path = root.canonical(&format!("{DEVICES}/{address}"))?;
    path.starts_with("/sys/devices/").then_some(path)
}

/// The NUMA node next to a function: what the kernel says, else the only node that has its local CPUs,
/// else what the nearest bridge above it says.
pub fn numa_node(root: &Root, address: PciAddress, nodes: &[NumaNode]) -> Option<u32> {
    let device = format!("{DEVICES}/{address}");
    told(root, &device, nodes)
        .or_else(|| by_local_cpus(root, &device, nodes))
        .or_else(|| by_ancestors(root, address, nodes))
}

/// As [`numa_node`], for a folder that is not a PCI function's own (`class/infiniband/X/device`).
pub fn numa_node_of_folder(root: &Root, folder: &str, nodes: &[NumaNode]) -> Option<u32> {
    told(root, folder, nodes).or_else(|| by_local_cpus(root, folder, nodes))
}

fn told(root: &Root, folder: &str, nodes: &[NumaNode]) -> Option<u32> {
    // -1 does not parse as u32, and a node that is not online is as good as none.
    let node = root.fact(&format!("{folder}/numa_node"))?.parse().ok()?;
    nodes.iter().any(|known| known.id == node).then_some(node)
}

fn local_cpus(root: &Root, folder: &str) -> Option<CpuSet> {
    let list = root.fact(&format!("{folder}/local_cpulist"));
    list.as_deref()
        .and_then(CpuSet::from_list)
        .or_else(|| CpuSet::from_mask(&root.fact(&format!("{folder}/local_cpus"))?))
}

fn by_local_cpus(root: &Root, folder: &str, nodes: &[NumaNode]) -> Option<u32> {
    let local = local_cpus(root, folder)?;
    let near =
        |node: &&NumaNode| CpuSet::from_list(&node.cpus).is_some_and(|cpus| cpus.overlaps(&local));
    let mut matches = nodes.iter().filter(near);
    // CPUs of several nodes mean that the kernel did not know either.
    match (matches.next(), matches.next()) {
        (Some(node), None) => Some(node.id),
        _ => None,
    }
}

fn by_ancestors(root: &Root, address: PciAddress, nodes: &[NumaNode]) -> Option<u32> {
    let path = path(root, address)?;
    let mut folder = path.as_str();
    while let Some((parent, _)) = folder.rsplit_once('/') {
        let name = parent.rsplit('/').next()?;
        if name.parse::<PciAddress>().is_err() && !name.starts_with("pci") {
            return None;
        }
        let inside = parent.trim_start_matches('/');
        if let Some(node) = numa_node_of_folder(root, inside, nodes) {
            return Some(node);
        }
        folder = parent;
    }
    None
}
