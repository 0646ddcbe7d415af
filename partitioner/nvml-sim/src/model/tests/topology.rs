//! PCIe trees and NVLink wiring of every machine.

use std::collections::BTreeSet;

use super::*;
use crate::model::machine::{function, functions};
use crate::model::nvlink::LinkEnd;
use crate::model::spec::{Role, common_ancestor};

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
