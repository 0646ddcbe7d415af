//! `/sys/devices/system/node` and `/proc/meminfo` of a machine: a node for each socket, and those that are GPUs'
//! memory. Owns the nodes' files after `Documentation/ABI/stable/sysfs-devices-node`.

use super::CreateError;
use super::cpu::{cpu_list, cpu_mask, list};
use super::tree::Tree;
use crate::model::machine::functions;
use crate::model::spec::{MachineSpec, NumaNode, Role};

const NODE: &str = "sys/devices/system/node";
/// A node to itself.
const LOCAL: u32 = 10;
/// A Grace processor to the memory of its own GPU, and to that of another: as `numactl -H` was seen to print them,
/// unverified by a document.
const TO_OWN_GPU: u32 = 80;
const TO_OTHER_GPU: u32 = 120;
/// Between the memories of GPUs: unreachable.
const BETWEEN_GPUS: u32 = 255;

/// Writes every node.
pub fn write(tree: &Tree, spec: &'static MachineSpec) -> Result<(), CreateError> {
    let nodes = spec.numa_nodes();
    let ids = |which: fn(&NumaNode) -> bool| {
        let ids = nodes.iter().filter(|node| which(node)).map(|node| node.id);
        list(&runs(ids))
    };
    let (all, memory) = (ids(|_| true), ids(|node| node.memory_kib > 0));
    tree.attributes(
        NODE,
        &[
            ("online", all.clone()),
            ("possible", all),
            ("has_cpu", ids(|node| node.socket.is_some())),
            ("has_memory", memory),
            // The driver hot-plugs a GPU's memory as movable.
            (
                "has_normal_memory",
                ids(|node| node.gpu.is_none() && node.memory_kib > 0),
            ),
        ],
    )?;
    for node in &nodes {
        write_node(tree, spec, node, &nodes)?;
    }
    tree.folder("proc")?;
    let total: u64 = nodes.iter().map(|node| node.memory_kib).sum();
    let free = total - total / 32;
    tree.text(
        "proc/meminfo",
        format!(
            "MemTotal:{total:>16} kB\nMemFree:{free:>17} kB\nMemAvailable:{free:>12} kB\n\
             HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n"
        ),
    )
}

fn write_node(
    tree: &Tree,
    spec: &'static MachineSpec,
    node: &NumaNode,
    all: &[NumaNode],
) -> Result<(), CreateError> {
    let (id, total) = (node.id, node.memory_kib);
    let distances = all
        .iter()
        .map(|other| distance(spec, node, other).to_string());
    let used = total / 32;
    let meminfo = [
        ("MemTotal", total),
        ("MemFree", total - used),
        ("MemUsed", used),
    ]
    .map(|(name, kib)| format!("Node {id} {name}:{kib:>16} kB\n"))
    .concat();
    let numastat = [
        "numa_hit",
        "numa_miss",
        "numa_foreign",
        "interleave_hit",
        "local_node",
        "other_node",
    ]
    .map(|name| format!("{name} 0\n"))
    .concat();
    let folder = format!("{NODE}/node{id}");
    tree.attributes(
        &folder,
        &[
            ("cpulist", cpu_list(spec, id)),
            ("cpumap", cpu_mask(spec, id)),
            ("distance", distances.collect::<Vec<_>>().join(" ")),
            ("meminfo", meminfo),
            ("numastat", numastat),
        ],
    )?;
    if total > 0 {
        let pages = ["nr_hugepages", "free_hugepages", "surplus_hugepages"];
        let pages = pages.map(|name| (name, "0".to_owned()));
        tree.attributes(format!("{folder}/hugepages/hugepages-2048kB"), &pages)?;
    }
    for cpu in spec
        .node_cpus(id)
        .into_iter()
        .flat_map(|(first, last)| first..=last)
    {
        let cpu = format!("cpu{cpu}");
        tree.link(
            format!("{folder}/{cpu}"),
            format!("sys/devices/system/cpu/{cpu}"),
        )?;
    }
    Ok(())
}

fn distance(spec: &'static MachineSpec, one: &NumaNode, other: &NumaNode) -> u32 {
    if one.id == other.id {
        return LOCAL;
    }
    match (one.socket, other.socket) {
        (Some(_), Some(_)) => spec.remote_distance,
        (None, None) => BETWEEN_GPUS,
        (socket, other_socket) => {
            let home = home(spec, one.gpu.or(other.gpu));
            let near = socket.or(other_socket) == home;
            if near { TO_OWN_GPU } else { TO_OTHER_GPU }
        }
    }
}

/// The socket that a GPU is on.
fn home(spec: &'static MachineSpec, gpu: Option<u32>) -> Option<u32> {
    let role = Role::Gpu(gpu?);
    let mut all = functions(spec).iter();
    all.find(|function| function.role == role)
        .map(|function| function.node)
}

/// Numbers in ascending order as ranges.
fn runs(ids: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for id in ids {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == id => *last = id,
            _ => runs.push((id, id)),
        }
    }
    runs
}
