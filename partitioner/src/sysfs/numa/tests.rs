//! Nodes that firmware describes oddly, and what a kernel tells of unusual memory.

use std::fs;
use std::path::Path;

use kerf_types::Bytes;
use kerf_types::inventory::{MemoryAccess, MemoryCache, NumaNode};

use super::nodes;
use crate::sysfs::Reader;
use crate::sysfs::tests::tree;

const NODES: &str = "sys/devices/system/node";

/// The tree of some nodes: id, CPUs, distances; each has a MiB of memory.
fn files(nodes: &[(u32, &str, &str)]) -> Vec<(String, String)> {
    let of = |(id, cpus, distance): &(u32, &str, &str)| {
        let file = |name: &str, text: String| (format!("{NODES}/node{id}/{name}"), text);
        [
            file("cpulist", format!("{cpus}\n")),
            file("distance", format!("{distance}\n")),
            file(
                "meminfo",
                format!("Node {id} MemTotal:  1024 kB\nNode {id} MemFree: 1 kB\n"),
            ),
        ]
    };
    nodes.iter().flat_map(of).collect()
}

/// The nodes of a tree, and each oddity as `path: what`.
fn read(base: &[(String, String)], more: &[(&str, &str)]) -> (Vec<NumaNode>, Vec<String>) {
    let mut all: Vec<(&str, &str)> = Vec::new();
    all.extend(
        base.iter()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    );
    all.extend(more);
    let (_folder, root) = tree(&all);
    let reader = Reader::new(&root);
    let nodes = nodes(&reader);
    let odd = reader.into_oddities().into_iter();
    let odd = odd.map(|odd| {
        format!(
            "{}: {}",
            odd.path.trim_start_matches("/sys/devices/"),
            odd.what
        )
    });
    (nodes, odd.collect())
}

#[test]
fn ids_have_gaps_and_nodes_no_cpus() {
    let base = files(&[
        (0, "0-3", "10 20 30"),
        (252, "", "20 10 40"),
        (8, "4-7", "30 40 10"),
    ]);
    let (nodes, odd) = read(&base, &[("sys/devices/system/node/nodeX", "")]);
    let seen: Vec<_> = nodes
        .iter()
        .map(|node| (node.id, node.cpus.as_deref()))
        .collect();
    assert_eq!(seen, [(0, Some("0-3")), (8, Some("4-7")), (252, Some(""))]);
    assert_eq!(nodes[2].memory, Some(Bytes(1 << 20)));
    assert_eq!(nodes[2].distances, [20, 10, 40]);
    assert_eq!(odd, [""; 0]);
    assert_eq!(read(&[], &[]), (Vec::new(), Vec::new()));
}

#[test]
fn an_old_kernel_has_masks_alone_and_lists_what_is_offline() {
    let mut base = files(&[(0, "0-3", "10")]);
    base.remove(0);
    let (nodes, odd) = read(
        &base,
        &[
            ("sys/devices/system/node/node0/cpumap", "000000f0\n"),
            ("sys/devices/system/cpu/online", "0-6\n"),
        ],
    );
    assert_eq!((nodes[0].cpus.as_deref(), odd), (Some("4-6"), Vec::new()));
}

#[test]
fn what_lies_is_odd_and_unknown() {
    let base = files(&[(0, "0-9", "10 20 30"), (1, "0-", "10 x"), (2, "", "")]);
    let (nodes, odd) = read(
        &base[..7],
        &[
            ("sys/devices/system/cpu/possible", "0-7\n"),
            (
                "sys/devices/system/node/node2/meminfo",
                "Node 2 MemTotal: many kB",
            ),
        ],
    );
    let seen: Vec<_> = nodes
        .iter()
        .map(|node| {
            let cpus = node.cpus.as_deref();
            (cpus, node.memory, node.distances.as_slice())
        })
        .collect();
    let mib = Some(Bytes(1 << 20));
    assert_eq!(
        seen,
        [
            (None, mib, [10, 20, 30].as_slice()),
            (None, mib, &[]),
            (Some(""), None, &[])
        ]
    );
    assert_eq!(
        odd,
        [
            "system/node/node0/cpulist: names 8-9, which can be no CPUs of this machine",
            "system/node/node1/cpulist: \"0-\" is not a list of numbers",
            "system/node/node1/cpulist: does not name the node's CPUs, nor does cpumap",
            "system/node/node1/distance: does not name the distances to 3 nodes",
            "system/node/node2/distance: does not name the distances to 3 nodes",
            "system/node/node2/meminfo: does not say how much memory there is (MemTotal)",
        ]
    );
}

