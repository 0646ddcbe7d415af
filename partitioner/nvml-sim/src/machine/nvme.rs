//! `/sys/class/nvme` and the namespaces of a machine's NVMe drives. Owns their attributes, after
//! `drivers/nvme/host/sysfs.c`. There are no nodes: the real majors would open real drives.

use super::CreateError;
use super::class::Device;
use super::tree::Tree;
use crate::model::machine::functions;
use crate::model::mix;
use crate::model::spec::{MachineSpec, PciFunction, Role};

/// Bytes of a sector, in which `size` counts whatever the drive's blocks are.
const SECTOR_BYTES: u64 = 512;

/// Writes every drive.
pub fn write(tree: &Tree, spec: &'static MachineSpec) -> Result<(), CreateError> {
    for function in functions(spec) {
        if let Role::Drive(index) = function.role {
            write_drive(tree, spec, function, index)?;
        }
    }
    Ok(())
}

fn write_drive(
    tree: &Tree,
    spec: &MachineSpec,
    function: &PciFunction,
    index: u32,
) -> Result<(), CreateError> {
    let (device, name) = (function.sysfs_folder(), format!("nvme{index}"));
    let serial = format!("S64GNE0{:07}", mix(u64::from(index)) % 10_000_000);
    let nqn = format!("nqn.2014.08.org.nvmexpress:{serial}");
    let controller = Device {
        class: "nvme",
        name: &name,
        parent: Some(&device),
        node: None,
    };
    controller.write(
        tree,
        &[
            ("model", spec.drive.model.to_owned()),
            ("serial", serial.clone()),
            ("firmware_rev", "GDC5902Q".to_owned()),
            ("address", function.bdf.to_string()),
            ("transport", "pcie".to_owned()),
            ("state", "live".to_owned()),
            ("cntlid", "6".to_owned()),
            ("numa_node", function.node.to_string()),
            ("subsysnqn", nqn.clone()),
        ],
    )?;
    write_subsystem(tree, spec, index, &controller.folder(), &serial, nqn)?;
    write_namespace(tree, spec, index, &controller.folder())
}

/// The subsystem that a controller belongs to; each of these is the only one in its own.
fn write_subsystem(
    tree: &Tree,
    spec: &MachineSpec,
    index: u32,
    controller: &str,
    serial: &str,
    nqn: String,
) -> Result<(), CreateError> {
    let subsystem = Device {
        class: "nvme-subsystem",
        name: &format!("nvme-subsys{index}"),
        parent: None,
        node: None,
    };
    let attributes = [
        ("model", spec.drive.model.to_owned()),
        ("serial", serial.to_owned()),
        ("subsysnqn", nqn),
    ];
    subsystem.write(tree, &attributes)?;
    tree.link(format!("{}/nvme{index}", subsystem.folder()), controller)
}

/// The drive's namespace: a disk directly below its controller, of the class block.
fn write_namespace(
    tree: &Tree,
    spec: &MachineSpec,
    index: u32,
    controller: &str,
) -> Result<(), CreateError> {
    let name = format!("nvme{index}n1");
    let folder = format!("{controller}/{name}");
    tree.attributes(
        &folder,
        &[
            ("size", (spec.drive.bytes / SECTOR_BYTES).to_string()),
            ("ro", "0".to_owned()),
            ("removable", "0".to_owned()),
            ("nsid", "1".to_owned()),
            ("uevent", format!("DEVNAME={name}\nDEVTYPE=disk")),
        ],
    )?;
    tree.attributes(
        format!("{folder}/queue"),
        &[
            ("rotational", "0".to_owned()),
            ("logical_block_size", SECTOR_BYTES.to_string()),
        ],
    )?;
    tree.link(format!("{folder}/device"), controller)?;
    tree.folder("sys/class/block")?;
    tree.link(format!("{folder}/subsystem"), "sys/class/block")?;
    tree.link(format!("sys/class/block/{name}"), &folder)?;
    tree.link(format!("sys/block/{name}"), &folder)
}
