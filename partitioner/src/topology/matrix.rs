//! The matrix: every accelerator and every RDMA interface against each other.

use kerf_types::inventory::Inventory;
use kerf_types::topology::{LinkClass, TopologyRow};

use super::site::{Device, Site};

/// One row for each accelerator, NVIDIA's by index, then one for each RDMA interface in the inventory's order (`NIC0`
/// is the first). The header is the rows' own order.
pub fn matrix(inventory: &Inventory) -> Vec<TopologyRow> {
    matrix_of(inventory, &Site::new(inventory))
}

/// The same of a site that is known already.
pub fn matrix_of(inventory: &Inventory, site: &Site) -> Vec<TopologyRow> {
    let accelerators = site.accelerators().len();
    let devices: Vec<&Device> = site.accelerators().iter().chain(site.nics()).collect();
    let cell = |at: usize, to: usize, device: &Device, other: &Device| {
        if at == to {
            LinkClass::Same
        } else if at < accelerators && to < accelerators {
            site.class(device, other)
        } else {
            site.level(device, other)
        }
    };
    let row = |(at, device): (usize, &&Device)| TopologyRow {
        device: device.name.clone(),
        pci: device.pci,
        links: devices
            .iter()
            .enumerate()
            .map(|(to, other)| cell(at, to, device, other))
            .collect(),
        cpu_affinity: cpus_near(device.numa_node, inventory),
        numa_node: device.numa_node,
        memory_node: memory_of(device, inventory),
    };
    devices.iter().enumerate().map(row).collect()
}

fn memory_of(device: &Device, inventory: &Inventory) -> Option<u32> {
    let pci = device.pci?;
    let nodes = inventory.numa_nodes.iter();
    let mut own = nodes.filter(|node| node.accelerator == Some(pci));
    Some(own.next()?.id)
}

fn cpus_near(node: Option<u32>, inventory: &Inventory) -> Option<String> {
    let of = |id| inventory.numa_nodes.iter().find(|node| node.id == id);
    node.and_then(of)?.cpus.clone()
}
