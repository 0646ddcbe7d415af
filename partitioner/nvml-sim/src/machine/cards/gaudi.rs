//! Gaudi cards as Intel's driver habanalabs shows them, in both layouts.
//!
//! Attributes after `drivers/accel/habanalabs/common/sysfs.c` and `Documentation/ABI/testing/sysfs-driver-habanalabs`:
//! since Linux 6.8 at the PCI function, which `/sys/class/accel/accel<n>/device` leads to; before at the class's own
//! device, a virtual one that names its function in `pci_addr` alone. The control device has no parent in either
//! (`device_init_cdev` of `common/device.c`). The name of `device_type` is that of Habana's own driver, for mainline
//! does not know Gaudi 3. Unverified: the names and numbers of ports, which are those of the driver's RDMA part as it
//! was sent for review (`hbl_<n>`), and the sensors of hwmon, which the firmware chooses.

use super::super::CreateError;
use super::super::class::Device;
use super::super::network::{Layer, interface, port, rdma_device};
use super::super::nodes::Node;
use super::Site;
use crate::model::card::Gaudi;

/// Ports of one card.
const PORTS: u32 = 24;
/// Size of `eeprom`, a page.
const EEPROM_BYTES: usize = 4_096;
/// Those that leave the server; the others join its cards.
const EXTERNAL: std::ops::RangeInclusive<u32> = 22..=24;

/// Writes one card; says its nodes.
pub fn write(site: &Site<'_>, layout: Gaudi) -> Result<Vec<Node>, CreateError> {
    let (index, pci) = (site.index, site.folder());
    let [major, control_major] = site.majors;
    let (name, control, attributes_at, nodes) = match layout {
        Gaudi::Accel => (
            format!("accel{index}"),
            format!("accel_controlD{index}"),
            Some(pci.as_str()),
            [(major, index), (control_major, index)],
        ),
        // One major: each card has two minors (`hl_get_minor` counts in twos).
        Gaudi::Habanalabs => (
            format!("hl{index}"),
            format!("hl_controlD{index}"),
            None,
            [(major, index * 2), (major, index * 2 + 1)],
        ),
    };
    let (class, prefix) = match layout {
        Gaudi::Accel => ("accel", "accel/"),
        Gaudi::Habanalabs => ("habanalabs", ""),
    };
    let mut made = Vec::new();
    for (name, parent, (major, minor)) in
        [(&name, attributes_at, nodes[0]), (&control, None, nodes[1])]
    {
        let path = format!("{prefix}{name}");
        made.push((format!("dev/{path}"), major, minor, 0o666));
        let device = Device {
            class,
            name,
            parent,
            node: Some((major, minor, path)),
        };
        device.write(site.tree, &[])?;
    }
    let folder = attributes_at.map_or_else(
        || format!("sys/devices/virtual/habanalabs/{name}"),
        str::to_owned,
    );
    site.tree.attributes(&folder, &attributes(site, layout))?;
    write_eeprom(site, &folder)?;
    write_sensors(site)?;
    write_ports(site)?;
    Ok(made)
}

fn attributes(site: &Site<'_>, layout: Gaudi) -> Vec<(&'static str, String)> {
    let (kind, power_mw) = match layout {
        Gaudi::Accel => ("GAUDI3", "900000"),
        Gaudi::Habanalabs => ("GAUDI2", "600000"),
    };
    let firmware = "1.22.0-fw-61.0.2.0";
    let mut attributes = vec![
        ("armcp_kernel_ver", "Linux 5.10.18".to_owned()),
        ("armcp_ver", firmware.to_owned()),
        ("clk_cur_freq_mhz", "200".to_owned()),
        ("clk_max_freq_mhz", "1600".to_owned()),
        ("cpld_ver", format!("0x{:016x}", 0x10_0000_000f_u64)),
        ("cpucp_kernel_ver", "Linux 5.10.18".to_owned()),
        ("cpucp_ver", firmware.to_owned()),
        ("device_type", kind.to_owned()),
        ("fuse_ver", format!("01P{}", site.draw(1) % 1_000_000_000)),
        ("fw_os_ver", "Linux 5.10.18".to_owned()),
        ("hard_reset_cnt", "0".to_owned()),
        ("max_power", power_mw.to_owned()),
        // The cards of a server are numbered by their sockets on the base board, not by their addresses.
        ("module_id", (site.index ^ 1).to_string()),
        ("pci_addr", site.function.bdf.to_string()),
        ("preboot_btl_ver", format!("Preboot version {firmware}")),
        ("security_enabled", "1".to_owned()),
        ("status", "Operational".to_owned()),
        ("thermal_ver", "V1.0".to_owned()),
        ("uboot_ver", "U-Boot 2021.04".to_owned()),
        ("vrm_ver", "0x0c".to_owned()),
    ];
    if layout == Gaudi::Accel {
        attributes.push(("parent_device", site.function.bdf.to_string()));
    }
    attributes
}

