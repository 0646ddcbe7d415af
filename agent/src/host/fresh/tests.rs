//! Which looks still hold, and what a kernel file must say for it.

use std::fs;
use std::time::{Duration, Instant};

use kerf_types::DeviceMinor;
use kerf_types::lease::Subject;

use super::super::bench::Bench;
use super::super::fixture::{divided, gpu, subject};
use super::{HOLDS, minor_in};
use crate::hardware::{GpuKey, HardwareError};

const OF_GI: &str = "proc/driver/nvidia/capabilities/gpu0/mig/gi2";

/// A host that has just read a GPU with a slice, whose driver lists the slice's capabilities.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let mut gpu = divided(&[0]);
    for instance in &mut gpu.instances {
        instance.capability_minor = Some(DeviceMinor(21));
        for compute in &mut instance.compute {
            compute.capability_minor = Some(DeviceMinor(22));
        }
    }
    bench.host.take_gpu(gpu);
    list(&bench, "", 21);
    list(&bench, "ci0", 22);
    bench
}

fn list(bench: &Bench, part: &str, minor: u32) {
    let folder = bench.folder().join(OF_GI).join(part);
    fs::create_dir_all(&folder).expect("a folder");
    let text = format!("DeviceFileMinor: {minor}\nDeviceFileMode: 292\n");
    fs::write(folder.join("access"), text).expect("a file");
}

#[test]
fn a_slice_stands_where_the_driver_lists_what_was_seen() {
    let bench = bench();
    assert!(bench.host.still_stands(&subject(0)));
    // One that the last look did not see.
    assert!(!bench.host.still_stands(&subject(1)));
}

#[test]
fn one_that_has_gone_or_has_another_minor_does_not() {
    for part in ["", "ci0"] {
        let bench = bench();
        list(&bench, part, 30);
        assert!(!bench.host.still_stands(&subject(0)), "{part:?}");
        let file = bench.folder().join(OF_GI).join(part).join("access");
        fs::remove_file(file).expect("a file");
        assert!(!bench.host.still_stands(&subject(0)), "{part:?}");
    }
}

#[test]
fn a_look_holds_for_so_long_and_only_while_the_gpu_answers() {
    let mut bench = bench();
    let pci = gpu(0).pci;
    let read = |ago: Duration| Instant::now().checked_sub(ago).expect("a moment");
    bench.host.heard.insert(pci, read(HOLDS / 2));
    assert!(bench.host.still_stands(&subject(0)));
    bench.host.heard.insert(pci, read(HOLDS));
    assert!(!bench.host.still_stands(&subject(0)));
    bench.host.heard.insert(pci, Instant::now());
    let key = GpuKey::Pci(pci);
    let error = HardwareError::Unresponsive {
        gpu: key,
        operation: "observing".to_owned(),
    };
    bench.host.gpu_failed(key, &error);
    assert!(!bench.host.still_stands(&subject(0)));
}

#[test]
fn a_whole_gpu_is_looked_at() {
    let bench = bench();
    let whole = Subject::Gpu {
        gpu: gpu(0).pci,
        uuid: gpu(0).uuid,
        share: None,
    };
    assert!(!bench.host.still_stands(&whole));
}

#[test]
fn the_minor_is_read_from_its_line_alone() {
    let text = "DeviceFileMinor: 12\nDeviceFileMode: 292\nDeviceFileModify: 1\n";
    assert_eq!(minor_in(text), Some(12));
    let bad = [
        "",
        "DeviceFileMinor:",
        "DeviceFileMinor: -1\n",
        "DeviceFileMode: 12\n",
        "x DeviceFileMinor: 12\n",
    ];
    for text in bad {
        assert_eq!(minor_in(text), None, "{text:?}");
    }
}
