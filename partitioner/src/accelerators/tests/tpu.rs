//! Google's chips.

use kerf_types::map::{CapabilityKey as Key, DeviceClass, Vendor};

use super::{World, published, said};

const AT: &str = "0000:00:04.0";

/// A TPU v5e, which VFIO serves.
pub fn sample() -> World {
    let mut world = World::new();
    let function = world.function(AT, 0x120000, (0x1ae0, 0x0063), Some("vfio-pci"));
    function.iommu_group = Some(7);
    world
}

#[test]
fn a_v5e_is_opened_through_vfio() {
    let one = sample().only();
    assert_eq!(one.vendor, Some(Vendor::Google));
    assert_eq!(one.model, "TPU v5e");
    assert_eq!(one.architecture.as_deref(), Some("v5e"));
    assert_eq!(one.nodes, ["/dev/vfio/7"]);
    assert_eq!(one.memory, None);
    assert_eq!(said(&one, Key::MemorySize), published("16"));
    assert_eq!(said(&one, Key::LinkCount), published("4"));
}

#[test]
fn a_v4_is_opened_by_its_driver() {
    let mut world = World::new();
    world.function(AT, 0x120000, (0x1ae0, 0x005e), Some("accel"));
    world.device(DeviceClass::Accel, "accel0", AT);
    let one = world.only();
    assert_eq!(
        (one.model.as_str(), one.nodes),
        ("TPU v4", vec!["/dev/accel0".to_owned()])
    );
}

#[test]
fn v2_and_v3_differ_by_subsystem_and_interfaces_are_none() {
    for (subsystem, model) in [
        (Some(0x4e), Some("TPU v2")),
        (Some(0x4f), Some("TPU v3")),
        (None, None),
    ] {
        let mut world = World::new();
        let function = world.function(AT, 0xff0000, (0x1ae0, 0x0027), None);
        function.subsystem = subsystem.map(|device| (0x1ae0, device));
        world.function("0000:00:05.0", 0x020000, (0x1ae0, 0x0042), Some("gvnic"));
        world.function("0000:00:06.0", 0x010802, (0x1ae0, 0x001f), Some("nvme"));
        let found = world.find();
        let models: Vec<&str> = found
            .accelerators
            .iter()
            .map(|one| one.model.as_str())
            .collect();
        assert_eq!(models, model.into_iter().collect::<Vec<_>>());
    }
}
