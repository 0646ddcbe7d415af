//! Two looks at a host, and what is told of the difference.

use std::collections::BTreeSet;

use kerf_types::inventory::{Nic, NumaNode};
use kerf_types::map::{Accelerator, AcceleratorHealth, PciFunction, SriovFunctions, Vendor};
use kerf_types::{HostMap, PciAddress};

use super::{Change, Platform, of_gpu, of_platform};

#[derive(Clone)]
struct Host {
    nodes: Vec<NumaNode>,
    nics: Vec<Nic>,
    map: HostMap,
}

fn host() -> Host {
    let at = "0000:16:00.0".parse().expect("an address");
    let mut function = PciFunction::at(at, String::new());
    function.driver = Some("xe".to_owned());
    let mut map = HostMap {
        pci: vec![function],
        accelerators: vec![Accelerator::at(at, Vendor::Intel)],
        ..HostMap::default()
    };
    map.cpus.online = "0-3".to_owned();
    Host {
        nodes: vec![NumaNode {
            cpus: Some("0-3".to_owned()),
            memory: Some(kerf_types::Bytes(0)),
            ..NumaNode::default()
        }],
        nics: vec![Nic {
            name: "mlx5_0".to_owned(),
            rate: Some(kerf_types::inventory::Rate(400_000)),
            ..Nic::default()
        }],
        map,
    }
}

static NONE: BTreeSet<PciAddress> = BTreeSet::new();

fn platform(host: &Host) -> Platform<'_> {
    Platform {
        numa_nodes: &host.nodes,
        nics: &host.nics,
        map: &host.map,
        served: &NONE,
    }
}

fn check(change: impl FnOnce(&mut Host), expected: &[&str]) {
    let before = host();
    let mut after = before.clone();
    change(&mut after);
    let told = of_platform(platform(&before), platform(&after));
    let told: Vec<String> = told
        .iter()
        .map(|Change { subject, text }| format!("{subject}: {text}"))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn a_host_that_stays_is_silent_however_busy() {
    check(
        |host| {
            host.map.accelerators[0].utilisation_percent = Some(97);
            host.map.accelerators[0].memory_used = Some(kerf_types::Bytes(1 << 30));
        },
        &[],
    );
}

#[test]
fn devices_come_and_go() {
    check(
        |host| {
            host.map.pci.clear();
            host.map.accelerators.clear();
        },
        &["0000:16:00.0: is gone"],
    );
    check(
        |host| {
            host.nics.push(Nic {
                name: "mlx5_1".to_owned(),
                ..Nic::default()
            });
            host.nodes.clear();
        },
        &["mlx5_1: has come", "NUMA node 0: is gone"],
    );
}

#[test]
fn a_gpu_that_its_own_reader_tells_of_comes_and_goes_untold() {
    let with = host();
    let mut without = with.clone();
    without.map.pci.clear();
    without.map.accelerators.clear();
    let served = BTreeSet::from(["0000:16:00.0".parse().expect("an address")]);
    let of = |host, served| Platform {
        served,
        ..platform(host)
    };
    let told = |before, after| of_platform(before, after).len();
    // Its reader knows what it sees now, and what it saw before.
    assert_eq!(told(of(&without, &NONE), of(&with, &served)), 0);
    assert_eq!(told(of(&with, &served), of(&without, &NONE)), 0);
    // One that comes without a driver, or goes without ever having had one, has nobody else.
    assert_eq!(told(of(&without, &served), of(&with, &NONE)), 1);
    assert_eq!(told(of(&with, &NONE), of(&without, &served)), 1);
    // What changes while it is there has no other teller.
    let mut bound = with.clone();
    bound.map.pci[0].driver = None;
    bound.map.accelerators[0].nodes = vec!["dri/card0".to_owned()];
    assert_eq!(told(of(&with, &served), of(&bound, &served)), 2);
}

#[test]
fn virtual_functions_are_told_by_their_number_and_memory_by_being_there() {
    check(
        |host| {
            host.map.pci[0].sriov = Some(SriovFunctions {
                total: 8,
                enabled: 1,
            });
            let mut part = host.map.pci[0].clone();
            part.physical_function = Some(part.address);
            part.address = "0000:16:00.1".parse().expect("an address");
            host.map.pci.push(part);
            host.nodes[0].memory = Some(kerf_types::Bytes(1 << 30));
        },
        &[
            "NUMA node 0: memory is there, was gone",
            "0000:16:00.0: number of virtual functions is 1, was 0",
        ],
    );
}

#[test]
fn a_node_that_says_nothing_more_has_lost_nothing() {
    check(
        |host| (host.nodes[0].cpus, host.nodes[0].memory) = (None, None),
        &[
            "NUMA node 0: CPUs are unknown, were 0-3",
            "NUMA node 0: memory is unknown, was gone",
        ],
    );
}

#[test]
fn devices_change() {
    check(
        |host| {
            host.map.accelerators[0].nodes = vec!["accel/accel0".to_owned()];
            host.map.accelerators[0].health = AcceleratorHealth::Failed("in reset".to_owned());
            host.map.pci[0].driver = Some("vfio-pci".to_owned());
            host.map.pci[0].sriov = Some(SriovFunctions {
                total: 8,
                enabled: 4,
            });
            host.nics[0].rate = Some(kerf_types::inventory::Rate(0));
            host.map.cpus.online = "0-2".to_owned();
        },
        &[
            "0000:16:00.0: device nodes are accel/accel0, were none",
            "0000:16:00.0: health is in reset, was unknown",
            "mlx5_0: rate is down, was 400 Gb/s",
            "0000:16:00.0: driver is vfio-pci, was xe",
            "0000:16:00.0: number of virtual functions is 4, was 0",
            "processors: CPUs 0-2 are online, were 0-3",
        ],
    );
}

#[test]
fn a_gpu_that_is_another_or_is_cut_is_told() {
    let before = crate::host::fixture::gpu(0);
    let mut after = before.clone();
    assert!(of_gpu(&before, &after).is_empty());
    after.mig_mode = kerf_types::MigMode::EnablePending;
    after.index = 3;
    assert_eq!(
        of_gpu(&before, &after),
        ["index is 3, was 0", "MIG mode is on after a reset"]
    );
}
