//! Vector engines, and accelerators that nobody knows.

use kerf_types::Bytes;
use kerf_types::map::{AcceleratorHealth, CapabilityKey as Key, DeviceClass, Vendor};

use super::{World, kernel, said};

const AT: &str = "0000:3d:00.0";

const PHI: &str = "0000:83:00.0";

/// A vector engine and a Xeon Phi with their drivers.
pub fn sample() -> World {
    let mut world = World::new();
    world.function(AT, 0x0b4000, (0x1bcf, 0x001c), Some("ve_drv"));
    world.device(DeviceClass::Ve, "ve0", AT);
    for (name, content) in [
        ("model", "136\n"),
        ("serial", "3842200113\n"),
        ("memory_size", "48\n"),
        ("num_of_core", "8\n"),
    ] {
        world.file(&format!("sys/class/ve/ve0/{name}"), content);
    }
    world.function(PHI, 0x0b4000, (0x8086, 0x225e), Some("mic"));
    world.device(DeviceClass::Mic, "mic0", PHI);
    for (name, content) in [
        ("family", "Knights Corner\n"),
        ("serialnumber", "ADKC23500189\n"),
        ("memsize", "7c0000\n"),
        ("active_cores", "3d\n"),
        ("state", "online\n"),
    ] {
        world.file(&format!("sys/class/mic/mic0/{name}"), content);
    }
    world
}

#[test]
fn a_vector_engine() {
    let found = sample().find();
    let one = found.accelerators.first().expect("an engine");
    assert_eq!(one.vendor, Some(Vendor::Nec));
    assert_eq!(one.model, "NEC Vector Engine 136");
    assert_eq!(one.serial.as_deref(), Some("3842200113"));
    assert_eq!(one.memory, Some(Bytes(48 << 30)));
    assert_eq!(one.nodes, ["/dev/ve0"]);
    assert_eq!(said(one, Key::ComputeUnits), kernel("8"));
    let mut world = World::new();
    world.function(AT, 0x0b4000, (0x1bcf, 0x001c), None);
    assert_eq!(world.only().model, "1bcf:001c");
}

#[test]
fn a_xeon_phi() {
    let mut world = sample();
    let found = world.find();
    let one = found.accelerators.get(1).expect("a Xeon Phi");
    assert_eq!((one.vendor, one.id.as_str()), (Some(Vendor::Intel), PHI));
    assert_eq!(one.model, "Intel Xeon Phi Knights Corner");
    assert_eq!(one.serial.as_deref(), Some("ADKC23500189"));
    assert_eq!(one.memory, Some(Bytes(0x7c_0000 << 10)));
    assert_eq!(one.health, AcceleratorHealth::Ok);
    assert_eq!(said(one, Key::ComputeUnits), kernel("61"));
    world.file("sys/class/mic/mic0/state", "resetting\n");
    let found = world.find();
    let failed = AcceleratorHealth::Failed("resetting".to_owned());
    assert_eq!(
        found.accelerators.get(1).map(|one| &one.health),
        Some(&failed)
    );
}

#[test]
fn the_class_of_accelerators_is_enough() {
    let mut world = World::new();
    world.function(
        "0000:01:00.0",
        0x120000,
        (0x1e52, 0x401e),
        Some("tenstorrent"),
    );
    world.function(
        "0000:02:00.0",
        0x120000,
        (0x8086, 0x7d1d),
        Some("intel_vpu"),
    );
    world.device(DeviceClass::Accel, "accel0", "0000:02:00.0");
    world.function("0000:03:00.0", 0x0b4000, (0x8086, 0x4940), None);
    world.function("0000:04:00.0", 0xff0000, (0x1d17, 0x0001), Some("somebody"));
    world.device(DeviceClass::Accel, "accel1", "0000:04:00.0");
    let found = world.find();
    let vendors = found.accelerators.iter().filter_map(|one| one.vendor);
    let vendors: Vec<Vendor> = vendors.collect();
    assert_eq!(
        vendors,
        [Vendor::Other(0x1e52), Vendor::Intel, Vendor::Other(0x1d17)]
    );
    let npu = found.accelerators.get(1).expect("an accelerator");
    assert_eq!(npu.nodes, ["/dev/accel/accel0"]);
}

#[test]
fn what_nobody_says_of_a_function_is_no_vendor_and_no_class() {
    let mut world = World::new();
    world
        .function("0000:01:00.0", 0x120000, (0, 0), None)
        .vendor = None;
    // Without its class nobody knows whether it is a GPU, its audio, or a switch.
    world
        .function("0000:02:00.0", 0, (0x10de, 0x2330), None)
        .class = None;
    let found = world.find().accelerators;
    let seen: Vec<_> = found
        .iter()
        .map(|one| (one.id.as_str(), one.vendor))
        .collect();
    assert_eq!(seen, [("0000:01:00.0", None)]);
}

/// Nothing is found twice, whichever vendor claims it, and a list with one function twice has it once.
#[test]
fn samples_of_all_vendors_together() {
    let mut all = super::registry::all();
    let twice = all.functions.clone();
    all.functions.extend(twice);
    let found = all.find();
    let mut ids: Vec<&str> = found
        .accelerators
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert_eq!(count, 2 + 1 + 1 + 1 + 4 + 3 + 2 + 1);
}
