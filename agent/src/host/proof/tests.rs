//! What is in the way of maintenance, and what is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kerf_types::amd::AmdPartition;
use kerf_types::{CiId, ComputeInstance, DeviceMinor, PciAddress, ProfileId, Timestamp};

use super::super::fixture;
use super::{Maintenance, modules, nodes_of, within};
use crate::process::holders::Holder;

fn holder(holds: &[&str]) -> Holder {
    Holder {
        pid: 1,
        command: "one".to_owned(),
        holds: holds.iter().map(|what| (*what).to_owned()).collect(),
    }
}

#[test]
fn one_gpu_is_held_by_its_own_node_alone() {
    let nodes = BTreeSet::from(["/dev/nvidia3".to_owned()]);
    let holds = ["/dev/nvidia3", "/dev/nvidia4", "/dev/nvidiactl"];
    assert_eq!(
        within(holder(&holds), None, Some(&nodes)),
        Some(holder(&["/dev/nvidia3"]))
    );
    assert_eq!(
        within(holder(&["/dev/nvidiactl"]), None, Some(&nodes)),
        None
    );
    assert_eq!(within(holder(&holds), None, None), Some(holder(&holds)));
    // A library that is only mapped keeps no driver loaded.
    let library = Path::new("/proc/self/exe")
        .canonicalize()
        .expect("it is there");
    let name = library.to_str().expect("a plain path");
    assert_eq!(within(holder(&[name]), Some(&library), None), None);
}

#[test]
fn nodes_are_known_by_what_was_read_last_and_else_all_count() {
    let root = tempfile::tempdir().expect("a folder");
    let inventory = fixture::inventory(vec![fixture::gpu(3)]);
    let mut one = Maintenance {
        whole_host: false,
        gpus: BTreeSet::from(["0000:13:00.0".parse().expect("an address")]),
        since: Timestamp(0),
        by: None,
    };
    let nodes = BTreeSet::from(["/dev/nvidia3".to_owned()]);
    assert_eq!(nodes_of(root.path(), &inventory, &one), Some(nodes));
    one.gpus.insert("0000:1c:00.0".parse().expect("an address"));
    assert_eq!(nodes_of(root.path(), &inventory, &one), None);
}

fn names(nodes: Option<BTreeSet<String>>) -> Vec<String> {
    nodes.expect("it is known").into_iter().collect()
}

/// A process with only a render node open, or only the capabilities of a slice, has the GPU.
#[test]
fn a_gpu_is_held_by_its_graphics_nodes_and_the_capabilities_of_its_slices_too() {
    let root = tempfile::tempdir().expect("a folder");
    let mut inventory = fixture::inventory(vec![fixture::cut(3), fixture::cut(4)]);
    let instance = &mut inventory.gpus[0].instances[0];
    instance.capability_minor = Some(DeviceMinor(30));
    instance.compute.push(ComputeInstance {
        id: CiId(0),
        profile: ProfileId(0),
        placement: None,
        uuid: fixture::mig_uuid(0),
        capability_minor: Some(DeviceMinor(31)),
    });
    inventory.gpus[1].instances[0].capability_minor = Some(DeviceMinor(40));
    let mut amd = fixture::amd(0);
    amd.partitions = [128, 129].map(partition).to_vec();
    inventory.amd = vec![amd];
    let drm = |pci: PciAddress, names: &[&str]| {
        for name in names {
            let path = format!("sys/bus/pci/devices/{pci}/drm/{name}");
            fs::create_dir_all(root.path().join(path)).expect("a folder");
        }
    };
    drm(inventory.gpus[0].pci, &["card5", "renderD133", "version"]);
    drm(inventory.gpus[1].pci, &["card6", "renderD134"]);
    drm(inventory.amd[0].pci, &["card0", "renderD128"]);
    let of = |pci| Maintenance {
        whole_host: false,
        gpus: BTreeSet::from([pci]),
        since: Timestamp(0),
        by: None,
    };
    let found = nodes_of(root.path(), &inventory, &of(inventory.gpus[0].pci));
    let expected = [
        "/dev/dri/card5",
        "/dev/dri/renderD133",
        "/dev/nvidia-caps/nvidia-cap30",
        "/dev/nvidia-caps/nvidia-cap31",
        "/dev/nvidia3",
    ];
    assert_eq!(names(found), expected);
    // KFD's node is that of all AMD GPUs, and the second partition has no folder under the GPU.
    let found = nodes_of(root.path(), &inventory, &of(inventory.amd[0].pci));
    let expected = [
        "/dev/dri/card0",
        "/dev/dri/renderD128",
        "/dev/dri/renderD129",
    ];
    assert_eq!(names(found), expected);
}

fn partition(render_minor: u32) -> AmdPartition {
    AmdPartition {
        kfd_node: render_minor,
        gpu_id: render_minor,
        render_minor,
        xccs: 1,
        memory: None,
    }
}

#[test]
fn modules_are_told_with_their_use() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(root.path().join("proc")).expect("a folder");
    let text = "nvidia_uvm 1 2 - Live 0x0\next4 1 9 - Live 0x0\nnvidia 1 40 nvidia_uvm, Live 0x0\n";
    fs::write(root.path().join("proc/modules"), text).expect("a file");
    assert_eq!(
        modules(root.path()),
        ["nvidia_uvm (used 2 times)", "nvidia (used 40 times)"]
    );
}
