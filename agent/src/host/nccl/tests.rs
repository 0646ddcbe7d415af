//! What a file says, and what becomes of files.

use std::os::unix::fs::MetadataExt;

use kerf_types::lease::{Holder, Subject};
use kerf_types::map::PciFunction;
use kerf_types::{Gpu, HostMap};

use super::*;
use crate::host::fixture;

/// A host of these GPUs, each on a root port of its own.
fn host(gpus: Vec<Gpu>) -> Inventory {
    let function = |gpu: &Gpu| {
        let path = format!(
            "/sys/devices/pci0000:00/0000:00:0{}.0/{}",
            gpu.index, gpu.pci
        );
        PciFunction {
            class: Some(0x03_02_00),
            numa_node: Some(0),
            ..PciFunction::at(gpu.pci, path)
        }
    };
    let map = HostMap {
        pci: gpus.iter().map(function).collect(),
        ..HostMap::default()
    };
    Inventory {
        map: Arc::new(map),
        ..fixture::inventory(gpus)
    }
}

fn lease(subjects: Vec<Subject>) -> Lease {
    fixture::lease(Holder::User { uid: 0 }, subjects)
}

fn whole(gpu: &Gpu) -> Subject {
    Subject::Gpu {
        gpu: gpu.pci,
        uuid: gpu.uuid.clone(),
        share: None,
    }
}

#[test]
fn a_file_has_the_devices_of_its_lease_and_no_others() {
    let gpus = [fixture::divided(&[4]), fixture::gpu(1), fixture::gpu(2)];
    let host = host(gpus.to_vec());
    let named = |subjects: Vec<Subject>| {
        let text = described(&host, &lease(subjects));
        let has = |gpu: &&Gpu| text.contains(&format!("busid=\"{}\"", gpu.pci));
        assert!(text.contains("<gpu"), "{text}");
        gpus.iter()
            .filter(has)
            .map(|gpu| gpu.index)
            .collect::<Vec<u32>>()
    };
    assert_eq!(named(vec![whole(&gpus[2]), whole(&gpus[1])]), [1, 2]);
    // NCCL on a MIG device asks for the address of its GPU.
    assert_eq!(named(vec![fixture::subject(4)]), [0]);
}

#[test]
fn a_file_that_says_so_already_is_left_where_containers_have_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nccl/a.xml");
    let inode = || std::fs::metadata(&path).expect("a file").ino();
    keep(&path, "one").expect("written");
    let first = inode();
    keep(&path, "one").expect("nothing to do");
    assert_eq!(inode(), first);
    keep(&path, "two").expect("written");
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "two");
    assert_ne!(inode(), first, "half a file is never to be read");
}

#[test]
fn files_of_leases_that_have_ended_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["a.xml", "b.xml", ".a.xml.7.tmp"] {
        std::fs::write(at(name), "x").expect("written");
    }
    sweep(folder.path(), &BTreeSet::from([at("a.xml")]));
    let left = std::fs::read_dir(folder.path()).expect("the folder");
    let left: Vec<_> = left.flatten().map(|entry| entry.path()).collect();
    assert_eq!(left, [at("a.xml")]);
    sweep(&at("none"), &BTreeSet::new());
}
