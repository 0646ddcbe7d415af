//! Network interfaces of an imported machine: `/sys/class/infiniband` for those with RDMA, `/sys/class/net` for the
//! others. Owns which attributes follow from a name and a rate.

use super::describe::{Holds, Net};
use super::place::Of;
use super::plan::Plan;
use crate::machine::class::Device;
use crate::machine::network;
use crate::machine::{CreateError, Tree};

/// A network controller for InfiniBand.
const INFINIBAND: u32 = 0x0207;

/// Writes every interface at its function.
pub fn write(tree: &Tree, plan: &Plan<'_>) -> Result<(), CreateError> {
    let mut count = 0;
    for placed in &plan.placed {
        let Of::Told(at, nth) = placed.of else {
            continue;
        };
        let Some(function) = plan.description.functions.get(at) else {
            continue;
        };
        let Holds::Nets(nets) = &function.holds else {
            continue;
        };
        let Some(net) = nets.get(usize::from(nth)) else {
            continue;
        };
        let folder = placed.function.sysfs_folder();
        match net.is_rdma {
            true => rdma(tree, &folder, net, function.class >> 8 == INFINIBAND, count)?,
            false => plain(tree, &folder, net, count)?,
        }
        count += 1;
    }
    Ok(())
}

fn rdma(
    tree: &Tree,
    folder: &str,
    net: &Net,
    is_infiniband: bool,
    index: u32,
) -> Result<(), CreateError> {
    let device = Device {
        class: "infiniband",
        name: &net.name,
        parent: Some(folder),
        node: None,
    };
    device.write(tree, &[("node_type", "1: CA".to_owned())])?;
    let layer = if is_infiniband {
        "InfiniBand"
    } else {
        "Ethernet"
    };
    let lid = if is_infiniband { index + 1 } else { 0 };
    for port in &net.ports {
        let attributes = [
            ("state", "4: ACTIVE".to_owned()),
            ("phys_state", "5: LinkUp".to_owned()),
            ("rate", rate(port.megabits)),
            ("link_layer", layer.to_owned()),
            ("lid", format!("{lid:#x}")),
        ];
        let folder = format!("{}/ports/{}", device.folder(), port.number);
        tree.attributes(folder, &attributes)?;
    }
    Ok(())
}

/// As `rate_show` of `drivers/infiniband/core/sysfs.c` prints it, a part of a gigabit with one digit.
fn rate(megabits: u64) -> String {
    let (whole, part) = (megabits / 1_000, megabits % 1_000 / 100);
    if part > 0 {
        return format!("{whole}.{part} Gb/sec (4X SDR)");
    }
    network::rate(u32::try_from(whole).unwrap_or(u32::MAX))
}

fn plain(tree: &Tree, folder: &str, net: &Net, index: u32) -> Result<(), CreateError> {
    let device = Device {
        class: "net",
        name: &net.name,
        parent: Some(folder),
        node: None,
    };
    let speed = net.ports.first().map_or(0, |port| port.megabits);
    let attributes = [
        ("type", "1".to_owned()),
        ("speed", speed.to_string()),
        ("duplex", "full".to_owned()),
        ("operstate", "up".to_owned()),
        ("carrier", "1".to_owned()),
        ("ifindex", (index + 2).to_string()),
        (
            "uevent",
            format!("INTERFACE={}\nIFINDEX={}", net.name, index + 2),
        ),
    ];
    device.write(tree, &attributes)
}
