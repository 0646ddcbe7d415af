//! `/sys/devices/system/{node,cpu}` of a machine: one NUMA node to a socket, two threads to a
//! core. Owns the kernel's list and mask formats.

use super::CreateError;
use super::tree::Tree;
use crate::model::spec::MachineSpec;

const NODE: &str = "sys/devices/system/node";
const CPU: &str = "sys/devices/system/cpu";

/// Writes nodes and CPUs.
pub fn write(tree: &Tree, spec: &MachineSpec) -> Result<(), CreateError> {
    let nodes = range_list(0, spec.sockets - 1);
    let everywhere = [
        "online",
        "possible",
        "has_cpu",
        "has_memory",
        "has_normal_memory",
    ];
    tree.attributes(NODE, &everywhere.map(|name| (name, nodes.clone())))?;
    for node in 0..spec.sockets {
        write_node(tree, spec, node)?;
    }
    let cpus = range_list(0, spec.cpu_count() - 1);
    tree.attributes(
        CPU,
        &["online", "possible", "present"].map(|name| (name, cpus.clone())),
    )?;
    for cpu in 0..spec.cpu_count() {
        write_cpu(tree, spec, cpu)?;
    }
    Ok(())
}

fn write_node(tree: &Tree, spec: &MachineSpec, node: u32) -> Result<(), CreateError> {
    let distances = (0..spec.sockets).map(|other| {
        if other == node {
            10
        } else {
            spec.remote_distance
        }
    });
    let distances: Vec<String> = distances
        .map(|distance: u32| distance.to_string())
        .collect();
    let total = spec.node_memory_kib;
    let used = total / 32;
    let meminfo = [
        ("MemTotal", total),
        ("MemFree", total - used),
        ("MemUsed", used),
    ]
    .map(|(name, kib)| format!("Node {node} {name}:{kib:>16} kB\n"))
    .concat();
    tree.attributes(
        format!("{NODE}/node{node}"),
        &[
            ("cpulist", cpu_list(spec, node)),
            ("cpumap", cpu_mask(spec, node)),
            ("distance", distances.join(" ")),
            ("meminfo", meminfo),
        ],
    )
}

/// Only what tells which threads, cores and sockets belong together: a CPU has some forty files
/// more, and a machine two hundred CPUs.
fn write_cpu(tree: &Tree, spec: &MachineSpec, cpu: u32) -> Result<(), CreateError> {
    let cores = spec.sockets * spec.cores_per_socket;
    let core = cpu % cores;
    let socket = core / spec.cores_per_socket;
    let folder = format!("{CPU}/cpu{cpu}");
    tree.attributes(
        format!("{folder}/topology"),
        &[
            ("physical_package_id", socket.to_string()),
            ("core_id", (core % spec.cores_per_socket).to_string()),
            ("thread_siblings_list", format!("{core},{}", core + cores)),
            (
                "core_cpus",
                mask(spec, &[(core, core), (core + cores, core + cores)]),
            ),
            ("package_cpus", cpu_mask(spec, socket)),
        ],
    )?;
    tree.link(format!("{NODE}/node{socket}/cpu{cpu}"), folder)
}

/// A node's CPUs as `cpulist` prints them.
pub fn cpu_list(spec: &MachineSpec, node: u32) -> String {
    spec.node_cpus(node)
        .map(|(first, last)| range_list(first, last))
        .join(",")
}

/// A node's CPUs as `cpumap` and `local_cpus` print them.
pub fn cpu_mask(spec: &MachineSpec, node: u32) -> String {
    mask(spec, &spec.node_cpus(node))
}

/// CPUs as the kernel prints a mask: groups of 32 bits, highest first.
fn mask(spec: &MachineSpec, ranges: &[(u32, u32)]) -> String {
    let mut words = vec![0u32; super::words(spec.cpu_count())];
    for cpu in ranges.iter().flat_map(|&(first, last)| first..=last) {
        words[super::words(cpu + 1) - 1] |= 1 << (cpu % 32);
    }
    let words: Vec<String> = words
        .iter()
        .rev()
        .map(|word| format!("{word:08x}"))
        .collect();
    words.join(",")
}

fn range_list(first: u32, last: u32) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}