/// The board's EEPROM, one page of it, and what resets the card, which takes a value and has none.
fn write_eeprom(site: &Site<'_>, folder: &str) -> Result<(), CreateError> {
    let mut page = [0xff_u8; EEPROM_BYTES];
    let serial = format!("AM{:08}", site.draw(2) % 100_000_000);
    for (byte, letter) in page.iter_mut().zip(serial.bytes()) {
        *byte = letter;
    }
    site.tree.bytes(format!("{folder}/eeprom"), &page)?;
    let reset = format!("{folder}/hard_reset");
    site.tree.bytes(&reset, b"")?;
    site.tree.mode(&reset, 0o200)
}

fn write_sensors(site: &Site<'_>) -> Result<(), CreateError> {
    let pci = site.folder();
    let hwmon = Device {
        class: "hwmon",
        name: &format!("hwmon{}", site.index),
        parent: Some(&pci),
        node: None,
    };
    hwmon.write(
        site.tree,
        &[
            ("name", "habanalabs".to_owned()),
            ("temp1_input", "34000".to_owned()),
            ("power1_input", "226000000".to_owned()),
        ],
    )
}

/// The RDMA device with all ports, and the interfaces of those that leave the server.
fn write_ports(site: &Site<'_>) -> Result<(), CreateError> {
    let (tree, pci, index) = (site.tree, site.folder(), site.index);
    let guid = format!("b0fd:0bff:fe{:02x}:{index:04x}", site.function.bdf.bus);
    let name = format!("hbl_{index}");
    let attributes = vec![
        ("node_guid", guid.clone()),
        ("sys_image_guid", guid),
        ("node_type", "7: unspecified".to_owned()),
        ("node_desc", format!("{name} simulated")),
    ];
    let rdma = rdma_device(tree, &pci, &name, attributes)?;
    let megabits = match site.card.pcie_generation {
        5 => 200_000,
        _ => 100_000,
    };
    for number in 1..=PORTS {
        let folder = port(tree, &rdma, number, megabits, Layer::Ethernet)?;
        if EXTERNAL.contains(&number) {
            let interface = format!("hbl{index}p{number}");
            let ndevs = [("0", interface.clone())];
            tree.attributes(format!("{folder}/gid_attrs/ndevs"), &ndevs)?;
            write_interface(site, &interface, number, megabits)?;
        }
    }
    Ok(())
}

fn write_interface(
    site: &Site<'_>,
    name: &str,
    port: u32,
    megabits: u64,
) -> Result<(), CreateError> {
    let pci = site.folder();
    let net = Device {
        class: "net",
        name,
        parent: Some(&pci),
        node: None,
    };
    // Above those of the NICs.
    let number = 100 + site.index * PORTS + port;
    let bus = site.function.bdf.bus;
    let mut attributes = interface(name, Layer::Ethernet, megabits, number);
    attributes.extend([
        ("address", format!("b0:fd:0b:{bus:02x}:{port:02x}:00")),
        ("mtu", "8000".to_owned()),
        ("dev_port", (port - 1).to_string()),
    ]);
    net.write(site.tree, &attributes)
}
