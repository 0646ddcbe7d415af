//! `/sys/class/infiniband` and `/sys/class/net` of a machine: one RDMA card to a GPU. Owns the
//! names and attributes that topology readers look at.

use super::CreateError;
use super::tree::Tree;
use crate::model::machine::functions;
use crate::model::spec::{MachineSpec, PciFunction, Role};

/// Writes every NIC.
pub fn write(tree: &Tree, spec: &'static MachineSpec) -> Result<(), CreateError> {
    for function in functions(spec) {
        if let Role::Nic(index) = function.role {
            write_rdma(tree, spec, function, index)?;
            write_interface(tree, spec, function, index)?;
        }
    }
    Ok(())
}

/// Name of the network interface of NIC `index`.
fn interface(spec: &MachineSpec, index: u32) -> String {
    let stem = if spec.nic.infiniband { "ib" } else { "eth" };
    format!("{stem}{index}")
}

fn write_rdma(
    tree: &Tree,
    spec: &MachineSpec,
    function: &PciFunction,
    index: u32,
) -> Result<(), CreateError> {
    let nic = &spec.nic;
    let device = function.sysfs_folder();
    let folder = format!("{device}/infiniband/mlx5_{index}");
    let guid = format!("9c63:c003:00{:02x}:{index:04x}", function.bdf.bus);
    let fast = match nic.gbps {
        800.. => "4X XDR",
        400.. => "4X NDR",
        _ => "4X HDR",
    };
    let kind = match nic.device {
        0x1023 => "MT4131",
        0x1021 => "MT4129",
        _ => "MT4123",
    };
    tree.attributes(
        &folder,
        &[
            ("node_guid", guid.clone()),
            ("sys_image_guid", guid),
            ("node_type", "1: CA".to_owned()),
            ("hca_type", kind.to_owned()),
            ("fw_ver", "28.39.3560".to_owned()),
        ],
    )?;
    tree.attributes(
        format!("{folder}/ports/1"),
        &[
            ("state", "4: ACTIVE".to_owned()),
            ("phys_state", "5: LinkUp".to_owned()),
            ("rate", format!("{} Gb/sec ({fast})", nic.gbps)),
            (
                "link_layer",
                if nic.infiniband {
                    "InfiniBand"
                } else {
                    "Ethernet"
                }
                .to_owned(),
            ),
            (
                "lid",
                format!("{:#x}", if nic.infiniband { index + 1 } else { 0 }),
            ),
        ],
    )?;
    tree.attributes(
        format!("{folder}/ports/1/gid_attrs/ndevs"),
        &[("0", interface(spec, index))],
    )?;
    tree.link(format!("{folder}/device"), &device)?;
    tree.link(format!("{folder}/subsystem"), "sys/class/infiniband")?;
    tree.link(format!("sys/class/infiniband/mlx5_{index}"), &folder)
}

fn write_interface(
    tree: &Tree,
    spec: &MachineSpec,
    function: &PciFunction,
    index: u32,
) -> Result<(), CreateError> {
    let name = interface(spec, index);
    let device = function.sysfs_folder();
    let folder = format!("{device}/net/{name}");
    let infiniband = spec.nic.infiniband;
    tree.attributes(
        &folder,
        &[
            (
                "address",
                format!("9c:63:c0:03:{:02x}:{index:02x}", function.bdf.bus),
            ),
            ("type", if infiniband { "32" } else { "1" }.to_owned()),
            ("mtu", if infiniband { "4092" } else { "9000" }.to_owned()),
            ("speed", (spec.nic.gbps * 1_000).to_string()),
            ("operstate", "up".to_owned()),
            ("carrier", "1".to_owned()),
            ("dev_port", "0".to_owned()),
            ("ifindex", (index + 2).to_string()),
        ],
    )?;
    tree.link(format!("{folder}/device"), &device)?;
    tree.link(format!("{folder}/subsystem"), "sys/class/net")?;
    tree.link(format!("sys/class/net/{name}"), &folder)
}
