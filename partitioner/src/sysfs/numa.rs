//! NUMA nodes: their CPUs, memory and distances, from `/sys/devices/system/node`.
//!
//! Node ids have gaps (a POWER9 with GPUs has 0, 8 and 250 to 255), and `distance` has one column per
//! online node in order of the ids, not one per id.

use kerf_types::Bytes;
use kerf_types::inventory::NumaNode;

use super::cpus::CpuSet;
use super::{Root, SysfsError};

const NODES: &str = "sys/devices/system/node";

/// NUMA nodes by id, and what could not be read of them in words.
pub fn nodes(root: &Root) -> Result<(Vec<NumaNode>, Vec<String>), SysfsError> {
    let mut ids: Vec<u32> = root
        .list(NODES)?
        .iter()
        .filter_map(|name| id_of(name))
        .collect();
    ids.sort_unstable();
    let mut problems = Vec::new();
    let nodes = ids
        .iter()
        .map(|id| node(root, *id, ids.len(), &mut problems))
        .collect();
    Ok((nodes, problems))
}

/// A node's number in the kernel's own spelling: `node01` would be `node1` once more.
fn id_of(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("node")?;
    let id: u32 = digits.parse().ok()?;
    (id.to_string() == digits).then_some(id)
}

fn node(root: &Root, id: u32, count: usize, problems: &mut Vec<String>) -> NumaNode {
    let cpus = cpus(root, id).unwrap_or_else(|| {
        problems.push(format!("NUMA node {id}: its CPUs are not known"));
        CpuSet::default()
    });
    let memory = memory(root, id).unwrap_or_else(|| {
        problems.push(format!("NUMA node {id}: its memory is not known"));
        Bytes(0)
    });
    let distances = distances(root, id)
        .filter(|columns| columns.len() == count)
        .unwrap_or_else(|| {
            problems.push(format!(
                "NUMA node {id}: its distances to {count} nodes are not known"
            ));
            Vec::new()
        });
    NumaNode {
        id,
        cpus: cpus.to_string(),
        memory,
        distances,
        ..Default::default()
    }
}

fn cpus(root: &Root, id: u32) -> Option<CpuSet> {
    let list = root.fact(&format!("{NODES}/node{id}/cpulist"));
    if let Some(set) = list.as_deref().and_then(CpuSet::from_list) {
        return Some(set);
    }
    CpuSet::from_mask(&root.fact(&format!("{NODES}/node{id}/cpumap"))?)
}

/// `Node 0 MemTotal:  131841212 kB`, where kB is 1,024 bytes.
fn memory(root: &Root, id: u32) -> Option<Bytes> {
    let text = root.fact(&format!("{NODES}/node{id}/meminfo"))?;
    let line = text
        .lines()
        .find_map(|line| line.split_once("MemTotal:"))?
        .1;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1_024).map(Bytes)
}

fn distances(root: &Root, id: u32) -> Option<Vec<u32>> {
    let text = root.fact(&format!("{NODES}/node{id}/distance"))?;
    text.split_whitespace()
        .map(|column| column.parse().ok())
        .collect()
}
