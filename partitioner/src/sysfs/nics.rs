//! RDMA-capable network interfaces, from `/sys/class/infiniband`.

use kerf_types::PciAddress;
use kerf_types::inventory::{Nic, NumaNode};

use super::{Root, SysfsError, pci};

const CLASS: &str = "sys/class/infiniband";

/// Every RDMA interface, by name. A bond has no PCI function of its own.
pub fn nics(root: &Root, nodes: &[NumaNode]) -> Result<Vec<Nic>, SysfsError> {
    Ok(root
        .list(CLASS)?
        .into_iter()
        .map(|name| nic(root, name, nodes))
        .collect())
}

fn nic(root: &Root, name: String, nodes: &[NumaNode]) -> Nic {
    let device = format!("{CLASS}/{name}/device");
    let pci = root
        .canonical(&device)
        .and_then(|path| path.rsplit('/').next()?.parse::<PciAddress>().ok());
    let numa_node = match pci {
        Some(address) => pci::numa_node(root, address, nodes),
        None => None,
    }
    .or_else(|| pci::numa_node_of_folder(root, &device, nodes));
    let port = first_port(root, &name);
    let fact = |file: &str| root.fact(&format!("{CLASS}/{name}/ports/{}/{file}", port?));
    let link_layer = fact("link_layer").unwrap_or_default();
    // `4: ACTIVE`; a port that is down still shows the rate it last had.
    let is_down = fact("state").is_some_and(|state| !state.starts_with("4:"));
    let rate = fact("rate")
        .as_deref()
        .and_then(gigabits)
        .filter(|_| !is_down);
    Nic {
        pci,
        numa_node,
        link_layer,
        rate_gbps: rate.unwrap_or(0),
        name,
        ..Default::default()
    }
}

fn first_port(root: &Root, name: &str) -> Option<u32> {
    let ports = root.list(&format!("{CLASS}/{name}/ports")).ok()?;
    ports.iter().filter_map(|port| port.parse().ok()).min()
}

/// `400 Gb/sec (4X NDR)`; old links have half gigabits, which are cut off.
fn gigabits(rate: &str) -> Option<u32> {
    let number = rate.split_once(" Gb/sec")?.0;
    number.split('.').next()?.trim().parse().ok()
}
