//! NUMA nodes, PCI functions and network interfaces where the firmware tells little or nonsense.

use tempfile::TempDir;

use super::tree;
use crate::sysfs::{Reader, Root, nics, numa, pci};

fn node(id: u32, cpus: &str, distance: &str) -> Vec<(String, String)> {
    let file = |name: &str, text: &str| {
        (
            format!("sys/devices/system/node/node{id}/{name}"),
            text.to_owned(),
        )
    };
    vec![
        file("cpulist", cpus),
        file("distance", distance),
        file(
            "meminfo",
            &format!("Node {id} MemTotal:       1024 kB\nNode {id} MemFree: 1 kB\n"),
        ),
    ]
}

fn tree_of(files: &[(String, String)], more: &[(&str, &str)]) -> (TempDir, Root) {
    let mut all: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    all.extend(more);
    tree(&all)
}

/// Five functions, none of which says where it is as it should.
fn silent_firmware() -> (TempDir, Root) {
    let mut files = node(0, "0-3", "10 20");
    files.extend(node(1, "4-7", "20 10"));
    let device = |name: &str, file: &str| format!("sys/devices/pci0000:00/{name}/{file}");
    let mut add =
        |name: &str, file: &str, text: &str| files.push((device(name, file), text.to_owned()));
    add("0000:00:01.0", "numa_node", "1");
    add("0000:00:01.0/0000:01:00.0", "numa_node", "-1");
    add("0000:00:01.0/0000:01:00.0", "local_cpulist", "0-7");
    add("0000:00:02.0", "numa_node", "-1");
    add("0000:00:02.0", "local_cpulist", "0-1");
    add("0000:00:03.0", "numa_node", "7");
    add("0000:00:03.0", "local_cpus", "000000f0");
    add("0000:00:04.0", "numa_node", "-1");
    let links = [
        (
            "sys/bus/pci/devices/0000:01:00.0",
            "->../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0",
        ),
        (
            "sys/bus/pci/devices/0000:00:02.0",
            "->../../../devices/pci0000:00/0000:00:02.0",
        ),
        (
            "sys/bus/pci/devices/0000:00:03.0",
            "->../../../devices/pci0000:00/0000:00:03.0",
        ),
        (
            "sys/bus/pci/devices/0000:00:04.0",
            "->../../../devices/pci0000:00/0000:00:04.0",
        ),
        // A folder where a kernel has a link.
        ("sys/bus/pci/devices/10000:e1:00.0/numa_node", "0"),
        ("sys/bus/pci/devices/10000:e1:00.0/class", "0x030200"),
    ];
    tree_of(&files, &links)
}

#[test]
fn a_numa_node_is_found_where_the_firmware_is_silent() {
    let (_folder, root) = silent_firmware();
    let nodes = numa::nodes(&Reader::new(&root));
    let near = |address: &str| pci::numa_node(&root, address.parse().expect(address), &nodes);
    assert_eq!(
        near("0000:01:00.0"),
        Some(1),
        "from the bridge above, since its CPUs are everywhere"
    );
    assert_eq!(near("0000:00:02.0"), Some(0), "from its CPUs");
    assert_eq!(
        near("0000:00:03.0"),
        Some(1),
        "from its CPUs, since node 7 does not exist"
    );
    assert_eq!(near("0000:00:04.0"), None);
    assert_eq!(near("10000:e1:00.0"), Some(0));
    assert_eq!(near("0000:77:00.0"), None, "no such device");
    let reader = Reader::new(&root);
    let functions = pci::functions(&reader, &nodes);
    for function in &functions {
        let address = function.address.to_string();
        assert_eq!(function.numa_node, near(&address), "{address}");
    }
    assert_eq!(functions.len(), 5);
    let folder = functions.last().expect("five");
    assert_eq!(folder.path, "", "a folder has no path in /sys/devices");
    let oddities = reader.into_oddities();
    let seen: Vec<_> = oddities
        .iter()
        .map(|odd| format!("{} {}", odd.path, odd.what))
        .collect();
    assert_eq!(
        seen,
        ["/sys/bus/pci/devices/0000:00:03.0/numa_node names node 7, which is not online"]
    );
}

