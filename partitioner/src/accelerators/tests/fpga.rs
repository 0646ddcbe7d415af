//! Alveo, Device Feature Lists, and chips beside their processor.

use kerf_types::map::{AcceleratorHealth, CapabilityKey as Key, DeviceClass, Vendor};

use super::{World, kernel, published, said, virtual_of, with_virtuals};

const MANAGEMENT: &str = "0000:3b:00.0";
const USER: &str = "0000:3b:00.1";
const DFL: &str = "0000:5e:00.0";

/// A U55C of two functions, a PAC with a Device Feature List, and a Zynq.
pub fn sample() -> World {
    let mut world = World::new();
    world.function(MANAGEMENT, 0x120000, (0x10ee, 0x505c), Some("xclmgmt"));
    world.function(USER, 0x120000, (0x10ee, 0x505d), Some("xocl"));
    world.file("sys/module/xclmgmt/version", "2.16.0,hash\n");
    for at in [MANAGEMENT, USER] {
        world.file(&format!("sys/devices/pci0000:00/{at}/dev_offline"), "0\n");
    }
    world.device(DeviceClass::Drm, "renderD129", USER);
    let function = world.function(DFL, 0x120000, (0x8086, 0x0b30), Some("dfl-pci"));
    with_virtuals(function, 1);
    let at = format!("devices/pci0000:00/{DFL}/fpga_region/region0");
    let engine = format!("{at}/dfl-fme.0");
    for (name, content) in [
        ("ports_num", "1\n"),
        ("bitstream_id", "0x23000410010309\n"),
        ("errors/catfatal_errors", "0x0\n"),
        ("fpga_manager/fpga0/name", "Intel FPGA Manager\n"),
        ("fpga_manager/fpga0/state", "unknown\n"),
        (
            "fpga_region/region1/compat_id",
            "0f1e2d3c4b5a69788796a5b4c3d2e1f0\n",
        ),
    ] {
        world.file(&format!("sys/{engine}/{name}"), content);
    }
    world.file(
        &format!("sys/{at}/dfl-port.0/afu_id"),
        "9aeffe5f84570612c000c9660d824272\n",
    );
    for (link, target) in [
        ("sys/bus/platform/devices/dfl-fme.0", engine.clone()),
        (
            "sys/bus/platform/devices/dfl-port.0",
            format!("{at}/dfl-port.0"),
        ),
    ] {
        world.file(link, &format!("->../../../{target}"));
    }
    for (link, target) in [
        (
            "sys/class/fpga_manager/fpga0",
            format!("{engine}/fpga_manager/fpga0"),
        ),
        ("sys/class/fpga_region/region0", at.clone()),
        (
            "sys/class/fpga_region/region1",
            format!("{engine}/fpga_region/region1"),
        ),
    ] {
        world.file(link, &format!("->../../{target}"));
    }
    world.file(
        "sys/class/fpga_manager/fpga1/name",
        "Xilinx Zynq FPGA Manager\n",
    );
    world.file("sys/class/fpga_manager/fpga1/state", "operating\n");
    world
}

#[test]
fn two_functions_are_one_board() {
    let (found, oddities) = sample().find_with_oddities();
    assert!(oddities.is_empty(), "{oddities:?}");
    let ids: Vec<&str> = found
        .accelerators
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(ids, [MANAGEMENT, DFL, "fpga1"]);
    let card = found.accelerators.first().expect("a card");
    assert_eq!(card.vendor, Some(Vendor::Amd));
    assert_eq!(card.model, "Alveo U55C");
    assert_eq!(card.architecture.as_deref(), Some("ultrascale+"));
    assert_eq!(card.nodes, ["/dev/dri/renderD129"]);
    assert_eq!(card.driver.as_deref(), Some("xclmgmt 2.16.0,hash, xocl"));
    assert_eq!(card.health, AcceleratorHealth::Ok);
    assert_eq!(said(card, Key::MemorySize), published("16"));
    assert_eq!(said(card, Key::MemoryBandwidth), published("460"));
}

/// AMD makes both: what its GPU driver says of GPUs says nothing of a board.
#[test]
fn a_board_is_no_gpu_of_its_vendors() {
    let mut world = sample();
    world.file("sys/kernel/mm/memory_peers/amdkfd/version", "1.0\n");
    world.file("proc/sys/kernel/osrelease", "5.4.0\n");
    for one in world.find().accelerators {
        assert_eq!(said(&one, Key::PeerDma), None, "{}", one.id);
    }
}

#[test]
fn a_card_with_a_function_offline_has_failed() {
    let mut world = sample();
    world.file(&format!("sys/devices/pci0000:00/{USER}/dev_offline"), "1\n");
    let found = world.find();
    let failed = AcceleratorHealth::Failed("offline".to_owned());
    assert_eq!(
        found.accelerators.first().map(|card| &card.health),
        Some(&failed)
    );
}

#[test]
fn a_feature_list_tells_ports_errors_and_regions() {
    let mut world = sample();
    let found = world.find();
    let card = found.accelerators.get(1).expect("a card");
    assert_eq!(card.vendor, Some(Vendor::Intel));
    assert_eq!(card.model, "Intel FPGA PAC N3000");
    assert_eq!(card.nodes, ["/dev/dfl-fme.0", "/dev/dfl-port.0"]);
    assert_eq!(card.health, AcceleratorHealth::Ok);
    assert_eq!(said(card, Key::PartitionMax), kernel("1"));
    assert_eq!(said(card, Key::PartitionModes), kernel("region sriov"));
    let errors = format!(
        "sys/devices/pci0000:00/{DFL}/fpga_region/region0/dfl-fme.0/errors/catfatal_errors"
    );
    world.file(&errors, "0x12\n");
    let found = world.find();
    let failed = AcceleratorHealth::Failed("catastrophic or fatal errors 0x12".to_owned());
    assert_eq!(
        found.accelerators.get(1).map(|card| &card.health),
        Some(&failed)
    );
}

#[test]
fn a_chip_is_as_its_manager_says() {
    for (state, health) in [
        ("operating", AcceleratorHealth::Ok),
        ("unknown", AcceleratorHealth::Unknown),
        (
            "write error",
            AcceleratorHealth::Failed("write error".to_owned()),
        ),
        (
            "power off",
            AcceleratorHealth::Failed("power off".to_owned()),
        ),
    ] {
        let mut world = World::new();
        world.file(
            "sys/class/fpga_manager/fpga0/name",
            "Altera SOCFPGA FPGA Manager\n",
        );
        world.file("sys/class/fpga_manager/fpga0/state", &format!("{state}\n"));
        let one = world.only();
        assert_eq!((one.id.as_str(), one.pci), ("fpga0", None));
        assert_eq!(one.vendor, Some(Vendor::Intel));
        assert_eq!(one.health, health);
    }
}

/// A machine that has only the user's function, as a guest has it; a virtual function is a board's part by itself.
#[test]
fn parts_of_boards() {
    let mut world = World::new();
    world.function(USER, 0x120000, (0x10ee, 0x505d), Some("xocl"));
    assert_eq!(world.only().id, USER);
    let mut world = sample();
    let function = world.function("0000:5e:00.1", 0x120000, (0x8086, 0x0b30), Some("dfl-pci"));
    virtual_of(function, DFL);
    let found = world.find();
    let part = found
        .accelerators
        .iter()
        .find(|one| one.id == "0000:5e:00.1");
    assert_eq!(
        said(part.expect("a part"), Key::Virtualised),
        kernel("true")
    );
}
