//! PCIe trees and NVLink wiring of every machine.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::machine::{function, functions};
use crate::model::nvlink::LinkEnd;
use crate::model::spec::Role;
use crate::model::walk::{common_ancestor, iommu_group};

fn matrix(name: &str) -> String {
    let spec = tables::machine(name).expect("a known machine");
    let gpus: Vec<_> = functions(spec)
        .iter()
        .filter(|f| matches!(f.role, Role::Gpu(_)))
        .collect();
    let row = |one| {
        let levels = gpus.iter().map(|other| match common_ancestor(one, other) {
            0 => "X   ",
            10 => "PIX ",
            20 => "PXB ",
            30 => "PHB ",
            40 => "NODE",
            _ => "SYS ",
        });
        levels.collect::<Vec<_>>().join(" ").trim_end().to_owned()
    };
    gpus.iter()
        .map(|gpu| row(gpu))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn gpus_of_an_eight_gpu_machine_lie_as_its_switches_say() {
    let expected = "\
X    PXB  NODE NODE SYS  SYS  SYS  SYS
PXB  X    NODE NODE SYS  SYS  SYS  SYS
NODE NODE X    PXB  SYS  SYS  SYS  SYS
NODE NODE PXB  X    SYS  SYS  SYS  SYS
SYS  SYS  SYS  SYS  X    PXB  NODE NODE
SYS  SYS  SYS  SYS  PXB  X    NODE NODE
SYS  SYS  SYS  SYS  NODE NODE X    PXB
SYS  SYS  SYS  SYS  NODE NODE PXB  X";
    assert_eq!(matrix("h100x8"), expected);
    assert_eq!(matrix("a100x8"), expected);
}

#[test]
fn each_gpu_has_a_nic_one_switch_away() {
    let spec = tables::machine("h100x8").expect("a known machine");
    for index in 0..8 {
        let gpu = function(spec, Role::Gpu(index)).expect("a GPU");
        let nic = function(spec, Role::Nic(index)).expect("its NIC");
        assert_eq!(common_ancestor(gpu, nic), 10);
        assert_eq!(gpu.switches.len(), 2, "two-level");
    }
    let spec = tables::machine("h100x1").expect("a known machine");
    let gpu = function(spec, Role::Gpu(0)).expect("a GPU");
    let nic = function(spec, Role::Nic(0)).expect("a NIC");
    assert_eq!(common_ancestor(gpu, nic), 30);
}

#[test]
fn addresses_are_unique_and_bridges_span_what_is_behind_them() {
    for spec in &tables::MACHINES {
        let all = functions(spec);
        let addresses: BTreeSet<_> = all.iter().map(|function| function.bdf).collect();
        assert_eq!(addresses.len(), all.len(), "{}", spec.name);
        for function in all {
            for bridge in &function.bridges {
                let bridge = all
                    .iter()
                    .find(|other| other.bdf == *bridge)
                    .expect("a bridge");
                let (first, last) = bridge.buses.expect("a bridge has buses");
                assert!(
                    (first..=last).contains(&function.bdf.bus),
                    "{}",
                    function.bdf
                );
            }
        }
    }
}

#[test]
fn nvlinks_are_spread_over_the_switches() {
    for (name, links, switches) in [("h100x8", 18, 4), ("a100x8", 12, 6)] {
        let machine = machine(name);
        for gpu in 0..8 {
            let ends: BTreeSet<_> = (0..links)
                .map(|link| match machine.link_end(gpu, link) {
                    Ok(Some(LinkEnd::Switch(switch))) => switch.bdf,
                    other => panic!("{name} gpu {gpu} link {link}: {other:?}"),
                })
                .collect();
            assert_eq!(ends.len(), switches, "{name} gpu {gpu}");
            assert_eq!(machine.link_active(gpu, 0), Ok(true));
        }
        assert!(machine.link_end(0, links).is_err());
    }
    assert!(
        machine("h100x1").link_end(0, 0).expect("a link").is_none(),
        "nothing to wire to"
    );
    assert_eq!(
        mig_machine("h100x8").link_active(0, 0),
        Ok(false),
        "MIG takes links down"
    );
}

#[test]
fn cpus_are_numbered_threads_last() {
    let spec = tables::machine("h100x8").expect("a known machine");
    assert_eq!(spec.node_cpus(0), [(0, 47), (96, 143)]);
    assert_eq!(spec.node_cpus(1), [(48, 95), (144, 191)]);
    assert_eq!(spec.cpu_count(), 192);
}

#[test]
fn a_processor_of_one_thread_numbers_its_cores() {
    let spec = tables::machine("gh200x1").expect("a known machine");
    assert_eq!(spec.node_cpus(0), [(0, 71)]);
    assert_eq!(spec.node_cpus(1), [], "a GPU's memory has no CPUs");
    assert_eq!(spec.cpu_count(), 72);
}

#[test]
fn memory_of_coherent_gpus_is_nodes_behind_those_of_the_sockets() {
    let spec = tables::machine("gb200x4").expect("a known machine");
    let nodes = spec.numa_nodes();
    assert_eq!(nodes.len(), 2 + 4 * 8);
    for (gpu, first) in [(0, 2), (1, 10), (3, 26)] {
        assert_eq!(spec.memory_node(gpu), Some(first));
        let own: Vec<_> = nodes.iter().filter(|node| node.gpu == Some(gpu)).collect();
        let ids: Vec<u32> = own.iter().map(|node| node.id).collect();
        assert_eq!(ids, (first..first + 8).collect::<Vec<_>>());
        assert_eq!(own.iter().filter(|node| node.memory_kib > 0).count(), 1);
        assert!(own[0].memory_kib > 0);
    }
    let discrete = tables::machine("h100x8").expect("a known machine");
    assert_eq!(discrete.memory_node(0), None);
    assert_eq!(discrete.numa_nodes().len(), 2);
}

#[test]
fn functions_have_domains_and_pairs_and_may_have_no_bridge() {
    let of = |name: &str, role: Role| {
        let spec = tables::machine(name).expect("a known machine");
        let function = function(spec, role).expect("such a function");
        (function.bdf.to_string(), function.sysfs_folder())
    };
    let grace = of("gh200x1", Role::Gpu(0));
    assert_eq!(grace.0, "0009:01:00.0");
    assert_eq!(grace.1, "sys/devices/pci0009:00/0009:00:00.0/0009:01:00.0");
    let (management, user) = (
        of("alveo-u55cx2", Role::Management(1)),
        of("alveo-u55cx2", Role::Gpu(1)),
    );
    assert_eq!((&*management.0, &*user.0), ("0000:41:00.0", "0000:41:00.1"));
    let bare = of("tpu-v5e-8", Role::Gpu(4));
    assert_eq!(bare.1, "sys/devices/pci0000:80/0000:80:03.0");
}

#[test]
fn functions_of_different_domains_are_not_behind_one_host_bridge() {
    let spec = tables::machine("gh200x1").expect("a known machine");
    let of = |role| function(spec, role).expect("such a function");
    assert_eq!(common_ancestor(of(Role::Gpu(0)), of(Role::Nic(0))), 40);
}

#[test]
fn each_device_has_a_group_that_its_functions_share() {
    for spec in &tables::MACHINES {
        let all = functions(spec);
        let mut groups: BTreeMap<u32, BTreeSet<_>> = BTreeMap::new();
        for function in all {
            let devices = groups.entry(iommu_group(all, function)).or_default();
            devices.insert(function.bdf.slot());
        }
        assert!(
            groups.values().all(|devices| devices.len() == 1),
            "{}",
            spec.name
        );
        let numbers: Vec<u32> = groups.keys().copied().collect();
        let last = u32::try_from(numbers.len()).expect("few");
        assert_eq!(numbers, (0..last).collect::<Vec<_>>(), "{}", spec.name);
    }
}
