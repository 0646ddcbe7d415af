//! The rule on machines of a few nodes each.

use std::sync::Arc;

use kerf_types::inventory::{Inventory, NumaNode};
use kerf_types::map::PciFunction;
use kerf_types::{Bytes, HostMap};

use super::{Cpuset, cpuset};
use crate::sysfs::cpus::CpuSet;

const GPU: &str = "0000:01:00.0";

/// A node by id, processors, gibibytes and distances.
fn node(id: u32, cpus: &str, memory: u64, distances: &str) -> NumaNode {
    let far = |text: &str| text.parse().expect("a distance");
    NumaNode {
        id,
        cpus: Some(cpus.to_owned()),
        memory: Some(Bytes(memory << 30)),
        distances: distances.split_whitespace().map(far).collect(),
        ..NumaNode::default()
    }
}

fn gpu_memory(id: u32, distances: &str) -> NumaNode {
    NumaNode {
        accelerator: Some(GPU.parse().expect("an address")),
        // Firmware may say of it what it says of any memory.
        tier: Some(5),
        ..node(id, "", 96, distances)
    }
}

/// A machine with a device next to each of `near`.
fn machine(architecture: &str, nodes: &[NumaNode], near: &[Option<u32>]) -> Inventory {
    let mut map = HostMap::default();
    map.cpus.architecture = Some(architecture.to_owned());
    map.pci = (1..)
        .zip(near)
        .map(|(bus, numa_node)| PciFunction {
            numa_node: *numa_node,
            ..PciFunction::at(
                format!("0000:{bus:02x}:00.0").parse().expect("one"),
                String::new(),
            )
        })
        .collect();
    Inventory {
        numa_nodes: nodes.to_vec(),
        map: Arc::new(map),
        ..Inventory::default()
    }
}

/// `CPUs / nodes` of a container with all devices of the machine, of what is allowed.
fn told(host: &Inventory, cpus: &str, mems: &str) -> String {
    let list = |text| CpuSet::from_list(text).expect("a list");
    let allowed = Cpuset {
        cpus: list(cpus),
        mems: list(mems),
    };
    let devices = host.map.pci.iter().map(|one| one.address).collect();
    let set = cpuset(host, &devices, &allowed);
    format!("{} / {}", set.cpus, set.mems)
}

fn check(architecture: &str, nodes: &[NumaNode], near: &[Option<u32>], expected: &str) {
    let host = machine(architecture, nodes, near);
    assert_eq!(told(&host, "0-1023", "0-1023"), expected, "{near:?}");
}

#[test]
fn each_device_brings_its_own_node() {
    let nodes = [
        node(0, "0-55,112-167", 1, "10 21"),
        node(1, "56-111,168-223", 1, "21 10"),
    ];
    check("x86_64", &nodes, &[Some(1)], "56-111,168-223 / 1");
    check("x86_64", &nodes, &[Some(1), Some(0)], "0-223 / 0-1");
}

#[test]
fn nothing_is_given_that_this_process_may_not_use() {
    let nodes = [node(0, "0-3", 1, "10 21"), node(1, "4-7", 1, "21 10")];
    let host = machine("x86_64", &nodes, &[Some(1)]);
    assert_eq!(told(&host, "0,5-6", "0-1"), "5-6 / 1");
    assert_eq!(told(&host, "0,5-6", "0"), "5-6 / ");
    assert_eq!(
        told(&host, "0-3", "0-1"),
        " / ",
        "memory without its processors"
    );
    // The same where there is memory that nobody may have.
    let grace = [node(0, "0-71", 480, "10 80"), gpu_memory(1, "80 10")];
    let host = machine("aarch64", &grace, &[Some(0)]);
    assert_eq!(told(&host, "72-80", "0-1"), " / 0");
    assert_eq!(told(&host, "72-80", "1"), " / ");
}

