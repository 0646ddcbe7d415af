//! The host's own facts, read from a real folder: NUMA nodes, PCI functions, devices, tables of drivers.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::Path;

use kerf_partitioner::sysfs::capabilities::CapabilityTable;
use kerf_partitioner::sysfs::cpus::CpuSet;
use kerf_partitioner::sysfs::{
    ODDITY_LIMIT, Reader, Root, cpu, devices, majors, nics, numa, nvme, pci,
};
use kerf_types::DeviceMinor;
use kerf_types::inventory::{Nic, NumaNode};
use kerf_types::map::PciFunction;

use super::{Node, Tree};

/// A folder in memory where there is one.
const MEMORY: &str = "/dev/shm";

/// A tree that is laid out on a file system.
pub fn sysfs_tree(bytes: &[u8]) {
    let tree = Tree::parse(bytes);
    let place = if Path::new(MEMORY).is_dir() {
        Path::new(MEMORY)
    } else {
        &std::env::temp_dir()
    };
    let scratch = tempfile::tempdir_in(place).expect("a folder");
    let folder = scratch.path().join("root");
    fs::create_dir(&folder).expect("a folder");
    let outside = outside(bytes);
    fs::write(scratch.path().join("outside"), &outside).expect("a file");
    for (path, node) in tree.nodes() {
        lay(&folder, path, node);
    }
    let root = Root::open(&folder).expect("a folder");
    stays_inside(&root, &tree, &outside);
    let nodes = numa_nodes(&root);
    processors(&Reader::new(&root));
    functions(&root, &folder, &nodes);
    tables(&root, &tree);
}

fn lay(folder: &Path, path: &str, node: &Node) {
    let path = folder.join(path.trim_start_matches('/'));
    let parent = path.parent().expect("it lies below the root");
    // Through a link the kernel would make folders elsewhere; the text leaves no such path.
    if fs::create_dir_all(parent).is_err() {
        return;
    }
    drop(match node {
        Node::File(bytes) => fs::write(path, bytes),
        Node::Link(target) => symlink(target, path),
        // A folder is nothing that reads.
        Node::Fault(_) => fs::create_dir(path),
    });
}

/// What lies beside the root, where no read may come. No file of the tree says the same: a fuzzer sees what is compared
/// with what, and writes it into its next tree.
fn outside(tree: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    tree.hash(&mut hasher);
    format!("{} outside of the root", hasher.finish())
}

fn stays_inside(root: &Root, tree: &Tree, outside: &str) {
    for (path, _) in tree.nodes() {
        let path = path.trim_start_matches('/');
        assert_ne!(root.fact(path).as_deref(), Some(outside), "{path}");
        if let Some(inside) = root.canonical(path) {
            assert!(
                inside.starts_with('/') && !inside.contains("/../"),
                "{inside}"
            );
            assert!(
                root.path().join(inside.trim_start_matches('/')).exists(),
                "{inside}"
            );
        }
    }
}

fn numa_nodes(root: &Root) -> Vec<NumaNode> {
    let reader = Reader::new(root);
    let nodes = numa::nodes(&reader);
    let odd = reader.into_oddities();
    assert!(
        nodes.windows(2).all(|pair| pair[0].id < pair[1].id),
        "a node is listed once: {nodes:?}"
    );
    let silent = |node: &&NumaNode| {
        node.distances.is_empty() || node.cpus.is_none() || node.memory.is_none()
    };
    let unknown = nodes.iter().filter(silent).count();
    assert!(
        odd.len() >= unknown.min(ODDITY_LIMIT),
        "what is not known is told: {odd:?}"
    );
    for node in &nodes {
        assert!([0, nodes.len()].contains(&node.distances.len()), "{node:?}");
        let read = |cpus: &String| CpuSet::from_list(cpus).map(|cpus| cpus.to_string());
        assert_eq!(node.cpus.as_ref().and_then(read), node.cpus);
    }
    nodes
}

fn processors(reader: &Reader<'_>) {
    let cpus = cpu::cpus(reader);
    let set = |list: &str| CpuSet::from_list(list).expect("what is printed is a list");
    let online = set(&cpus.online);
    assert_eq!(
        (
            Some(online.len()).filter(|threads| *threads > 0),
            cpus.cores <= cpus.threads
        ),
        (cpus.threads, true)
    );
    let mut rest = online.clone();
    for package in &cpus.packages {
        let own = set(&package.cpus);
        assert!(
            own.without(&rest).is_empty(),
            "{package:?} has threads of its own"
        );
        rest = rest.without(&own);
    }
    for cache in &cpus.caches {
        assert!(set(&cache.cpus).without(&online).is_empty(), "{cache:?}");
    }
}

fn functions(root: &Root, folder: &Path, nodes: &[NumaNode]) {
    let is_known = |id: Option<u32>| id.is_none_or(|id| nodes.iter().any(|node| node.id == id));
    let reader = Reader::new(root);
    let functions = pci::functions(&reader, nodes);
    // Firmware may give one address to two bridges, which hang at different places.
    let place = |one: &PciFunction| (one.address, one.path.clone());
    let in_order = |pair: &[PciFunction]| {
        pair[0].address <= pair[1].address && place(&pair[0]) != place(&pair[1])
    };
    assert!(functions.windows(2).all(in_order), "each once, by address");
    for function in &functions {
        let path = &function.path;
        assert!(is_known(function.numa_node));
        if !path.is_empty() {
            assert!(path.starts_with("/sys/devices/"), "{path}");
            assert!(folder.join(path.trim_start_matches('/')).exists(), "{path}");
        }
        assert!(is_known(pci::numa_node(root, function.address, nodes)));
    }
    let nics = nics::nics(&reader, &functions, nodes);
    let key = |nic: &Nic| (nic.kind, nic.name.clone());
    assert!(nics.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])));
    assert!(nics.iter().all(|nic| is_known(nic.numa_node)));
    let devices = devices::devices(&reader, &functions, nodes);
    assert!(devices.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(devices.iter().all(|device| is_known(device.numa_node)));
    let disks = nvme::controllers(&reader, &functions, nodes);
    assert!(disks.iter().all(|disk| is_known(disk.numa_node)));
}

/// Tables that say which device node opens what: read whole or not at all.
fn tables(root: &Root, tree: &Tree) {
    if let Ok(majors) = majors::majors(root) {
        let drivers = majors::character_drivers(root).expect("the same file");
        let is_listed = |name: &String| drivers.iter().any(|(_, driver)| driver == name);
        assert!(majors.keys().all(is_listed), "{majors:?} of {drivers:?}");
    }
    let Ok(table) = CapabilityTable::read(root) else {
        return;
    };
    let Some(Node::File(text)) = tree.nodes.get("/proc/driver/nvidia-caps/mig-minors") else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    let numbers = text
        .lines()
        .filter_map(|line| line.rsplit(' ').next()?.trim().parse().ok());
    for minor in numbers.map(DeviceMinor) {
        if let Some(capability) = table.capability(minor) {
            assert_eq!(table.minor(capability), Some(minor), "one opens the other");
        }
    }
}
