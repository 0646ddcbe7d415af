//! Every fact of the dumps against the dump's own files, read here by plain file access, and against `lstopo`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kerf_types::Bytes;
use kerf_types::inventory::{MemoryAccess, NicKind, NumaNode};
use roxmltree::Node;

use super::cpus::CpuSet;
use super::oracle::{Dump, Topology, attribute, cpus, each_dump, each_topology};
use super::{Reader, Root, nics, numa, pci};

mod processors;

/// What a reader says of a dump, and nothing may be odd in a real machine.
fn read<T>(dump: &Dump, read: impl FnOnce(&Reader<'_>) -> T, differences: &mut Vec<String>) -> T {
    let root = Root::open(&dump.path).expect("the dump");
    let reader = Reader::new(&root);
    let answer = read(&reader);
    let odd = reader.into_oddities();
    differences.extend(odd.iter().map(|odd| format!("{} {}", odd.path, odd.what)));
    answer
}

fn differ<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, theirs: &T) -> Option<String> {
    (ours != theirs).then(|| format!("{what}: {ours:?}, expected {theirs:?}"))
}

#[test]
fn numa_nodes_equal_the_files() {
    each_dump(|dump| {
        let mut differences = Vec::new();
        let nodes = read(dump, numa::nodes, &mut differences);
        let folder = dump.path.join("sys/devices/system/node");
        let names = fs::read_dir(&folder).expect("nodes").filter_map(|entry| {
            let name = entry.ok()?.file_name();
            name.to_str()?.strip_prefix("node")?.parse::<u32>().ok()
        });
        let mut ids: Vec<u32> = names.collect();
        ids.sort_unstable();
        let ours: Vec<u32> = nodes.iter().map(|node| node.id).collect();
        differences.extend(differ("nodes", &ours, &ids));
        for node in &nodes {
            let folder = folder.join(format!("node{}", node.id));
            differences.extend(node_differs(node, &folder, &online(dump)));
        }
        differences
    });
}

fn online(dump: &Dump) -> CpuSet {
    let online = fs::read_to_string(dump.path.join("sys/devices/system/cpu/online"));
    CpuSet::from_list(&online.expect("a list")).expect("a list")
}

fn node_differs(node: &NumaNode, folder: &Path, online: &CpuSet) -> Vec<String> {
    let file = |name: &str| fs::read_to_string(folder.join(name)).expect(name);
    let columns: Vec<String> = node.distances.iter().map(u32::to_string).collect();
    let cpus = CpuSet::from_list(&file("cpulist")).expect("a list");
    let meminfo = file("meminfo");
    let total = meminfo
        .lines()
        .find(|line| line.contains("MemTotal"))
        .expect("MemTotal");
    let kib = total.split_whitespace().nth(3).expect("kB");
    let kib: u64 = kib.parse().expect("a number");
    [
        differ("CPUs", &node.cpus, &Some(cpus.and(online).to_string())),
        differ("memory", &node.memory, &Some(Bytes(kib * 1_024))),
        differ(
            "distances",
            &columns.join(" "),
            &file("distance").trim().to_owned(),
        ),
    ]
    .into_iter()
    .flatten()
    .map(|difference| format!("node {}: {difference}", node.id))
    .collect()
}

#[test]
fn numa_nodes_equal_lstopo() {
    each_topology(|dump, topology| {
        let mut differences = Vec::new();
        let nodes = read(dump, numa::nodes, &mut differences);
        let mut theirs: BTreeMap<u32, Node<'_, '_>> = BTreeMap::new();
        for object in topology.objects("NUMANode") {
            theirs.insert(
                attribute(object, "os_index").parse().expect("an id"),
                object,
            );
        }
        let ids: Vec<u32> = nodes.iter().map(|node| node.id).collect();
        differences.extend(differ("nodes", &ids, &theirs.keys().copied().collect()));
        for node in &nodes {
            let Some(object) = theirs.get(&node.id) else {
                continue;
            };
            let memory = attribute(*object, "local_memory");
            differences.extend(differ(
                "memory",
                &node.memory.expect("the dump has it").0.to_string().as_str(),
                &memory,
            ));
            differences.extend(differ("CPUs", &near(dump, node, &nodes), &cpus(*object)));
            let is_gpu = attribute(*object, "subtype") == "GPUMemory";
            differences.extend(differ("GPU", &node.accelerator.is_some(), &is_gpu));
        }
        let distances: Vec<u32> = nodes
            .iter()
            .flat_map(|node| node.distances.clone())
            .collect();
        // A single node has no distances that lstopo would print.
        if nodes.len() > 1 {
            differences.extend(differ("distances", &distances, &matrix(topology)));
        }
        let speeds = |of: fn(&MemoryAccess) -> Option<u64>| figures(&nodes, of);
        let reading = attributed(topology, "ReadBandwidth", &theirs);
        differences.extend(differ(
            "reading",
            &speeds(|access| access.read_mbps),
            &reading,
        ));
        let writing = attributed(topology, "WriteBandwidth", &theirs);
        differences.extend(differ(
            "writing",
            &speeds(|access| access.write_mbps),
            &writing,
        ));
        differences
    });
}

