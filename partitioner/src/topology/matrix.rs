//! The matrix: every GPU and every RDMA interface against each other.

use kerf_types::PciAddress;
use kerf_types::inventory::{Gpu, Inventory, Nic, NvLinkRemote};
use kerf_types::topology::{LinkClass, TopologyRow};

use super::path::PciTree;

/// A row and column of the matrix.
#[derive(Clone, Copy)]
enum Device<'a> {
    Gpu(&'a Gpu),
    Nic(usize, &'a Nic),
}

impl Device<'_> {
    fn name(self) -> String {
        match self {
            Self::Gpu(gpu) => format!("GPU{}", gpu.index),
            Self::Nic(position, _) => format!("NIC{position}"),
        }
    }

    fn pci(self) -> Option<PciAddress> {
        match self {
            Self::Gpu(gpu) => Some(gpu.pci),
            Self::Nic(_, nic) => nic.pci,
        }
    }

    fn numa_node(self) -> Option<u32> {
        match self {
            Self::Gpu(gpu) => gpu.numa_node,
            Self::Nic(_, nic) => nic.numa_node,
        }
    }
}

/// One row for each GPU by index, then one for each RDMA interface in the inventory's order (`NIC0` is
/// the first). The header is the rows' own order.
pub fn matrix(inventory: &Inventory, tree: &PciTree) -> Vec<TopologyRow> {
    let gpus = inventory.gpus.iter().map(Device::Gpu);
    let nics = inventory
        .rdma_nics()
        .enumerate()
        .map(|(position, nic)| Device::Nic(position, nic));
    let devices: Vec<Device<'_>> = gpus.chain(nics).collect();
    let row = |(at, device): (usize, &Device<'_>)| TopologyRow {
        device: device.name(),
        links: devices
            .iter()
            .enumerate()
            .map(|(to, other)| {
                if at == to {
                    LinkClass::Same
                } else {
                    link(*device, *other, tree)
                }
            })
            .collect(),
        cpu_affinity: cpus_near(*device, inventory),
        numa_node: device.numa_node(),
    };
    devices.iter().enumerate().map(row).collect()
}

fn link(a: Device<'_>, b: Device<'_>, tree: &PciTree) -> LinkClass {
    if let (Device::Gpu(a), Device::Gpu(b)) = (a, b) {
        let links = nvlinks(a, b);
        if links > 0 {
            return LinkClass::NvLink(links);
        }
    }
    level(a, b, tree)
}

/// How near they are by PCIe.
fn level(a: Device<'_>, b: Device<'_>, tree: &PciTree) -> LinkClass {
    let same_node = a.numa_node().is_some() && a.numa_node() == b.numa_node();
    let place = |device: Device<'_>| device.pci().and_then(|address| tree.path(address));
    match (place(a), place(b)) {
        (Some(a), Some(b)) => a.level(b, same_node),
        // Without a path nothing nearer than the node can be promised.
        _ if same_node => LinkClass::Node,
        _ => LinkClass::Sys,
    }
}

/// How near two devices are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Near {
    /// By PCIe.
    pub level: LinkClass,
    /// Links between them besides: NVLink or xGMI.
    pub links: u32,
}

/// How near two GPUs are.
pub fn near(a: &Gpu, b: &Gpu, tree: &PciTree) -> Near {
    Near {
        level: level(Device::Gpu(a), Device::Gpu(b), tree),
        links: nvlinks(a, b),
    }
}

/// How near a GPU is to a network interface, by PCIe.
pub fn near_nic(gpu: &Gpu, nic: &Nic, tree: &PciTree) -> LinkClass {
    level(Device::Gpu(gpu), Device::Nic(0, nic), tree)
}

/// Active NVLinks between two GPUs: the direct ones, or the fewer of both GPUs' links into the switch
/// fabric. A failed link lowers the count, so it is taken from states and not from the model's figure.
fn nvlinks(a: &Gpu, b: &Gpu) -> u32 {
    let active = |gpu: &Gpu, wanted: &dyn Fn(&NvLinkRemote) -> bool| {
        let links = gpu
            .nvlinks
            .iter()
            .filter(|link| link.active && wanted(&link.remote));
        u32::try_from(links.count()).unwrap_or(u32::MAX)
    };
    let direct = |from: &Gpu, to: &Gpu| {
        active(
            from,
            &|remote| matches!(remote, NvLinkRemote::Gpu(pci) if *pci == to.pci),
        )
    };
    let to_fabric = |gpu: &Gpu| active(gpu, &|remote| matches!(remote, NvLinkRemote::Switch(_)));
    match direct(a, b).min(direct(b, a)) {
        0 => to_fabric(a).min(to_fabric(b)),
        links => links,
    }
}

fn cpus_near(device: Device<'_>, inventory: &Inventory) -> String {
    let near = |id| inventory.numa_nodes.iter().find(|node| node.id == id);
    device
        .numa_node()
        .and_then(near)
        .map_or_else(String::new, |node| node.cpus.clone())
}
