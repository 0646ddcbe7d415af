//! Network interfaces of an imported machine: `/sys/class/infiniband` for those with RDMA, `/sys/class/net` for the
//! others. Owns which interface is of which kind.

use super::describe::{Holds, Net};
use super::place::Of;
use super::plan::Plan;
use crate::machine::class::Device;
use crate::machine::network::{self, Layer};
use crate::machine::{CreateError, Tree};

/// A network controller for InfiniBand.
const INFINIBAND: u32 = 0x0207;

/// Writes every interface at its function.
pub fn write(tree: &Tree, plan: &Plan<'_>) -> Result<(), CreateError> {
    let mut count = 0;
    for placed in &plan.placed {
        let Of::Told(function, nth) = placed.of else {
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
    let attributes = vec![("node_type", "1: CA".to_owned())];
    let device = network::rdma_device(tree, folder, &net.name, attributes)?;
    let layer = match is_infiniband {
        true => Layer::InfiniBand { lid: index + 1 },
        false => Layer::Ethernet,
    };
    for port in &net.ports {
        network::port(tree, &device, port.number, port.megabits, layer)?;
    }
    Ok(())
}

fn plain(tree: &Tree, folder: &str, net: &Net, index: u32) -> Result<(), CreateError> {
    let device = Device {
        class: "net",
        name: &net.name,
        parent: Some(folder),
        node: None,
    };
    let megabits = net.ports.first().map_or(0, |port| port.megabits);
    let attributes = network::interface(&net.name, Layer::Ethernet, megabits, index + 2);
    device.write(tree, &attributes)
}
