//! Which whole GPUs an ask may get: its words, and where they may stand.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::check_refused;
use crate::ask::{Constraints, GpuRef, NicWithin, Same, VgpuKind};
use crate::topology::LinkClass;
use crate::{Ask, VgpuTypeId};

fn names() -> impl Strategy<Value = BTreeSet<GpuRef>> {
    let name = |text: &str| text.parse::<GpuRef>().expect("a name");
    let known = [
        "0",
        "4294967295",
        "0000:1b:00.0",
        "10000:e1:1f.7",
        "GPU-1/a-b",
    ];
    let known: Vec<GpuRef> = known.into_iter().map(name).collect();
    proptest::sample::subsequence(known, 0..=5).prop_map(|names| names.into_iter().collect())
}

/// Every way to bind.
pub fn constraints() -> impl Strategy<Value = Constraints> {
    let same = proptest::option::of(prop_oneof![Just(Same::Numa), Just(Same::Switch)]);
    let nic = prop_oneof![
        Just(NicWithin::Pix),
        Just(NicWithin::Pxb),
        Just(NicWithin::Phb),
        Just(NicWithin::Node)
    ];
    (names(), names(), same, proptest::option::of(nic)).prop_map(|(include, avoid, same, nic)| {
        Constraints {
            avoid: avoid.difference(&include).cloned().collect(),
            include,
            same,
            nic,
            vgpu_type: None,
        }
    })
}

#[test]
fn constraints_are_for_whole_gpus_and_said_once() {
    check_refused::<Ask>(&[
        // A slice is chosen by what it leaves for others, and a share by who shares.
        "1g.10gb,avoid=0",
        "1g.10gb:2,same=numa",
        "memory>=20GiB,nic=pix",
        "fp8,include=0",
        "gpu,mps,avoid=0",
        "avoid=0,gpu,time-slice",
        "same=numa",
        "",
        // Each word once, and each GPU on one side.
        "gpu:2,same=numa,same=switch",
        "gpu:2,nic=pix,nic=pix",
        "gpu:2,include=0,include=0",
        "gpu:2,include=0,avoid=0",
        // Only vGPUs have types.
        "gpu,type=L40S-4Q",
        "amd-gpu,type=1",
        "1g.10gb,type=1",
        "nvlink:2,type=1",
        "vgpu,type=",
        "vgpu,type=a/b",
        "vgpu,type=1,type=2",
        "vgpu:0",
        // Words and names that are none.
        "gpu:2,same=board",
        "gpu:2,nic=sys",
        "gpu:2,nic=PIX",
        "gpu:2,include=",
        "gpu:2,include=+1",
        "gpu:2,avoid=4294967296",
        "gpu:2,avoid=MIG-1",
        "gpu:2,prefer=0",
        "gpu:2,",
    ]);
    let many: Vec<String> = (0..113).map(|index| format!("avoid={index}")).collect();
    check_refused::<Ask>(&[format!("gpu:2,{}", many.join(",")).as_str()]);
}

#[test]
fn constraints_stand_anywhere_and_are_written_in_one_order() {
    let canonical = "gpu:4,include=0,include=2,avoid=10,same=numa,nic=phb";
    let ask: Ask = "nic=phb,include=2,gpu:4,avoid=10,include=00,same=numa"
        .parse()
        .expect("an ask");
    assert_eq!(ask.to_string(), canonical);
    let only = ask.constraints().expect("whole GPUs");
    assert!(!only.is_empty());
    let plain = ask.clone().with_constraints(Constraints::default());
    assert_eq!(plain.to_string(), "gpu:4");
    assert_eq!(plain.with_constraints(only.clone()), ask);
    let slice: Ask = "1g.10gb".parse().expect("an ask");
    assert_eq!(slice.constraints(), None);
    assert_eq!(slice.clone().with_constraints(only.clone()), slice);
}

#[test]
fn a_level_has_what_is_as_near_or_nearer() {
    let levels = [
        LinkClass::Pix,
        LinkClass::Pxb,
        LinkClass::Phb,
        LinkClass::Node,
        LinkClass::Sys,
    ];
    for (at, word) in ["pix", "pxb", "phb", "node"].into_iter().enumerate() {
        let within: NicWithin = word.parse().expect("a level");
        for (near, level) in levels.into_iter().enumerate() {
            assert_eq!(within.has(level), near <= at, "{word} {level}");
        }
    }
}

#[test]
fn a_type_is_meant_by_number_name_or_last_word() {
    let ask: Ask = "vgpu:2,type=l40s-4q,same=numa".parse().expect("an ask");
    assert_eq!(ask.to_string(), "vgpu:2,same=numa,type=l40s-4q");
    let kind = ask.constraints().and_then(|only| only.vgpu_type.clone());
    let kind = kind.expect("a type");
    let id = VgpuTypeId(1155);
    let table = [
        ("NVIDIA L40S-4Q", true),
        ("L40S-4Q", true),
        ("NVIDIA L40S-4QX", false),
        ("NVIDIA L40S-4Q vWS", false),
        ("", false),
    ];
    for (name, expected) in table {
        assert_eq!(kind.is_of(id, name), expected, "{name}");
    }
    let number: VgpuKind = "1155".parse().expect("a number");
    assert!(number.is_of(id, "NVIDIA L40S-4Q") && !number.is_of(VgpuTypeId(1), "NVIDIA L40S-4Q"));
    let error = "gpu,type=L40S-4Q".parse::<Ask>().expect_err("not a vGPU");
    assert!(
        error.to_string().contains("only vGPUs have types"),
        "{error}"
    );
}