/// Where lstopo puts a node: at its own CPUs; without any, at those of its initiators, or of the GPU that has it.
fn near(dump: &Dump, node: &NumaNode, nodes: &[NumaNode]) -> String {
    if let Some(gpu) = node.accelerator {
        let device = dump.path.join(format!("sys/bus/pci/devices/{gpu}"));
        let local = fs::read_to_string(device.join("local_cpus")).expect("a mask");
        let local = CpuSet::from_mask(&local).expect("a mask");
        return local.and(&online(dump)).to_string();
    }
    let cpus = |node: &NumaNode| node.cpus.clone().expect("the dump has its CPUs");
    if !cpus(node).is_empty() {
        return cpus(node);
    }
    let initiators = node.access.iter().flat_map(|access| &access.initiators);
    let mut set = CpuSet::default();
    for node in initiators.filter_map(|id| nodes.iter().find(|node| node.id == *id)) {
        set.join(&CpuSet::from_list(&cpus(node)).expect("a list"));
    }
    set.to_string()
}

/// The whole matrix, row by row.
fn matrix(topology: &Topology<'_>) -> Vec<u32> {
    let all = topology.document.descendants();
    let values = all.filter(|node| node.has_tag_name("u64values"));
    let text: String = values.filter_map(|node| node.text()).collect();
    let numbers = text
        .split_whitespace()
        .map(|number| number.parse().expect("a number"));
    numbers.collect()
}

fn figures(nodes: &[NumaNode], of: fn(&MemoryAccess) -> Option<u64>) -> BTreeMap<u32, u64> {
    let one = |node: &NumaNode| Some((node.id, node.access.iter().find_map(of)?));
    nodes.iter().filter_map(one).collect()
}

/// Values of one of lstopo's memory attributes, by node.
fn attributed(
    topology: &Topology<'_>,
    name: &str,
    nodes: &BTreeMap<u32, Node<'_, '_>>,
) -> BTreeMap<u32, u64> {
    let of_name = |node: &Node<'_, '_>| {
        node.has_tag_name("memattr_value")
            && node
                .parent()
                .is_some_and(|parent| attribute(parent, "name") == name)
    };
    let value = |value: Node<'_, '_>| {
        let target = attribute(value, "target_obj_gp_index");
        let is_it = |node: &&Node<'_, '_>| attribute(**node, "gp_index") == target;
        let node = nodes.values().find(is_it).expect("a node");
        let id = attribute(*node, "os_index").parse().expect("an id");
        (id, attribute(value, "value").parse().expect("a number"))
    };
    topology
        .document
        .descendants()
        .filter(of_name)
        .map(value)
        .collect()
}

#[test]
fn functions_are_near_to_the_nodes_that_the_files_name() {
    each_dump(|dump| {
        let root = Root::open(&dump.path).expect("the dump");
        let reader = Reader::new(&root);
        let nodes = numa::nodes(&reader);
        let functions = pci::functions(&reader, &nodes);
        let is_node = |id: u32| nodes.iter().any(|node| node.id == id);
        let mut differences = Vec::new();
        let placed = functions.iter().filter(|one| !one.path.is_empty());
        for (address, path) in placed.map(|one| (one.address, &one.path)) {
            let device = dump.path.join(&path[1..]);
            let node = pci::numa_node(&root, address, &nodes);
            if !device.is_dir() || !node.is_none_or(is_node) {
                differences.push(format!("{address} in {path} is near to {node:?}"));
            }
            let told = fs::read_to_string(device.join("numa_node")).unwrap_or_default();
            if let Ok(told) = told.trim().parse::<u32>() {
                differences.extend(differ(path, &node, &Some(told)));
            }
        }
        let nics = nics::nics(&reader, &functions, &nodes);
        let rdma = nics.iter().filter(|nic| nic.kind == NicKind::Rdma);
        let class = fs::read_dir(dump.path.join("sys/class/infiniband"));
        let theirs = class.map_or(0, Iterator::count);
        differences.extend(differ("interfaces", &rdma.count(), &theirs));
        differences
    });
}
