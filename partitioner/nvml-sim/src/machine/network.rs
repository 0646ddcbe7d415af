//! `/sys/class/infiniband`, `/sys/class/infiniband_verbs` and `/sys/class/net` of a machine's NICs. Owns the names and
//! attributes that topology readers look at, after `Documentation/ABI/stable/sysfs-class-infiniband` and
//! `Documentation/ABI/testing/sysfs-class-net`.

use super::CreateError;
use super::class::Device;
use super::tree::Tree;
use crate::model::machine::functions;
use crate::model::spec::{MachineSpec, NicKind, PciFunction, Role};

#[cfg(test)]
mod tests;

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
fn interface_name(spec: &MachineSpec, index: u32) -> String {
    let stem = match spec.nic.kind {
        NicKind::InfiniBand => "ib",
        _ => "eth",
    };
    format!("{stem}{index}")
}

/// Name of the RDMA device of NIC `index`: mlx5 counts, EFA is renamed by rdma-core's rule to where it lies.
fn rdma_name(spec: &MachineSpec, function: &PciFunction, index: u32) -> String {
    match spec.nic.kind {
        NicKind::Fabric => format!("rdmap{}s{}", function.bdf.bus, function.bdf.device),
        _ => format!("mlx5_{index}"),
    }
}

/// What a port's link speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// InfiniBand, with the local id that the subnet gave the port.
    InfiniBand {
        /// The id.
        lid: u32,
    },
    /// Ethernet.
    Ethernet,
    /// Another one, for which the kernel has no word.
    Unknown,
}

/// The words of `rate` (`rate_show` of `drivers/infiniband/core/sysfs.c`), in megabits a second: what all lanes carry,
/// with one digit of a part of a gigabit, and the generation of links of so much.
fn rate(megabits: u64) -> String {
    let link = match megabits {
        800_000.. => "4X XDR",
        400_000.. => "4X NDR",
        200_000.. => "4X HDR",
        100_000.. => "4X EDR",
        56_000.. => "4X FDR",
        40_000.. => "4X QDR",
        20_000.. => "4X DDR",
        10_000.. => "4X SDR",
        _ => "1X SDR",
    };
    match (megabits / 1_000, megabits % 1_000 / 100) {
        (whole, 0) => format!("{whole} Gb/sec ({link})"),
        (whole, part) => format!("{whole}.{part} Gb/sec ({link})"),
    }
}

/// Writes an RDMA device with what every one has and these attributes; says its folder.
pub fn rdma_device(
    tree: &Tree,
    parent: &str,
    name: &str,
    mut attributes: Vec<(&str, String)>,
) -> Result<String, CreateError> {
    let device = Device {
        class: "infiniband",
        name,
        parent: Some(parent),
        node: None,
    };
    attributes.push(("uevent", format!("NAME={name}")));
    device.write(tree, &attributes)?;
    Ok(device.folder())
}

/// Writes a port of the RDMA device in that folder, with its rate in megabits a second; says the port's folder.
pub fn port(
    tree: &Tree,
    device: &str,
    number: u32,
    megabits: u64,
    layer: Layer,
) -> Result<String, CreateError> {
    let (word, lid) = match layer {
        Layer::InfiniBand { lid } => ("InfiniBand", lid),
        Layer::Ethernet => ("Ethernet", 0),
        Layer::Unknown => ("Unknown", 0),
    };
    let attributes = [
        ("state", "4: ACTIVE".to_owned()),
        ("phys_state", "5: LinkUp".to_owned()),
        ("rate", rate(megabits)),
        ("link_layer", word.to_owned()),
        ("lid", format!("{lid:#x}")),
    ];
    let folder = format!("{device}/ports/{number}");
    tree.attributes(&folder, &attributes)?;
    Ok(folder)
}

/// The attributes that every network interface has whose link is up, with its rate in megabits a second and its number
/// in the kernel. The type is `ARPHRD_ETHER` or `ARPHRD_INFINIBAND` of `include/uapi/linux/if_arp.h`.
pub fn interface(
    name: &str,
    layer: Layer,
    megabits: u64,
    number: u32,
) -> Vec<(&'static str, String)> {
    let kind = match layer {
        Layer::InfiniBand { .. } => "32",
        Layer::Ethernet | Layer::Unknown => "1",
    };
    vec![
        ("type", kind.to_owned()),
        ("speed", megabits.to_string()),
        ("duplex", "full".to_owned()),
        ("operstate", "up".to_owned()),
        ("carrier", "1".to_owned()),
        ("ifindex", number.to_string()),
        ("uevent", format!("INTERFACE={name}\nIFINDEX={number}")),
    ]
}

/// The rate of a machine's NICs in megabits a second.
fn megabits(spec: &MachineSpec) -> u64 {
    u64::from(spec.nic.gbps) * 1_000
}

/// The link layer of NIC `index`.
fn layer(spec: &MachineSpec, index: u32) -> Layer {
    match spec.nic.kind {
        NicKind::InfiniBand => Layer::InfiniBand { lid: index + 1 },
        NicKind::Fabric => Layer::Unknown,
        NicKind::Ethernet | NicKind::Interface => Layer::Ethernet,
    }
}

fn write_rdma(
    tree: &Tree,
    spec: &MachineSpec,
    function: &PciFunction,
    index: u32,
) -> Result<(), CreateError> {
    let nic = &spec.nic;
    let device = function.sysfs_folder();
    let name = rdma_name(spec, function, index);
    let guid = format!("9c63:c003:00{:02x}:{index:04x}", function.bdf.bus);
    let mut attributes = vec![
        ("node_guid", guid.clone()),
        ("sys_image_guid", guid),
        ("node_desc", format!("{name} simulated")),
    ];
    let kind = match nic.kind {
        NicKind::Fabric => "7: unspecified",
        _ => "1: CA",
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
    let folder = rdma_device(tree, &device, &name, attributes)?;
    let port = port(tree, &folder, 1, megabits(spec), layer(spec, index))?;
    if !nic.kind.has_interface() {
        return Ok(());
    }
    let ndevs = [("0", interface_name(spec, index))];
    tree.attributes(format!("{port}/gid_attrs/ndevs"), &ndevs)
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
            ("ibdev", rdma_name(spec, function, index)),
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
    let (name, layer) = (interface_name(spec, index), layer(spec, index));
    let net = Device {
        class: "net",
        name: &name,
        parent: Some(&function.sysfs_folder()),
        node: None,
    };
    let mtu = match layer {
        Layer::InfiniBand { .. } => "4092",
        Layer::Ethernet | Layer::Unknown => "9000",
    };
    let bus = function.bdf.bus;
    let mut attributes = interface(&name, layer, megabits(spec), index + 2);
    attributes.extend([
        ("address", format!("9c:63:c0:03:{bus:02x}:{index:02x}")),
        ("mtu", mtu.to_owned()),
        ("dev_id", "0x0".to_owned()),
        ("dev_port", "0".to_owned()),
    ]);
    net.write(tree, &attributes)
}
