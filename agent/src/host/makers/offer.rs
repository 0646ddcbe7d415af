//! Which devices of other makers a host has, and what opens each. Pure.
//!
//! One table says it of every kind: how the names of its own nodes begin, which nodes all devices of its driver share,
//! and which variable of its maker's runtime names what is visible. A container has a device by its own nodes; without
//! one of them it can do nothing with the shared ones. KFD asks the device cgroup about the render node before it shows
//! or opens a GPU (`kfd_devcgroup_check_permission`, amdkfd/kfd_priv.h), so `/dev/kfd` gives no other GPU.

use kerf_types::map::{Accelerator, AcceleratorHealth};
use kerf_types::{AmdGpu, DeviceKind, Inventory, LeasedDevice, PciAddress};

/// A device that can be leased, or could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    /// What a lease of it names.
    pub device: LeasedDevice,
    /// Its own nodes, as they are called under `/dev`.
    pub nodes: Vec<String>,
    /// Where it is.
    pub numa_node: Option<u32>,
    /// Its number among those of its kind and maker, by address; parts have none.
    pub index: Option<u32>,
    /// Parts that it is cut into; 1 for one that is not, and for a part.
    pub parts: usize,
    /// What its maker's runtime calls it, where that is known.
    pub visible: Option<String>,
    /// Processes that its driver names.
    pub processes: Vec<u32>,
    /// Why nobody gets it.
    pub sick: Option<String>,
}

/// What is true of every device of a kind.
struct Row {
    kind: DeviceKind,
    /// Nodes that all devices of its driver share.
    beside: &'static [&'static str],
    /// Variable that names the devices that a program sees, where each of them has a name.
    variable: Option<&'static str>,
}

const TABLE: [Row; 2] = [
    // A list of UUIDs, in upper case as ROCr compares them (`RvdFilter::BuildDeviceUuidList` of amd_filter_device.cpp).
    Row {
        kind: DeviceKind::AmdGpu,
        beside: &["/dev/kfd"],
        variable: Some("ROCR_VISIBLE_DEVICES"),
    },
    Row {
        kind: DeviceKind::AmdPartition,
        beside: &["/dev/kfd"],
        variable: None,
    },
];

fn row(kind: DeviceKind) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.kind == kind)
}

impl Offer {
    /// Its own nodes, and those that it shares.
    pub fn all_nodes(&self) -> impl Iterator<Item = &str> {
        let beside = row(self.device.kind).map_or(&[][..], |row| row.beside);
        let own = self.nodes.iter().map(String::as_str);
        beside.iter().copied().chain(own)
    }
}

/// Every one, by address.
pub(super) fn offers(inventory: &Inventory) -> Vec<Offer> {
    let amd = inventory.amd.iter();
    amd.flat_map(|gpu| of_amd(inventory, gpu)).collect()
}

/// A GPU, and its partitions where it has several.
fn of_amd(inventory: &Inventory, gpu: &AmdGpu) -> Vec<Offer> {
    let accelerator = at(inventory, gpu.pci);
    let render = |minor: u32| format!("/dev/dri/renderD{minor}");
    let minors = || gpu.partitions.iter().map(|part| part.render_minor);
    let cards = accelerator.into_iter().flat_map(|one| &one.nodes);
    let cards = cards.filter(|node| node.starts_with("/dev/dri/")).cloned();
    let mut nodes: Vec<String> = cards.chain(minors().map(render)).collect();
    nodes.sort();
    nodes.dedup();
    let sick = match (gpu.health.is_ok(), gpu.partitions.is_empty()) {
        (false, _) => Some("its driver does not answer for it".to_owned()),
        (true, true) => Some("KFD does not list it".to_owned()),
        (true, false) => failure(accelerator),
    };
    let board = gpu.unique_id.clone().or_else(|| gpu.serial.clone());
    let whole = Offer {
        device: LeasedDevice {
            kind: DeviceKind::AmdGpu,
            // An address is always a name.
            name: match gpu.pci.to_string().parse() {
                Ok(name) => name,
                Err(_) => return Vec::new(),
            },
            pci: Some(gpu.pci),
            board,
        },
        nodes,
        numa_node: numa_node(inventory, gpu.pci),
        index: Some(gpu.index),
        parts: gpu.partitions.len(),
        visible: uuid(gpu),
        processes: gpu.processes.clone(),
        sick,
    };
    let is_cut = gpu.partitions.len() > 1;
    let parts: Vec<u32> = minors().filter(|_| is_cut).collect();
    let part = |minor: u32| {
        let name = format!("{}-renderD{minor}", gpu.pci).parse().ok()?;
        Some(Offer {
            device: LeasedDevice {
                kind: DeviceKind::AmdPartition,
                name,
                ..whole.device.clone()
            },
            nodes: vec![render(minor)],
            index: None,
            parts: 1,
            visible: None,
            // The driver names those of the whole GPU; whoever is on this part has its node open.
            processes: Vec::new(),
            ..whole.clone()
        })
    };
    let parts: Vec<Offer> = parts.into_iter().filter_map(part).collect();
    std::iter::once(whole).chain(parts).collect()
}

/// The UUID by which ROCr knows a GPU: 16 upper-case digits of its `unique_id`. Partitions of one GPU may have the same, and
/// ROCr shows none of those that a name fits twice, so only a GPU that is one partition has a name.
fn uuid(gpu: &AmdGpu) -> Option<String> {
    let id = u64::from_str_radix(gpu.unique_id.as_deref()?, 16).ok()?;
    (id != 0 && gpu.partitions.len() == 1).then(|| format!("GPU-{id:016X}"))
}

fn at(inventory: &Inventory, pci: PciAddress) -> Option<&Accelerator> {
    let mut all = inventory.map.accelerators.iter();
    all.find(|one| one.pci == Some(pci))
}

fn numa_node(inventory: &Inventory, pci: PciAddress) -> Option<u32> {
    let own = at(inventory, pci).and_then(|one| one.numa_node);
    own.or_else(|| inventory.map.function(pci)?.numa_node)
}

/// What a driver says against a device.
fn failure(accelerator: Option<&Accelerator>) -> Option<String> {
    match accelerator.map(|one| &one.health) {
        Some(AcceleratorHealth::Failed(why)) => Some(why.clone()),
        _ => None,
    }
}

/// Variables for a container that has these, and no others of their makers. One that cannot name all of them is not set:
/// a program would not see the rest.
pub(super) fn env(offers: &[Offer]) -> Vec<String> {
    let variable = |row: &Row| {
        let own = offers.iter().filter(|offer| offer.device.kind == row.kind);
        let names: Option<Vec<&str>> = own.map(|offer| offer.visible.as_deref()).collect();
        let names = names.filter(|names| !names.is_empty())?;
        Some(format!("{}={}", row.variable?, names.join(",")))
    };
    TABLE.iter().filter_map(variable).collect()
}