#[test]
fn what_is_not_known_pins_nobody() {
    let nodes = [node(0, "0-3", 1, "10 21"), node(1, "4-7", 1, "21 10")];
    check("x86_64", &nodes, &[], " / ");
    check("x86_64", &nodes, &[None], " / ");
    check("x86_64", &nodes, &[Some(0), None], " / ");
    check("x86_64", &nodes, &[Some(7)], " / ");
    check("x86_64", &[], &[Some(0)], " / ");
    // A node without processors that does not say how far the others are, and one that none can be reached from.
    for distances in ["", "10", "255 10"] {
        let lost = [node(0, "0-3", 1, "10 255"), node(1, "", 1, distances)];
        check("x86_64", &lost, &[Some(1)], " / ");
        check("x86_64", &lost, &[Some(0)], "0-3 / 0");
        check("x86_64", &lost, &[Some(0), Some(1)], " / ");
    }
    // A list that is none is no reason to leave out half of the processors.
    let odd = [node(0, "0-3", 1, "10 21"), node(1, "4-x", 1, "21 10")];
    check("x86_64", &odd, &[Some(0), Some(1)], " / ");
}

#[test]
fn memory_of_power9s_gpus_is_no_memory_of_the_host() {
    let far = "10 40 80 80 80 80 80 80";
    let mut nodes = vec![
        node(0, "0-63", 256, far),
        node(8, "64-127", 256, "40 10 80 80 80 80 80 80"),
    ];
    let gpus = (250..=255).map(|id| gpu_memory(id, "80 80 80 80 80 80 80 10"));
    nodes.extend(gpus);
    check("ppc64le", &nodes, &[Some(0)], "0-63 / 0");
    check("ppc64le", &nodes, &[Some(8)], "64-127 / 8");
    // A driver that calls a GPU's own memory its node: both sockets are as far from it.
    check("ppc64le", &nodes, &[Some(255)], "0-127 / 0,8");
}

#[test]
fn memory_of_graces_gpu_is_never_given_whoever_is_silent() {
    let mut nodes = vec![
        node(0, "0-71", 480, "10 80 80"),
        gpu_memory(1, "80 10 80"),
        node(2, "", 0, "80 80 10"),
    ];
    check("aarch64", &nodes, &[Some(0)], "0-71 / 0");
    check("aarch64", &nodes, &[Some(1)], "0-71 / 0");
    // One of its nodes for MIG gets memory, and the driver names no owner of it.
    nodes[2].memory = Some(Bytes(1 << 30));
    check("aarch64", &nodes, &[Some(0)], "0-71 / 0");
    // It is nobody's either where the place of the device is not known.
    check("aarch64", &nodes, &[None], " / 0");
    // The same beside an owner on any machine.
    check("x86_64", &nodes, &[Some(0)], "0-71 / 0");
    // The driver answers for nobody.
    nodes[1].accelerator = None;
    check("aarch64", &nodes, &[Some(0)], "0-71 / 0");
    check("", &nodes, &[Some(0)], "0-71 / 0");
    check("aarch64", &nodes, &[None], " / 0");
}

#[test]
fn memory_without_processors_goes_with_the_nearest_that_have_some() {
    // Two sockets with HBM each, and CXL memory as far from both.
    let nodes = [
        node(0, "0-3", 64, "10 21 13 23 24"),
        node(1, "4-7", 64, "21 10 23 13 24"),
        node(2, "", 32, "13 23 10 23 34"),
        node(3, "", 32, "23 13 23 10 34"),
        node(4, "", 512, "24 24 34 34 10"),
    ];
    check("x86_64", &nodes, &[Some(0)], "0-3 / 0,2,4");
    check("x86_64", &nodes, &[Some(1)], "4-7 / 1,3-4");
    check("x86_64", &nodes, &[Some(3)], "4-7 / 1,3-4");
    check("x86_64", &nodes, &[Some(4)], "0-7 / 0-4");
}

