//! Both layouts of habanalabs.

use kerf_types::map::{AcceleratorHealth, CapabilityKey as Key, DeviceClass, Vendor};

use super::{World, published, said, unverified};

const AT: &str = "0000:4d:00.0";

/// A Gaudi 3 in the layout since Linux 6.2.
pub fn sample() -> World {
    let mut world = World::new();
    world.function(AT, 0x120000, (0x1da3, 0x1060), Some("habanalabs"));
    world.file("sys/module/habanalabs/version", "1.19.0-abcdef0\n");
    world.file(
        "sys/class/accel/accel3/device",
        &format!("->../../../devices/pci0000:00/{AT}"),
    );
    let folder = format!("sys/devices/pci0000:00/{AT}");
    world.file(&format!("{folder}/device_type"), "GAUDI3\n");
    world.file(&format!("{folder}/pci_addr"), &format!("{AT}\n"));
    world.file(&format!("{folder}/status"), "Operational\n");
    world.device(DeviceClass::Accel, "accel3", AT);
    world
}

#[test]
fn the_layout_of_the_accel_class() {
    let one = sample().only();
    assert_eq!(one.vendor, Some(Vendor::Habana));
    assert_eq!(one.model, "Intel Gaudi 3");
    assert_eq!(one.architecture.as_deref(), Some("gaudi3"));
    assert_eq!(one.nodes, ["/dev/accel/accel3"]);
    assert_eq!(one.driver.as_deref(), Some("habanalabs 1.19.0-abcdef0"));
    assert_eq!(one.health, AcceleratorHealth::Ok);
    assert_eq!((one.memory, one.utilisation_percent), (None, None));
    assert_eq!(said(&one, Key::MemorySize), unverified("128"));
    assert_eq!(said(&one, Key::LinkBandwidth), published("600"));
}

#[test]
fn the_layout_of_old() {
    let mut world = World::new();
    world.function(AT, 0x120000, (0x1da3, 0x1020), Some("habanalabs"));
    world.function(
        "0000:4e:00.0",
        0x120000,
        (0x1da3, 0x1020),
        Some("habanalabs"),
    );
    world.file("sys/class/habanalabs/hl0/pci_addr", "0000:4e:00.0\n");
    world.file("sys/class/habanalabs/hl0/status", "Malfunction\n");
    world.file("sys/class/habanalabs/hl0/device_type", "GAUDI2\n");
    world.file("sys/class/habanalabs/hl1/pci_addr", &format!("{AT}\n"));
    world.file("sys/class/habanalabs/hl1/status", "Operational\n");
    world.file("sys/class/habanalabs/hl1/device_type", "GAUDI2B\n");
    world.file(
        "sys/class/habanalabs/hl_controlD1/pci_addr",
        &format!("{AT}\n"),
    );
    let found = world.find();
    let [one, other] = found.accelerators.as_slice() else {
        panic!("{} accelerators", found.accelerators.len());
    };
    assert_eq!(
        (one.health.clone(), one.nodes.clone()),
        (AcceleratorHealth::Ok, vec!["/dev/hl1".to_owned()])
    );
    assert_eq!(
        other.health,
        AcceleratorHealth::Failed("Malfunction".to_owned())
    );
    assert_eq!(other.nodes, ["/dev/hl0"]);
    assert_eq!(one.model, "Intel Gaudi 2");
}

#[test]
fn every_status_but_operational_is_a_failure() {
    for status in ["In reset", "Disabled", "Needs reset", "In device creation"] {
        let mut world = sample();
        let path = format!("sys/devices/pci0000:00/{AT}/status");
        world.file(&path, &format!("{status}\n"));
        assert_eq!(
            world.only().health,
            AcceleratorHealth::Failed(status.to_owned())
        );
    }
}

#[test]
fn device_ids_tell_where_no_driver_does() {
    for (device, model) in [
        (0x1000, "Intel Gaudi"),
        (0x1010, "Intel Gaudi"),
        (0x1020, "Intel Gaudi 2"),
        (0x1060, "Intel Gaudi 3"),
        (0x1063, "Intel Gaudi 3"),
        (0x0001, "Habana Goya"),
        (0x7777, "1da3:7777"),
    ] {
        let mut world = World::new();
        world.function(AT, 0x120000, (0x1da3, device), None);
        let one = world.only();
        assert_eq!(one.model, model);
        assert_eq!(one.health, AcceleratorHealth::Unknown);
    }
}
