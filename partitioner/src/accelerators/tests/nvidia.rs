//! NVIDIA without NVML.

use kerf_types::map::{CapabilityKey as Key, DeviceClass, Vendor};

use super::{World, kernel, published, said, virtual_of};

pub const AT: &str = "0000:18:00.0";

/// An H100 whose driver is loaded, and the module that lets interfaces reach its memory.
pub fn sample() -> World {
    let mut world = without_module();
    world.file("sys/module/nvidia_peermem/version", "590.48.01\n");
    world
}

fn without_module() -> World {
    let mut world = World::new();
    world.function(AT, 0x030200, (0x10de, 0x2330), Some("nvidia"));
    world.device(DeviceClass::Drm, "renderD128", AT);
    world.file("sys/module/nvidia/version", "590.48.01\n");
    world.file(
        &format!("proc/driver/nvidia/gpus/{AT}/information"),
        "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 90\n\
         GPU UUID: \t GPU-b7c33d3e-8f1a-4a52-9a2c-2d1c7a6a1c3e\nVideo BIOS: \t 96.00.74.00.01\n\
         Bus Type: \t PCIe\nDMA Size: \t 52 bits\nBus Location: \t 0000:18:00.0\n\
         Device Minor: \t 3\nGPU Excluded:\t No\n",
    );
    world
}

#[test]
fn a_gpu_with_its_driver() {
    let one = sample().only();
    assert_eq!(one.vendor, Some(Vendor::Nvidia));
    assert_eq!(one.model, "NVIDIA H100 80GB HBM3");
    assert_eq!(one.architecture.as_deref(), Some("hopper"));
    assert_eq!(
        one.unique_id.as_deref(),
        Some("GPU-b7c33d3e-8f1a-4a52-9a2c-2d1c7a6a1c3e")
    );
    assert_eq!(one.nodes, ["/dev/dri/renderD128", "/dev/nvidia3"]);
    assert_eq!(one.driver.as_deref(), Some("nvidia 590.48.01"));
    assert_eq!(
        (one.memory, one.utilisation_percent),
        (None, None),
        "only NVML knows"
    );
    assert_eq!(said(&one, Key::ComputeUnits), published("132"));
    assert_eq!(said(&one, Key::PartitionModes), published("mig vgpu"));
}

#[test]
fn without_a_driver_ids_are_all() {
    let mut world = World::new();
    world.function(AT, 0x030200, (0x10de, 0x2330), None);
    let one = world.only();
    assert_eq!(one.model, "10de:2330");
    assert!(one.capabilities.is_empty(), "{:?}", one.capabilities);
    assert_eq!(one.driver, None);
    assert!(one.nodes.is_empty());
}

#[test]
fn sound_and_switches_are_no_gpus() {
    let mut world = World::new();
    world.function(
        "0000:01:00.1",
        0x040300,
        (0x10de, 0x22ba),
        Some("snd_hda_intel"),
    );
    world.function(
        "0000:02:00.0",
        0x068000,
        (0x10de, 0x22a3),
        Some("nvidia-nvswitch"),
    );
    assert!(world.find().accelerators.is_empty());
    let function = world.function("0000:18:00.4", 0x030200, (0x10de, 0x2330), Some("nvidia"));
    virtual_of(function, AT);
    assert_eq!(said(&world.only(), Key::Virtualised), kernel("true"));
}

/// A module says yes, a kernel that has no other way says no, and a newer one says nothing.
#[test]
fn modules_and_old_kernels_tell_who_reaches_its_memory() {
    let peers = |file: &str, text: &str| {
        let mut world = without_module();
        world.file(file, text);
        said(&world.only(), Key::PeerDma)
    };
    let release = "proc/sys/kernel/osrelease";
    assert_eq!(
        peers("sys/module/nvidia_peermem/version", "590.48.01\n"),
        kernel("true")
    );
    for old in ["5.10.0-33-amd64\n", "4.18.0\n"] {
        assert_eq!(peers(release, old), kernel("false"));
    }
    for unknown in ["5.12.0\n", "6.1.0-rc3\n", "linux\n"] {
        assert_eq!(peers(release, unknown), published("true"));
    }
}