#[test]
fn processors_without_memory_take_the_nearest() {
    let nodes = [
        node(0, "0-3", 64, "10 12 32 32"),
        node(1, "4-7", 0, "12 10 32 32"),
        node(2, "8-11", 64, "32 32 10 12"),
        node(3, "12-15", 0, "32 32 12 10"),
    ];
    check("x86_64", &nodes, &[Some(1)], "4-7 / 0");
    check("x86_64", &nodes, &[Some(1), Some(2)], "4-11 / 0,2");
    // Nobody knows which is nearest: the processors hold, the kernel places memory as it does.
    let mut unknown = nodes;
    unknown[1].distances.clear();
    check("x86_64", &unknown, &[Some(1)], "4-7 / ");
    check("x86_64", &unknown, &[Some(1), Some(2)], "4-11 / ");
}

/// A node that does not say which processors it has.
fn silent(id: u32, memory: u64, distances: &str) -> NumaNode {
    NumaNode {
        cpus: None,
        ..node(id, "", memory, distances)
    }
}

#[test]
fn processors_that_are_not_known_pin_nobody_elsewhere() {
    let nodes = [node(0, "0-3", 1, "10 21"), silent(1, 1, "21 10")];
    for architecture in ["x86_64", "aarch64"] {
        check(architecture, &nodes, &[Some(1)], " / ");
        check(architecture, &nodes, &[Some(0), Some(1)], " / ");
        // The others are as well known as before.
        check(architecture, &nodes, &[Some(0)], "0-3 / 0");
    }
    // It may be the nearest with processors of a node without, or it is too far away to be that.
    let near = [
        node(0, "0-3", 1, "10 21 15"),
        silent(1, 1, "21 10 13"),
        node(2, "", 0, "15 13 10"),
    ];
    check("x86_64", &near, &[Some(2)], " / ");
    let [node_0, mut node_1, mut node_2] = near;
    node_1.distances = vec![21, 10, 17];
    node_2.distances = vec![15, 17, 10];
    check("x86_64", &[node_0, node_1, node_2], &[Some(2)], "0-3 / 0");
}

#[test]
fn memory_that_is_not_known_pins_nobody_elsewhere() {
    let mut nodes = [node(0, "0-3", 1, "10 21"), node(1, "4-7", 1, "21 10")];
    nodes[1].memory = None;
    check("x86_64", &nodes, &[Some(1)], "4-7 / ");
    check("aarch64", &nodes, &[Some(1)], "4-7 / ");
    check("x86_64", &nodes, &[Some(0), Some(1)], "0-7 / ");
    check("x86_64", &nodes, &[Some(0)], "0-3 / 0");
    // Processors that have none take the nearest: this one, if it has some.
    nodes[0].memory = Some(Bytes(0));
    check("x86_64", &nodes, &[Some(0)], "0-3 / ");
    // One without processors is left out where nobody knows whether it has any.
    let mut far = node(1, "", 1, "21 10");
    far.memory = None;
    let nodes = [node(0, "0-3", 1, "10 21"), far];
    check("x86_64", &nodes, &[Some(0)], "0-3 / 0");
}

#[test]
fn memory_of_a_gpu_is_never_given_beside_a_node_that_says_nothing() {
    // Beside memory that is somebody's the host's is what has processors, also where nobody knows how much that is.
    let mut nodes = vec![
        node(0, "0-71", 480, "10 40 80"),
        node(1, "72-143", 480, "40 10 80"),
        gpu_memory(2, "80 80 10"),
    ];
    nodes[1].memory = None;
    check("aarch64", &nodes, &[Some(1)], "72-143 / 0-1");
    // What may be a GPU's is left out there, as long as something is known to be the host's.
    nodes[1] = silent(1, 480, "40 10 80");
    check("aarch64", &nodes, &[Some(1)], " / 0");
    nodes[0] = silent(0, 480, "10 40 80");
    check("aarch64", &nodes, &[Some(1)], " / 0-1");
    // Nobody knows how much a GPU's node has.
    nodes[2].memory = None;
    check("aarch64", &nodes, &[Some(1)], " / 0-1");
}