#[test]
fn what_cannot_be_read_is_unknown_and_what_is_empty_is_known() {
    let base = files(&[(0, "0-3", "10 20"), (1, "", "20 10")]);
    let seen = |mangle: &dyn Fn(&Path)| {
        let files: Vec<(&str, &str)> = base
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        let (folder, root) = tree(&files);
        mangle(&folder.path().join(NODES).join("node1"));
        let reader = Reader::new(&root);
        let one = nodes(&reader).remove(1);
        (one.cpus, one.memory, reader.into_oddities().len())
    };
    let mib = Some(Bytes(1 << 20));
    // The kernel writes an empty line for a node of memory alone.
    assert_eq!(seen(&|_| {}), (Some(String::new()), mib, 0));
    let no_text = |path: &Path| fs::write(path, [0xff, b'\n']).expect("a file");
    let cut = |path: &Path| fs::write(path, "").expect("a file");
    let gone = |path: &Path| fs::remove_file(path).expect("a file");
    let folder = |path: &Path| {
        gone(path);
        fs::create_dir(path).expect("a folder");
    };
    let looped = |path: &Path| {
        gone(path);
        std::os::unix::fs::symlink(path, path).expect("a link");
    };
    let mangles: [&dyn Fn(&Path); 5] = [&no_text, &cut, &gone, &folder, &looped];
    for (at, mangle) in mangles.into_iter().enumerate() {
        let (cpus, memory, odd) = seen(&|node| mangle(&node.join("cpulist")));
        assert_eq!((cpus, memory, odd > 0), (None, mib, true), "{at}");
        let (cpus, memory, odd) = seen(&|node| mangle(&node.join("meminfo")));
        let none = Some(String::new());
        assert_eq!((cpus, memory, odd > 0), (none, None, true), "{at}");
    }
    // A node of processors alone says that it has none.
    let bare = |node: &Path| {
        fs::write(node.join("meminfo"), "Node 1 MemTotal:       0 kB\n").expect("a file");
    };
    assert_eq!(seen(&bare), (Some(String::new()), Some(Bytes(0)), 0));
}

/// How firmware describes a node without processors; what is wrong in it is told below.
const REACHED: [(&str, &str); 12] = [
    ("system/node/node1/access0/initiators/node0/x", ""),
    ("system/node/node1/access0/initiators/node7/x", ""),
    (
        "system/node/node1/access0/initiators/read_bandwidth",
        "1200\n",
    ),
    (
        "system/node/node1/access0/initiators/write_bandwidth",
        "0\n",
    ),
    (
        "system/node/node1/access0/initiators/read_latency",
        "90 ns\n",
    ),
    ("system/node/node1/access1/initiators/node0/x", ""),
    ("system/node/node1/access1/initiators/write_latency", "95\n"),
    (
        "system/node/node1/access1/initiators/write_bandwidth",
        "800\n",
    ),
    (
        "system/node/node1/memory_side_cache/index1/size",
        "17179869184\n",
    ),
    (
        "system/node/node1/memory_side_cache/index2/line_size",
        "64\n",
    ),
    ("virtual/memory_tiering/memory_tier4/nodelist", "0\n"),
    ("virtual/memory_tiering/memory_tier22/nodelist", "0-1\n"),
];

