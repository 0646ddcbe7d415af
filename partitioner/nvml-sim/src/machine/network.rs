//! `/sys/class/infiniband`, `/sys/class/infiniband_verbs` and `/sys/class/net` of a machine's NICs. Owns the names and
//! attributes that topology readers look at, after `Documentation/ABI/stable/sysfs-class-infiniband` and
//! `Documentation/ABI/testing/sysfs-class-net`.

use super::CreateError;
use super::class::Device;
use super::tree::Tree;
use crate::model::machine::functions;
use crate::model::spec::{MachineSpec, NicKind, PciFunction, Role};

/// Major of `/dev/infiniband/uverbs*` and the first of their minors (`IB_UVERBS_MAJOR`, `IB_UVERBS_BASE_MINOR`). The
/// tree has no such nodes: what opens one would open real hardware.
const VERBS: (u32, u32) = (231, 192);

/// Writes every NIC.
pub fn write(tree: &Tree, spec: &'static MachineSpec) -> Result<(), CreateError> {
    for function in functions(spec) {
        if let Role::Nic(index) = function.role {
            if spec.nic.kind.has_rdma() {
                write_rdma(tree, spec, function, index)?;
                write_verbs(tree, spec, function, index)?;
            }
            if spec.nic.kind.has_interface() {
                write_interface(tree, spec, function, index)?;
            }
        }
    }
    Ok(())
}

/// Name of the network interface of NIC `index`.
fn interface(spec: &MachineSpec, index: u32) -> String {
    let stem = match spec.nic.kind {
        NicKind::InfiniBand => "ib",
        _ => "eth",
    };
    format!("{stem}{index}")
}

/// Name of the RDMA device of NIC `index`: mlx5 counts, EFA is renamed by rdma-core's rule to where it lies.
fn rdma(spec: &MachineSpec, function: &PciFunction, index: u32) -> String {
    match spec.nic.kind {
        NicKind::Fabric => format!("rdmap{}s{}", function.bdf.bus, function.bdf.device),
        _ => format!("mlx5_{index}"),
    }
}

/// The words of `rate` (`rate_show` of `drivers/infiniband/core/sysfs.c`).
pub fn rate(gbps: u32) -> String {
    let fast = match gbps {
        800.. => "4X XDR",
        400.. => "4X NDR",
        200.. => "4X HDR",
        _ => "4X EDR",
    };
    format!("{gbps} Gb/sec ({fast})")
}

fn write_rdma(
    tree: &Tree,
    spec: &MachineSpec,
    function: &PciFunction,
    index: u32,
) -> Result<(), CreateError> {
    let nic = &spec.nic;
    let device = function.sysfs_folder();
    let name = rdma(spec, function, index);
    let guid = format!("9c63:c003:00{:02x}:{index:04x}", function.bdf.bus);
    let mut attributes = vec![
        ("node_guid", guid.clone()),
        ("sys_image_guid", guid),
        ("node_desc", format!("{name} simulated")),
    ];
    let (kind, layer) = match nic.kind {
        NicKind::InfiniBand => ("1: CA", "InfiniBand"),
        NicKind::Fabric => ("7: unspecified", "Unknown"),
        _ => ("1: CA", "Ethernet"),
    };
    attributes.push(("node_type", kind.to_owned()));
    if nic.kind != NicKind::Fabric {
        let model = match nic.device {
            0x1023 => "MT4131",
            0x1021 => "MT4129",
            _ => "MT4123",
        };
        attributes.push(("hca_type", model.to_owned()));
        attributes.push(("fw_ver", "28.39.3560".to_owned()));
    }
    let rdma = Device {
        class: "infiniband",
        name: &name,
        parent: Some(&device),
        node: None,
    };
    rdma.write(tree, &attributes)?;
    let folder = rdma.folder();
    tree.text(format!("{folder}/uevent"), format!("NAME={name}"))?;
    let fabric = nic.kind == NicKind::InfiniBand;
    let port = [
        ("state", "4: ACTIVE".to_owned()),
        ("phys_state", "5: LinkUp".to_owned()),
        ("rate", rate(nic.gbps)),
        ("link_layer", layer.to_owned()),
        ("lid", format!("{:#x}", if fabric { index + 1 } else { 0 })),
    ];
    tree.attributes(format!("{folder}/ports/1"), &port)?;
    if !nic.kind.has_interface() {
        return Ok(());
    }
    tree.attributes(
        format!("{folder}/ports/1/gid_attrs/ndevs"),
        &[("0", interface(spec, index))],
    )
}

fn write_verbs(
    tree: &Tree,
    spec: &MachineSpec,
    function: &PciFunction,
    index: u32,
) -> Result<(), CreateError> {
    let verbs = Device {
        class: "infiniband_verbs",
        name: &format!("uverbs{index}"),
        parent: Some(&function.sysfs_folder()),
        node: Some((
            VERBS.0,
            VERBS.1 + index,
            format!("infiniband/uverbs{index}"),
        )),
    };
    verbs.write(
        tree,
        &[
            ("ibdev", rdma(spec, function, index)),
            ("abi_version", "1".to_owned()),
        ],
    )
}

fn write_interface(
    tree: &Tree,
    spec: &MachineSpec,
    function: &PciFunction,
    index: u32,
) -> Result<(), CreateError> {
    let name = interface(spec, index);
    let infiniband = spec.nic.kind == NicKind::InfiniBand;
    let net = Device {
        class: "net",
        name: &name,
        parent: Some(&function.sysfs_folder()),
        node: None,
    };
    net.write(
        tree,
        &[
            (
                "address",
                format!("9c:63:c0:03:{:02x}:{index:02x}", function.bdf.bus),
            ),
            ("type", if infiniband { "32" } else { "1" }.to_owned()),
            ("mtu", if infiniband { "4092" } else { "9000" }.to_owned()),
            ("speed", (spec.nic.gbps * 1_000).to_string()),
            ("duplex", "full".to_owned()),
            ("operstate", "up".to_owned()),
            ("carrier", "1".to_owned()),
            ("dev_id", "0x0".to_owned()),
            ("dev_port", "0".to_owned()),
            ("ifindex", (index + 2).to_string()),
            ("uevent", format!("INTERFACE={name}\nIFINDEX={}", index + 2)),
        ],
    )
}
