//! Vector engines, and accelerators that nobody knows.

use kerf_types::Bytes;
use kerf_types::map::{CapabilityKey as Key, DeviceClass, Vendor};

use super::{World, kernel, said};

const AT: &str = "0000:3d:00.0";

/// A vector engine with its driver.
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
    world
}

#[test]
fn a_vector_engine() {
    let one = sample().only();
    assert_eq!(one.vendor, Vendor::Nec);
    assert_eq!(one.model, "NEC Vector Engine 136");
    assert_eq!(one.serial.as_deref(), Some("3842200113"));
    assert_eq!(one.memory, Some(Bytes(48 << 30)));
    assert_eq!(one.nodes, ["/dev/ve0"]);
    assert_eq!(said(&one, Key::ComputeUnits), kernel("8"));
    let mut world = World::new();
    world.function(AT, 0x0b4000, (0x1bcf, 0x001c), None);
    assert_eq!(world.only().model, "1bcf:001c");
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
    let found = world.find();
    let vendors: Vec<Vendor> = found.accelerators.iter().map(|one| one.vendor).collect();
    assert_eq!(vendors, [Vendor::Other(0x1e52), Vendor::Intel]);
    let npu = found.accelerators.get(1).expect("an accelerator");
    assert_eq!(npu.nodes, ["/dev/accel/accel0"]);
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
    assert_eq!(count, 2 + 1 + 1 + 1 + 4 + 3 + 1 + 1);
}