#[test]
fn firmware_says_how_memory_is_reached() {
    let base = files(&[(0, "0-3", "10 20"), (1, "", "20 10")]);
    let reached = REACHED.map(|(path, text)| (format!("sys/devices/{path}"), text));
    let more: Vec<(&str, &str)> = reached
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    let (nodes, odd) = read(&base, &more);
    let access = |class, read_mbps, write_mbps, write_ns| MemoryAccess {
        class,
        initiators: vec![0],
        read_mbps,
        write_mbps,
        read_ns: None,
        write_ns,
    };
    assert_eq!(
        nodes[1].access,
        [
            access(0, Some(1_200), None, None),
            access(1, None, Some(800), Some(95))
        ]
    );
    let cache = |level, bytes| MemoryCache { level, bytes };
    assert_eq!(
        nodes[1].memory_caches,
        [cache(1, Some(1 << 34)), cache(2, None)]
    );
    assert_eq!((nodes[0].tier, nodes[1].tier), (Some(4), Some(22)));
    assert!(nodes[0].access.is_empty() && nodes[0].memory_caches.is_empty());
    assert_eq!(
        odd,
        [
            "system/node/node1/access0/initiators/node7: is no node of this machine",
            "system/node/node1/access0/initiators/read_latency: \"90 ns\" is not a number that fits",
            "virtual/memory_tiering/memory_tier22/nodelist: names node 0, which is in tier 4",
        ]
    );
}

#[test]
fn memory_of_a_gpu_is_the_gpus() {
    let base = files(&[
        (0, "0-3", "10 80 80"),
        (254, "", "80 10 80"),
        (255, "", "80 80 10"),
    ]);
    let of = |address: &str| format!("proc/driver/nvidia/gpus/{address}/numa_status");
    let status = |node: &str, state: &str| {
        format!("Node:      {node}\nStatus:    {state}\nSize: 3f0000000\n")
    };
    let mut base = base;
    for (address, text) in [
        ("0004:04:00.0", status("255", "online")),
        ("0004:05:00.0", status("254", "online")),
        ("0004:06:00.0", status("254", "online")),
        ("0035:03:00.0", status("17", "online")),
        ("0035:04:00.0", status("18", "offline")),
        ("0035:05:00.0", status("-1", "disabled")),
        ("0035:06:00.0", "Status: online\n".to_owned()),
        ("nonsense", status("0", "online")),
    ] {
        base.push((of(address), text));
    }
    let (nodes, odd) = read(
        &base,
        &[("proc/driver/nvidia/gpus/0035:07:00.0/information", "")],
    );
    let owners: Vec<_> = nodes
        .iter()
        .map(|node| node.accelerator.map(|gpu| gpu.to_string()))
        .collect();
    let gpu = |address: &str| Some(address.to_owned());
    assert_eq!(owners, [None, gpu("0004:05:00.0"), gpu("0004:04:00.0")]);
    let at = |address: &str| format!("/{}: ", of(address));
    assert_eq!(
        odd,
        [
            at("0004:06:00.0") + "names node 254, as that of 0004:05:00.0 does",
            at("0035:03:00.0") + "names node 17 as online, and it is not",
            at("0035:06:00.0") + "does not name the node of the GPU's memory",
        ]
    );
}

#[test]
fn nodes_that_are_online_have_folders() {
    let base = files(&[(0, "0-3", "10 20"), (2, "4-7", "20 10")]);
    let with = |online| read(&base, &[("sys/devices/system/node/online", online)]).1;
    assert_eq!(with("0,2\n"), [""; 0]);
    assert_eq!(
        with("0,2\n\0"),
        [""; 0],
        "as kernels before Linux 4 write it"
    );
    assert_eq!(
        with("0-3,65535\n"),
        ["system/node/online: names 1,3,65535, which have no folder"]
    );
    assert_eq!(
        with("all of them"),
        ["system/node/online: \"all of them\" is not a list of numbers"]
    );
}
