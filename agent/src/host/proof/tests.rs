//! What is in the way of maintenance, and what is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kerf_types::Timestamp;

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
    let inventory = fixture::inventory(vec![fixture::gpu(3)]);
    let mut one = Maintenance {
        whole_host: false,
        gpus: BTreeSet::from(["0000:13:00.0".parse().expect("an address")]),
        since: Timestamp(0),
        by: None,
    };
    let nodes = BTreeSet::from(["/dev/nvidia3".to_owned()]);
    assert_eq!(nodes_of(&inventory, &one), Some(nodes));
    one.gpus.insert("0000:1c:00.0".parse().expect("an address"));
    assert_eq!(nodes_of(&inventory, &one), None);
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
