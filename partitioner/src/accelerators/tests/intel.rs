//! xe and i915.

use kerf_types::Bytes;
use kerf_types::map::{AcceleratorHealth, CapabilityKey as Key, DeviceClass, Vendor};

use super::{World, kernel, published, said, virtual_of, with_virtuals};

const AT: &str = "0000:29:00.0";

/// A Max 1550 under xe, as the kernels show it that tell the size of each tile.
pub fn sample() -> World {
    let mut world = World::new();
    let function = world.function(AT, 0x038000, (0x8086, 0x0bd5), Some("xe"));
    with_virtuals(function, 62);
    for tile in 0..2 {
        let folder = format!("sys/devices/pci0000:00/{AT}/tile{tile}");
        world.file(
            &format!("{folder}/physical_vram_size_bytes"),
            "68719476736\n",
        );
        world.file(&format!("{folder}/gt0/freq0/act_freq"), "1600\n");
    }
    world.device(DeviceClass::Drm, "card0", AT);
    world.device(DeviceClass::Drm, "renderD128", AT);
    world
}

#[test]
fn a_ponte_vecchio_has_two_tiles() {
    let one = sample().only();
    assert_eq!(one.vendor, Some(Vendor::Intel));
    assert_eq!(one.model, "Intel Data Center GPU Max 1550");
    assert_eq!(one.architecture.as_deref(), Some("xe-hpc"));
    assert_eq!(one.memory, Some(Bytes(128 << 30)));
    assert_eq!(one.nodes, ["/dev/dri/card0", "/dev/dri/renderD128"]);
    assert_eq!(one.driver.as_deref(), Some("xe"));
    assert_eq!(one.health, AcceleratorHealth::Unknown);
    assert_eq!(said(&one, Key::Chiplets), kernel("2"));
    assert_eq!(said(&one, Key::PartitionModes), kernel("sriov"));
    assert_eq!(said(&one, Key::PartitionMax), kernel("62"));
    assert_eq!(said(&one, Key::ComputeUnits), published("128"));
    assert_eq!(said(&one, Key::LinkKind), published("xelink"));
}

/// Intel's release of i915 has a folder for each GT of a card, and its memory; kernels without either tell neither.
#[test]
fn i915_tells_by_card() {
    let mut world = World::new();
    world.function(AT, 0x038000, (0x8086, 0x0bda), Some("i915"));
    world.device(DeviceClass::Drm, "card1", AT);
    world.device(DeviceClass::Drm, "card1-DP-1", AT);
    let one = world.only();
    assert_eq!(one.memory, None);
    assert_eq!(said(&one, Key::Chiplets), None);
    assert_eq!(one.nodes, ["/dev/dri/card1"], "a connector has no node");
    world.file("sys/class/drm/card1/lmem_total_bytes", "51539607552\n");
    world.file("sys/class/drm/card1/gt/gt0/id", "0\n");
    let one = world.only();
    assert_eq!(one.memory, Some(Bytes(48 << 30)));
    assert_eq!(said(&one, Key::Chiplets), kernel("1"));
    // An integrated GPU's second GT is no tile.
    let mut world = World::new();
    world.function(AT, 0x030000, (0x8086, 0x7d55), Some("i915"));
    world.device(DeviceClass::Drm, "card0", AT);
    world.file("sys/class/drm/card0/gt/gt1/id", "1\n");
    let one = world.only();
    assert_eq!(said(&one, Key::Chiplets), None);
    assert_eq!(one.model, "8086:7d55");
}

#[test]
fn memory_is_unknown_where_a_tile_is_silent() {
    let mut world = World::new();
    world.function(AT, 0x038000, (0x8086, 0x0bd5), Some("xe"));
    let folder = format!("sys/devices/pci0000:00/{AT}");
    world.file(
        &format!("{folder}/tile0/physical_vram_size_bytes"),
        "68719476736\n",
    );
    world.file(&format!("{folder}/tile1/gt0/id"), "0\n");
    assert_eq!(world.only().memory, None);
}

#[test]
fn a_virtual_function_is_marked_and_has_not_what_the_whole_has() {
    let mut world = World::new();
    world.function(AT, 0x038000, (0x8086, 0x56c0), Some("xe"));
    let at = "0000:29:00.1";
    let function = world.function(at, 0x038000, (0x8086, 0x56c0), Some("vfio-pci"));
    virtual_of(function, AT);
    function.iommu_group = Some(41);
    let found = world.find();
    let [whole, part] = found.accelerators.as_slice() else {
        panic!("{} accelerators", found.accelerators.len());
    };
    assert_eq!(said(whole, Key::Virtualised), None);
    assert_eq!(said(whole, Key::ComputeUnits), published("32"));
    assert_eq!(said(part, Key::Virtualised), kernel("true"));
    assert_eq!(said(part, Key::ComputeUnits), None);
    assert_eq!(part.model, "Intel Data Center GPU Flex 170");
    assert_eq!(part.nodes, ["/dev/vfio/41"]);
}

#[test]
fn a_card_that_waits_for_firmware_has_failed() {
    let mut world = World::new();
    world.function(AT, 0x030000, (0x8086, 0xe20b), Some("xe"));
    world.file(
        &format!("sys/devices/pci0000:00/{AT}/survivability_mode"),
        "Boot\n",
    );
    let failed = AcceleratorHealth::Failed("survivability mode".to_owned());
    assert_eq!(world.only().health, failed);
}

#[test]
fn old_graphics_and_other_functions_are_none() {
    let mut world = World::new();
    world.function("0000:00:02.0", 0x030000, (0x8086, 0x0042), None);
    world.function("0000:00:04.0", 0x088000, (0x8086, 0x0b00), Some("ioatdma"));
    world.function("0000:00:05.0", 0x0b4000, (0x8086, 0x4940), Some("4xxx"));
    assert!(world.find().accelerators.is_empty());
}
