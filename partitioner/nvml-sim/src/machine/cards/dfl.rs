//! FPGA cards as the kernel's DFL framework shows them: a base region at the PCI function, in it the management engine
//! with its manager, bridge and region, and the port with what is programmed into it.
//!
//! After `Documentation/fpga/dfl.rst`, `Documentation/ABI/testing/sysfs-platform-dfl-fme`, `-dfl-port` and
//! `sysfs-class-fpga-region`, and `drivers/fpga/dfl-fme-mgr.c`: that manager tells no state of its own, which the class
//! prints as "unknown", and a `status` without errors is empty. A base region has no `compat_id` to read. Identifiers
//! are made up.

use super::super::CreateError;
use super::super::class::Device;
use super::super::nodes::Node;
use super::Site;

/// Writes one card; says its nodes.
pub fn write(site: &Site<'_>) -> Result<Vec<Node>, CreateError> {
    let (pci, index) = (site.folder(), site.index);
    let base = class(
        site,
        "fpga_region",
        &format!("region{}", index * 2),
        &pci,
        &[],
    )?;
    let number = |nth| format!("{:#x}", site.draw(nth));
    let engine = platform(
        site,
        &base,
        &format!("dfl-fme.{index}"),
        Some(index * 2),
        &[
            ("ports_num", "1".to_owned()),
            ("bitstream_id", number(1)),
            ("bitstream_metadata", number(2)),
            ("cache_size", "0".to_owned()),
            ("fabric_version", "0".to_owned()),
            ("socket_id", "0".to_owned()),
        ],
    )?;
    let errors = ["fme_errors", "first_error", "next_error", "nonfatal_errors"];
    site.tree.attributes(
        format!("{engine}/errors"),
        &errors.map(|name| (name, "0x0".to_owned())),
    )?;
    write_reconfiguration(site, &engine)?;
    let port = platform(
        site,
        &base,
        &format!("dfl-port.{index}"),
        Some(index * 2 + 1),
        &[
            ("id", "0".to_owned()),
            ("afu_id", wide(site, 5)),
            ("power_state", "0x0".to_owned()),
            ("ltr", "0".to_owned()),
        ],
    )?;
    let errors = ["errors", "first_error"];
    site.tree.attributes(
        format!("{port}/errors"),
        &errors.map(|name| (name, "0x0".to_owned())),
    )?;
    let major = site.majors[0];
    Ok(vec![
        (format!("dev/dfl-fme.{index}"), major, index * 2, 0o600),
        (format!("dev/dfl-port.{index}"), major, index * 2 + 1, 0o600),
    ])
}

/// An identifier of 128 bits.
fn wide(site: &Site<'_>, nth: u64) -> String {
    format!("{:016x}{:016x}", site.draw(nth), site.draw(nth + 1))
}

/// Manager, bridge and region by which the port is programmed.
fn write_reconfiguration(site: &Site<'_>, engine: &str) -> Result<(), CreateError> {
    let index = site.index;
    let manager = platform(site, engine, &format!("dfl-fme-mgr.{index}"), None, &[])?;
    let facts = [
        ("name", "DFL FME FPGA Manager".to_owned()),
        ("state", "unknown".to_owned()),
        ("status", String::new()),
    ];
    class(
        site,
        "fpga_manager",
        &format!("fpga{index}"),
        &manager,
        &facts,
    )?;
    let bridge = platform(site, engine, &format!("dfl-fme-br.{index}"), None, &[])?;
    let facts = [
        ("name", "DFL FPGA FME Bridge".to_owned()),
        ("state", "enabled".to_owned()),
    ];
    class(site, "fpga_bridge", &format!("br{index}"), &bridge, &facts)?;
    let region = platform(site, engine, &format!("dfl-fme-region.{index}"), None, &[])?;
    let name = format!("region{}", index * 2 + 1);
    let facts = [("compat_id", wide(site, 3))];
    class(site, "fpga_region", &name, &region, &facts).map(drop)
}

/// A device of a class below another; says its folder.
fn class(
    site: &Site<'_>,
    class: &str,
    name: &str,
    parent: &str,
    attributes: &[(&str, String)],
) -> Result<String, CreateError> {
    let device = Device {
        class,
        name,
        parent: Some(parent),
        node: None,
    };
    device.write(site.tree, attributes)?;
    Ok(device.folder())
}

/// A device of the platform bus below another, with a node of that minor if it has one; says its folder.
fn platform(
    site: &Site<'_>,
    parent: &str,
    name: &str,
    minor: Option<u32>,
    attributes: &[(&str, String)],
) -> Result<String, CreateError> {
    let folder = format!("{parent}/{name}");
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let mut attributes = attributes.to_vec();
    attributes.push(("modalias", format!("platform:{stem}")));
    let mut uevent = String::new();
    if let Some(minor) = minor {
        let major = site.majors[0];
        attributes.push(("dev", format!("{major}:{minor}")));
        uevent = format!("MAJOR={major}\nMINOR={minor}\nDEVNAME={name}\n");
    }
    uevent.push_str(&format!("DRIVER={stem}\nMODALIAS=platform:{stem}\n"));
    attributes.push(("uevent", uevent));
    site.tree.attributes(&folder, &attributes)?;
    let (bus, driver) = (
        "sys/bus/platform",
        format!("sys/bus/platform/drivers/{stem}"),
    );
    site.tree.folder(&driver)?;
    site.tree.link(format!("{folder}/subsystem"), bus)?;
    site.tree.link(format!("{folder}/driver"), &driver)?;
    site.tree.link(format!("{driver}/{name}"), &folder)?;
    site.tree.link(format!("{bus}/devices/{name}"), &folder)?;
    Ok(folder)
}
