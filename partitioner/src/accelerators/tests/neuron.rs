//! AWS's driver, its two layouts, and what it does not tell.

use kerf_types::Bytes;
use kerf_types::map::{AcceleratorHealth, CapabilityKey as Key, Vendor};

use super::{World, kernel, lines, published, said};

const CLASS: &str = "sys/devices/virtual/neuron_device";

/// Writes a device as `neuron_sysfs_metrics.c` does.
fn device(world: &mut World, number: u32, connected: &str) {
    let folder = format!("{CLASS}/neuron{number}");
    for (name, content) in [
        ("core_count", "8".to_owned()),
        ("connected_devices", connected.to_owned()),
        ("reset", "0\n".to_owned()),
        ("info/serial_number", format!("{number:016x}\n")),
        ("info/notify_delay", "-1\n".to_owned()),
        ("info/architecture/arch_type", "NDv3\n".to_owned()),
        ("info/architecture/device_name", "Trainium2\n".to_owned()),
        ("info/architecture/instance_type", "Trn2\n".to_owned()),
        ("stats/hardware/mem_ecc_uncorrected", "0\n".to_owned()),
        (
            "stats/hardware/mem_ecc_repairable_uncorrected",
            "2\n".to_owned(),
        ),
        ("stats/hardware/sram_ecc_uncorrected", "0\n".to_owned()),
        (
            "neuron_core0/stats/memory_usage/device_mem/total",
            "1048576\n".to_owned(),
        ),
        (
            "neuron_core0/stats/memory_usage/device_mem/present",
            "4096\n".to_owned(),
        ),
        (
            "neuron_core1/stats/memory_usage/device_mem/total",
            "2097152\n".to_owned(),
        ),
    ] {
        world.file(&format!("{folder}/{name}"), &content);
    }
}

/// Four Trainium2 in a ring.
pub fn sample() -> World {
    let mut world = World::new();
    for number in 0..4_u32 {
        let at = format!("0000:{:02x}:00.0", 0xb8 + number);
        world.function(&at, 0x088000, (0x1d0f, 0x7364), Some("neuron-driver"));
        let (before, after) = ((number + 3) % 4, (number + 1) % 4);
        device(&mut world, number, &format!("{before}, {after}\n"));
    }
    world.file("sys/module/neuron/version", "2.22.2.0\n");
    world
}

#[test]
fn devices_stand_for_their_functions() {
    let (found, oddities) = sample().find_with_oddities();
    assert!(oddities.is_empty(), "{oddities:?}");
    assert_eq!(found.accelerators.len(), 4);
    let one = found.accelerators.first().expect("a device");
    assert_eq!(one.id, "neuron0");
    assert_eq!(one.vendor, Some(Vendor::Aws));
    assert_eq!(one.model, "Trainium2");
    assert_eq!(one.architecture.as_deref(), Some("trn2"));
    assert_eq!((one.pci, one.numa_node), (None, Some(1)));
    assert_eq!(one.serial.as_deref(), Some("0000000000000000"));
    assert_eq!(one.driver.as_deref(), Some("neuron-driver 2.22.2.0"));
    assert_eq!(one.nodes, ["/dev/neuron0"]);
    assert_eq!((one.memory, one.memory_used), (None, Some(Bytes(3 << 20))));
    assert_eq!(
        one.health,
        AcceleratorHealth::Ok,
        "what was repaired is no failure"
    );
    assert_eq!(said(one, Key::ComputeUnits), kernel("8"));
    assert_eq!(said(one, Key::MemorySize), published("96"));
    assert_eq!(
        lines(&found),
        [
            "neuron0 - neuron1 neuronlink x1 -",
            "neuron0 - neuron3 neuronlink x1 -",
            "neuron1 - neuron2 neuronlink x1 -",
            "neuron2 - neuron3 neuronlink x1 -",
        ]
    );
}

#[test]
fn uncorrected_errors_are_a_failure() {
    let mut world = sample();
    world.file(
        &format!("{CLASS}/neuron1/stats/hardware/sram_ecc_uncorrected"),
        "3\n",
    );
    let found = world.find();
    let failed = AcceleratorHealth::Failed("3 uncorrected ECC errors".to_owned());
    let health: Vec<_> = found
        .accelerators
        .iter()
        .map(|one| one.health.clone())
        .collect();
    assert_eq!(
        health,
        [
            AcceleratorHealth::Ok,
            failed,
            AcceleratorHealth::Ok,
            AcceleratorHealth::Ok
        ]
    );
}

/// Before 2.13 the driver told neither links nor serial numbers, before 2.14 no errors.
#[test]
fn the_layout_of_old_tells_less() {
    let mut world = World::new();
    let at = "0000:00:1e.0";
    world.function(at, 0x088000, (0x1d0f, 0x7264), Some("neuron-driver"));
    let folder = "sys/class/neuron_device/neuron0";
    world.file(&format!("{folder}/core_count"), "2");
    world.file(&format!("{folder}/info/architecture/arch_type"), "NDv3\n");
    world.file(
        &format!("{folder}/info/architecture/device_name"),
        "Inferentia2\n",
    );
    world.file(
        &format!("{folder}/info/architecture/instance_type"),
        "Inf2\n",
    );
    let one = world.only();
    // One device and one function can only be each other.
    assert_eq!(one.id, at);
    assert_eq!(one.model, "Inferentia2");
    assert_eq!(one.architecture.as_deref(), Some("inf2"));
    assert_eq!(one.health, AcceleratorHealth::Unknown);
    assert_eq!((one.serial, one.memory_used), (None, None));
}

#[test]
fn functions_without_a_driver_stand_for_themselves() {
    let mut world = sample();
    world.function("0000:cc:00.0", 0x088000, (0x1d0f, 0x7364), None);
    let found = world.find();
    assert_eq!(found.accelerators.len(), 5);
    let lost = found.accelerators.first().expect("a function");
    assert_eq!(lost.id, "0000:cc:00.0", "those with an address come first");
    assert_eq!(lost.model, "Trainium2");
    let mut world = World::new();
    world.function(
        "0000:cc:00.0",
        0x088000,
        (0x1d0f, 0x7064),
        Some("neuron-driver"),
    );
    assert_eq!(world.only().architecture.as_deref(), Some("inf1"));
}

#[test]
fn a_link_to_nobody_is_odd() {
    for connected in ["1, 99\n", "0, 1\n", "one\n", "1,,2\n", "-1\n"] {
        let mut world = World::new();
        device(&mut world, 0, connected);
        device(&mut world, 1, "\n");
        let (found, oddities) = world.find_with_oddities();
        assert!(lines(&found).is_empty(), "{connected}");
        assert_eq!(oddities.len(), 1, "{connected}");
    }
    let mut world = World::new();
    device(&mut world, 0, "1, 1\n");
    device(&mut world, 1, "0\n");
    assert_eq!(lines(&world.find()), ["neuron0 - neuron1 neuronlink x2 -"]);
}
