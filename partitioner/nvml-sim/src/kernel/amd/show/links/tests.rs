//! The links of KFD's topology: of machines whose hive is fully connected, of one whose is not, and of partitions.

use std::collections::BTreeMap;

use kerf_tests::Capability;

use crate::kernel::amd::{Hive, MI250X};
use crate::kernel::{Errno, Kernel};

const NODES: &str = "/sys/class/kfd/kfd/topology/nodes";

fn kernel(machine: &str) -> Kernel {
    Kernel::in_memory(machine, 7).expect("a machine with AMD GPUs")
}

fn properties(kernel: &Kernel, path: &str) -> BTreeMap<String, u64> {
    let text = kernel.read(path).expect(path);
    let text = String::from_utf8(text).expect("text");
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
        .collect()
}

/// A node's links by the node at the other end: type, weight, least and most bandwidth.
fn links(kernel: &Kernel, node: u32) -> BTreeMap<u64, [u64; 4]> {
    let folder = format!("{NODES}/{node}");
    let names = kernel.list(&format!("{folder}/io_links"));
    let names = names.expect("links");
    let told = properties(kernel, &format!("{folder}/properties"))["io_links_count"];
    assert_eq!(u64::try_from(names.len()), Ok(told));
    let links = names.iter().map(|name| {
        let link = properties(kernel, &format!("{folder}/io_links/{name}/properties"));
        assert_eq!(link["node_from"], u64::from(node));
        let facts = ["type", "weight", "min_bandwidth", "max_bandwidth"];
        (link["node_to"], facts.map(|fact| link[fact]))
    });
    links.collect()
}

#[test]
fn a_full_hive_has_one_link_to_each_pair_and_sockets_lead_back_to_their_gpus() {
    let kernel = kernel("mi300x8");
    for gpu in 2..10 {
        let links = links(&kernel, gpu);
        let host = u64::from(gpu >= 6);
        assert_eq!(links.len(), 8);
        assert_eq!(links[&host], [2, 20, 312, 63_008]);
        for peer in (2..10).filter(|peer| *peer != u64::from(gpu)) {
            assert_eq!(links[&peer], [11, 15, 64_000, 64_000], "{gpu} {peer}");
        }
    }
    let first = links(&kernel, 0);
    assert_eq!(first.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(first[&1], [1, 32, 0, 0]);
    assert_eq!(first[&5], [2, 20, 312, 63_008]);
}

/// Hops between the GPUs of a machine with one socket, and whether they have links of their own.
fn hops(kernel: &Kernel) -> String {
    let row = |gpu: u32| {
        let links = links(kernel, gpu);
        let hops = (1..=8).map(|peer: u64| match links.get(&peer) {
            None => "-".to_owned(),
            Some([11, weight, 50_000, 50_000]) => (weight / 15).to_string(),
            Some([11, weight, 0, 0]) => format!("({})", weight / 15),
            Some(other) => panic!("{gpu} {peer}: {other:?}"),
        });
        let hops = hops.map(|hops| format!("{hops:^3}"));
        hops.collect::<String>().trim_end().to_owned()
    };
    (1..=8).map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_hive_that_is_not_full_counts_hops_and_has_no_bandwidth_beyond_the_first() {
    let expected = " \
 -  1  1 (2)(2)(2) 1 (2)
 1  - (2) 1 (2) 1 (2)(2)
 1 (2) -  1  1 (2)(2)(2)
(2) 1  1  - (2)(2)(2) 1
(2)(2) 1 (2) -  1  1 (2)
(2) 1 (2)(2) 1  - (2) 1
 1 (2)(2)(2) 1 (2) -  1
(2)(2)(2) 1 (2) 1  1  -";
    assert_eq!(hops(&kernel("mi250x4")), expected);
}

#[test]
fn the_wiring_of_mi250x_is_that_of_the_public_model() {
    if !kerf_tests::require(Capability::Data) {
        return;
    }
    let path = kerf_tests::tree::data_dir().join("nccl-topo/topo_8p_90a.xml");
    let model = std::fs::read_to_string(path).expect("the model");
    let attribute = |line: &str, name: &str| {
        let value = line.split_once(&format!("{name}=\""))?.1;
        Some(value.split('"').next()?.to_owned())
    };
    let lines = model.lines().map(str::trim_start);
    let addresses: Vec<String> = lines
        .clone()
        .filter(|line| line.starts_with("<pci "))
        .filter_map(|line| attribute(line, "busid"))
        .collect();
    let (mut own, mut wired) = (0, 0);
    for line in lines {
        if line.starts_with("<pci ") {
            let busid = attribute(line, "busid").expect("an address");
            own = addresses
                .iter()
                .position(|other| *other == busid)
                .expect("known");
        } else if line.starts_with("<xgmi ") {
            let target = attribute(line, "target").expect("an address");
            let other = addresses
                .iter()
                .position(|other| *other == target)
                .expect("known");
            let place = |place: usize| u32::try_from(place).expect("few");
            let links = MI250X.hive.links(place(own), place(other));
            assert_eq!(Some(links.to_string()), attribute(line, "count"), "{line}");
            wired += 1;
        }
    }
    // Each pair is told from both ends.
    assert_eq!(wired, 2 * MI250X.hive.pairs.expect("pairs").len());
}

#[test]
fn partitions_are_linked_within_their_gpu_and_to_those_of_others() {
    let kernel = kernel("mi300x8");
    let mode = "/sys/class/drm/card0/device/current_compute_partition";
    kernel.write(mode, b"DPX").expect("nobody uses it");
    // The two partitions stand behind the seven other GPUs.
    let partition = links(&kernel, 9);
    assert_eq!(partition[&10], [11, 13, 819_200, 819_200]);
    assert_eq!(partition[&2], [11, 41, 0, 0]);
}

#[test]
fn a_gpu_without_partitions_has_no_files_for_them() {
    let kernel = kernel("mi250x4");
    for name in [
        "current_compute_partition",
        "available_memory_partition",
        "compute_partition_config",
    ] {
        let path = format!("/sys/class/drm/card0/device/{name}");
        assert_eq!(kernel.read(&path), Err(Errno::ENOENT), "{name}");
        assert_eq!(kernel.write(&path, b"SPX"), Err(Errno::ENOENT), "{name}");
    }
    let cards = kernel.list("/sys/class/drm").expect("cards");
    assert_eq!(cards.len(), 16, "a card and a render node each");
}

#[test]
fn where_no_way_leads_there_are_no_hops() {
    let hive = Hive {
        link_mbps: 50_000,
        pairs: Some(&[(0, 1, 1)]),
    };
    assert_eq!((hive.hops(0, 1, 3), hive.hops(0, 2, 3)), (1, 0));
}
