//! NUMA nodes: their CPUs, memory, distances, and how their memory is reached, from `/sys/devices/system/node`.
//!
//! Node ids have gaps (a POWER9 with GPUs has 0, 8 and 250 to 255), and `distance` has one column per
//! online node in order of the ids, not one per id. A node may have no CPU (memory of a GPU, CXL, HBM) or no memory.
//!
//! Owns the reading of the nodes themselves; [`access`] reads what firmware says of their speed, [`tiers`] and
//! [`owner`] what stands of them elsewhere. Decides nothing: which node may be used for what is the planner's.
//! Source: `Documentation/ABI/stable/sysfs-devices-node` of the kernel.

mod access;
mod owner;
mod tiers;

use std::collections::BTreeMap;

use kerf_types::inventory::NumaNode;
use kerf_types::{Bytes, PciAddress};

use super::Reader;
use super::cpus::CpuSet;

const NODES: &str = "sys/devices/system/node";
const POSSIBLE_CPUS: &str = "sys/devices/system/cpu/possible";
const ONLINE_CPUS: &str = "sys/devices/system/cpu/online";
/// Most nodes that are read: Linux is built for at most 1,024 (`NODES_SHIFT` is at most 10).
const NODE_LIMIT: usize = 1_024;

/// What is known of all nodes before each is read.
struct Machine {
    ids: Vec<u32>,
    possible_cpus: Option<CpuSet>,
    online_cpus: Option<CpuSet>,
    tiers: BTreeMap<u32, u32>,
    owners: BTreeMap<u32, PciAddress>,
}

/// NUMA nodes by id.
pub fn nodes(reader: &Reader<'_>) -> Vec<NumaNode> {
    let ids = ids(reader);
    if ids.is_empty() {
        return Vec::new();
    }
    let machine = Machine {
        tiers: tiers::of_nodes(reader),
        owners: owner::of_nodes(reader, &ids),
        possible_cpus: some(reader.set(POSSIBLE_CPUS)),
        online_cpus: some(reader.set(ONLINE_CPUS)),
        ids,
    };
    let node = |id: &u32| node(reader, *id, &machine);
    machine.ids.iter().map(node).collect()
}

/// What says which node a device is next to: the ids and CPUs of all, and nothing that a driver is asked for.
pub fn near(reader: &Reader<'_>) -> Vec<NumaNode> {
    let ids = ids(reader);
    let machine = Machine {
        tiers: BTreeMap::new(),
        owners: BTreeMap::new(),
        possible_cpus: some(reader.set(POSSIBLE_CPUS)),
        online_cpus: some(reader.set(ONLINE_CPUS)),
        ids,
    };
    let node = |id: &u32| NumaNode {
        id: *id,
        cpus: cpus(reader, *id, &machine).map(|cpus| cpus.to_string()),
        ..NumaNode::default()
    };
    machine.ids.iter().map(node).collect()
}

/// A machine has a CPU: an empty list says nothing.
fn some(cpus: Option<CpuSet>) -> Option<CpuSet> {
    cpus.filter(|cpus| !cpus.is_empty())
}

/// The nodes that are online: each has a folder.
fn ids(reader: &Reader<'_>) -> Vec<u32> {
    let mut ids = reader.numbered(NODES, "node");
    if ids.len() > NODE_LIMIT {
        reader.odd::<()>(NODES, format_args!("has more than {NODE_LIMIT} nodes"));
        ids.truncate(NODE_LIMIT);
    }
    let path = format!("{NODES}/online");
    let folders: CpuSet = ids.iter().copied().collect();
    // Kernels before Linux 4 end the line with a NUL (`print_nodes_state`, drivers/base/node.c).
    let list = |text: &str| CpuSet::from_list(text.trim_end_matches(['\0', '\n']));
    let online = reader.parsed(&path, "a list of numbers", list);
    let beyond = online.map(|online| online.without(&folders));
    if let Some(beyond) = beyond.filter(|beyond| !beyond.is_empty()) {
        reader.odd::<()>(&path, format_args!("names {beyond}, which have no folder"));
    }
    ids
}

fn node(reader: &Reader<'_>, id: u32, machine: &Machine) -> NumaNode {
    NumaNode {
        id,
        cpus: cpus(reader, id, machine).map(|cpus| cpus.to_string()),
        memory: memory(reader, id),
        distances: distances(reader, id, machine.ids.len()).unwrap_or_default(),
        tier: machine.tiers.get(&id).copied(),
        accelerator: machine.owners.get(&id).copied(),
        access: access::of_node(reader, &format!("{NODES}/node{id}"), &machine.ids),
        memory_caches: access::caches(reader, &format!("{NODES}/node{id}")),
    }
}

/// Those that are online: old kernels list a node's other CPUs too.
fn cpus(reader: &Reader<'_>, id: u32, machine: &Machine) -> Option<CpuSet> {
    let list = format!("{NODES}/node{id}/cpulist");
    let mask = format!("{NODES}/node{id}/cpumap");
    let Some(cpus) = reader.set_or_mask(&list, &mask) else {
        return reader.odd(&list, "does not name the node's CPUs, nor does cpumap");
    };
    let beyond = machine
        .possible_cpus
        .as_ref()
        .map(|possible| cpus.without(possible));
    match beyond {
        Some(beyond) if !beyond.is_empty() => reader.odd(
            &list,
            format_args!("names {beyond}, which can be no CPUs of this machine"),
        ),
        _ => Some(match &machine.online_cpus {
            Some(online) => cpus.and(online),
            None => cpus,
        }),
    }
}

/// `Node 0 MemTotal:  131841212 kB`, where kB is 1,024 bytes.
fn memory(reader: &Reader<'_>, id: u32) -> Option<Bytes> {
    let path = format!("{NODES}/node{id}/meminfo");
    let total = |text: &str| {
        let line = text
            .lines()
            .find_map(|line| line.split_once("MemTotal:"))?
            .1;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kibibytes.checked_mul(1_024).map(Bytes)
    };
    let text = reader.text(&path).unwrap_or_default();
    total(&text).or_else(|| reader.odd(&path, "does not say how much memory there is (MemTotal)"))
}

fn distances(reader: &Reader<'_>, id: u32, count: usize) -> Option<Vec<u32>> {
    let path = format!("{NODES}/node{id}/distance");
    let text = reader.text(&path).unwrap_or_default();
    let columns = text.split_whitespace().map(|column| column.parse().ok());
    let columns: Option<Vec<u32>> = columns.collect();
    columns
        .filter(|columns| columns.len() == count)
        .or_else(|| {
            reader.odd(
                &path,
                format_args!("does not name the distances to {count} nodes"),
            )
        })
}

#[cfg(test)]
mod tests;