#[test]
fn interfaces_of_all_sorts() {
    let bus = "sys/devices/pci0000:00/0000:00:01.0";
    let port = |rate: &str, state: &str, layer: &str| {
        [rate.to_owned(), state.to_owned(), layer.to_owned()]
    };
    let mut files = node(0, "0-3", "10");
    let mut add = |name: &str, [rate, state, layer]: [String; 3]| {
        for (file, text) in [("rate", rate), ("state", state), ("link_layer", layer)] {
            files.push((format!("{bus}/infiniband/{name}/ports/1/{file}"), text));
        }
        files.push((
            format!("sys/class/infiniband/{name}"),
            format!("->../../../{bus}/infiniband/{name}"),
        ));
    };
    add(
        "mlx5_0",
        port("400 Gb/sec (4X NDR)", "4: ACTIVE", "InfiniBand"),
    );
    add("mlx5_1", port("10 Gb/sec (4X)", "1: DOWN", "Ethernet"));
    add(
        "qib0",
        port("2.5 Gb/sec (1X SDR)", "4: ACTIVE", "InfiniBand"),
    );
    for name in ["mlx5_0", "mlx5_1"] {
        files.push((
            format!("{bus}/infiniband/{name}/device"),
            "->../..".to_owned(),
        ));
    }
    files.push((format!("{bus}/numa_node"), "0".to_owned()));
    files.push((format!("{bus}/class"), "0x020700".to_owned()));
    let link = (
        "sys/bus/pci/devices/0000:00:01.0",
        "->../../../devices/pci0000:00/0000:00:01.0",
    );
    let (_folder, root) = tree_of(
        &files,
        &[link, ("sys/class/infiniband/bond0/ports/1/rate", "")],
    );
    let reader = Reader::new(&root);
    let nodes = numa::nodes(&reader);
    let functions = pci::functions(&reader, &nodes);
    let nics = nics::nics(&reader, &functions, &nodes);
    let seen: Vec<_> = nics
        .iter()
        .map(|nic| {
            let pci = nic.pci.map(|pci| pci.to_string()).unwrap_or_default();
            (
                nic.name.as_str(),
                pci,
                nic.numa_node,
                nic.link_layer.as_str(),
                nic.rate.map(|rate| rate.0),
            )
        })
        .collect();
    let at = || "0000:00:01.0".to_owned();
    assert_eq!(
        seen,
        [
            ("bond0", String::new(), None, "", None),
            ("mlx5_0", at(), Some(0), "InfiniBand", Some(400_000)),
            ("mlx5_1", at(), Some(0), "Ethernet", Some(0)),
            ("qib0", at(), Some(0), "InfiniBand", Some(2_500)),
        ]
    );
    let paths: Vec<&str> = functions.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, [format!("/{bus}")]);
}

#[test]
fn cpus_of_nobody_that_is_known_may_be_those_of_a_silent_node() {
    let near = |cpulist: &str, local: &str| {
        let mut files = node(0, "0-3", "10 20");
        files.extend(node(1, cpulist, "20 10"));
        let device = "sys/bus/pci/devices/0000:00:01.0/local_cpulist";
        let (_folder, root) = tree_of(&files, &[(device, local)]);
        let nodes = numa::nodes(&Reader::new(&root));
        pci::numa_node(&root, "0000:00:01.0".parse().expect("an address"), &nodes)
    };
    // The kernel lists CPUs that are offline too, and this node is known to have none.
    assert_eq!(near("\n", "0-7"), Some(0));
    assert_eq!(near("x", "0-7"), None);
    assert_eq!(near("x", "0-3"), Some(0));
}
