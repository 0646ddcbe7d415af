//! Which devices of other makers a host has, and what opens each; vGPUs are offered by [`vgpus`](super::vgpus). Pure.
//!
//! One table says it of every kind: how the names of its own nodes begin, which nodes all devices of its driver share,
//! and which variables its maker's runtime needs. A container has a device by its own nodes; without
//! one of them it can do nothing with the shared ones. KFD asks the device cgroup about the render node before it shows
//! or opens a GPU (`kfd_devcgroup_check_permission`, amdkfd/kfd_priv.h), so `/dev/kfd` gives no other GPU.

use std::collections::BTreeMap;

use kerf_types::map::{Accelerator, AcceleratorHealth, Vendor};
use kerf_types::{AmdGpu, DeviceKind, GpuUuid, Inventory, LeasedDevice, PciAddress, VgpuTypeId};

/// A device that can be leased, or could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    /// What a lease of it names.
    pub device: LeasedDevice,
    /// Its own nodes, as they are called under `/dev`.
    pub nodes: Vec<String>,
    /// RDMA interfaces of its own, by name.
    pub ports: Vec<String>,
    /// Where it is.
    pub numa_node: Option<u32>,
    /// The board, where it is not the function itself: the GPU of a vGPU.
    pub board: Option<PciAddress>,
    /// Its number among those of its kind and maker, by address, or that of its board for a vGPU; other parts have none.
    pub index: Option<u32>,
    /// NVML's name of its board, for a vGPU.
    pub uuid: Option<GpuUuid>,
    /// Parts that it is cut into; 1 for one that is not, and for a part.
    pub parts: usize,
    /// What its maker's runtime calls it, where that is known.
    pub visible: Option<String>,
    /// Who uses it, as its driver says: processes, or a virtual machine.
    pub users: Vec<String>,
    /// Number and name of its type, for a vGPU.
    pub vgpu_type: Option<(VgpuTypeId, String)>,
    /// Why nobody gets it.
    pub sick: Option<String>,
}

/// What is true of every device of a kind.
struct Row {
    kind: DeviceKind,
    /// Whose it is, where the inventory's list of accelerators is where it is found.
    vendor: Option<Vendor>,
    /// How the names of its own nodes begin; one that has none of these is served by another driver.
    own: &'static [&'static str],
    /// Nodes that all devices of its driver share, beside an own one that lies right in this folder.
    beside: &'static [(&'static str, &'static str)],
    /// Whether its function has RDMA interfaces of its own.
    has_ports: bool,
    /// Variables for a container that has these and no others of the kind.
    env: fn(&[&Offer]) -> Vec<String>,
}

const TABLE: [Row; 7] = [
    Row {
        kind: DeviceKind::AmdGpu,
        vendor: None,
        own: &[],
        beside: &[("/dev/dri/", "/dev/kfd")],
        has_ports: false,
        env: rocr,
    },
    Row {
        kind: DeviceKind::AmdPartition,
        vendor: None,
        own: &[],
        beside: &[("/dev/dri/", "/dev/kfd")],
        has_ports: false,
        env: nothing,
    },
    // Level Zero counts what it can open, so ZE_AFFINITY_MASK has nothing to leave out.
    Row {
        kind: DeviceKind::IntelGpu,
        vendor: Some(Vendor::Intel),
        own: &["/dev/dri/"],
        beside: &[],
        has_ports: false,
        env: nothing,
    },
    // HABANA_VISIBLE_MODULES counts modules of the baseboard, which no file of the kernel tells.
    Row {
        kind: DeviceKind::Gaudi,
        vendor: Some(Vendor::Habana),
        own: &["/dev/accel/", "/dev/hl"],
        beside: &[],
        has_ports: true,
        env: nothing,
    },
    // Without NEURON_RT_VISIBLE_CORES a process takes the cores of all devices that it can open.
    Row {
        kind: DeviceKind::Neuron,
        vendor: Some(Vendor::Aws),
        own: &["/dev/neuron"],
        beside: &[],
        has_ports: false,
        env: nothing,
    },
    Row {
        kind: DeviceKind::Tpu,
        vendor: Some(Vendor::Google),
        own: &["/dev/accel", "/dev/vfio/"],
        beside: &[("/dev/vfio/", "/dev/vfio/vfio")],
        has_ports: false,
        env: tpu,
    },
    // What is bound by a group, or without one (`drivers/vfio/group.c`, `device_cdev.c`).
    Row {
        kind: DeviceKind::Vgpu,
        vendor: None,
        own: &[],
        beside: &[
            ("/dev/vfio/", "/dev/vfio/vfio"),
            ("/dev/vfio/devices/", "/dev/iommu"),
        ],
        has_ports: false,
        env: nothing,
    },
];

fn row(kind: DeviceKind) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.kind == kind)
}

impl Offer {
    /// Its own nodes, and those that it shares.
    pub fn all_nodes(&self) -> impl Iterator<Item = &str> {
        let beside = row(self.device.kind).map_or(&[][..], |row| row.beside);
        let own = || self.nodes.iter().map(String::as_str);
        let beside = beside
            .iter()
            .filter(move |(folder, _)| own().any(|node| is_right_in(node, folder)));
        beside.map(|(_, node)| *node).chain(own())
    }

    /// The function of its board.
    pub fn on(&self) -> Option<PciAddress> {
        self.board.or(self.device.pci)
    }

    /// Whether it is a whole function that its user drives: the kernel counts what such a user maps against its limit of
    /// locked memory (`vfio_iommu_type1.c`).
    pub fn is_vfio(&self) -> bool {
        self.nodes.iter().any(|node| node.starts_with("/dev/vfio/"))
    }
}

/// Whether a path is of something right in a folder, and in none below it.
fn is_right_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|name| !name.contains('/'))
}

/// Every one: AMD's by address, then the others in the inventory's order, and what is offered besides.
pub(super) fn offers(inventory: &Inventory, vgpus: Vec<Offer>) -> Vec<Offer> {
    let amd = inventory.amd.iter();
    let amd = amd.flat_map(|gpu| of_amd(inventory, gpu));
    let others = inventory.map.accelerators.iter();
    let others = others.filter_map(|one| of_other(inventory, one));
    let mut offers: Vec<Offer> = amd.chain(others).chain(vgpus).collect();
    refuse_shared(&mut offers);
    offers
}

fn of_other(inventory: &Inventory, one: &Accelerator) -> Option<Offer> {
    let is_own = |row: &Row, node: &String| row.own.iter().any(|head| node.starts_with(head));
    let row = TABLE
        .iter()
        .find(|row| row.vendor.is_some() && row.vendor == one.vendor)?;
    let mut nodes: Vec<String> = one
        .nodes
        .iter()
        .filter(|node| is_own(row, node))
        .cloned()
        .collect();
    if nodes.is_empty() {
        return None;
    }
    nodes.extend(
        nodes
            .iter()
            .filter_map(|node| control(node))
            .collect::<Vec<_>>(),
    );
    nodes.sort();
    nodes.dedup();
    let function = one.pci.and_then(|pci| inventory.map.function(pci));
    let virtuals = function
        .and_then(|function| function.sriov)
        .filter(|sriov| sriov.enabled > 0);
    let virtuals =
        virtuals.map(|sriov| format!("{} virtual functions of it are on", sriov.enabled));
    let ports = inventory
        .rdma_nics()
        .filter(|nic| nic.pci.is_some() && nic.pci == one.pci);
    Some(Offer {
        device: LeasedDevice {
            kind: row.kind,
            name: one.id.parse().ok()?,
            pci: one.pci,
            board: one.unique_id.clone().or_else(|| one.serial.clone()),
        },
        nodes,
        ports: ports
            .filter(|_| row.has_ports)
            .map(|nic| nic.name.clone())
            .collect(),
        numa_node: one.numa_node,
        board: None,
        index: None,
        uuid: None,
        parts: 1,
        visible: None,
        users: Vec::new(),
        vgpu_type: None,
        sick: failure(Some(one)).or(virtuals),
    })
}

/// The node beside a Gaudi's by which its state is asked (`drivers/accel/habanalabs/common/device.c`).
fn control(node: &str) -> Option<String> {
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = |head: &str| node.strip_prefix(head).filter(is_number);
    let new = number("/dev/accel/accel").map(|number| format!("/dev/accel/accel_controlD{number}"));
    new.or_else(|| number("/dev/hl").map(|number| format!("/dev/hl_controlD{number}")))
}

/// A node that opens two devices gives neither: functions of one IOMMU group can only be given away together.
fn refuse_shared(offers: &mut [Offer]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let whole = |offer: &&Offer| {
        !matches!(
            offer.device.kind,
            DeviceKind::AmdGpu | DeviceKind::AmdPartition
        )
    };
    for node in offers.iter().filter(whole).flat_map(|offer| &offer.nodes) {
        *seen.entry(node.clone()).or_default() += 1;
    }
    for offer in offers {
        let mut nodes = offer.nodes.iter();
        let shared = nodes.find(|node| seen.get(*node).is_some_and(|count| *count > 1));
        if let Some(node) = shared {
            offer.sick = Some(format!("{node} opens another device as well"));
        }
    }
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
        ports: Vec::new(),
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
        board: None,
        index: Some(gpu.index),
        uuid: None,
        parts: gpu.partitions.len(),
        visible: uuid(gpu),
        users: gpu
            .processes
            .iter()
            .map(|pid| format!("process {pid}"))
            .collect(),
        vgpu_type: None,
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
            users: Vec::new(),
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

/// Variables for a container that has these, and no others of their makers.
pub(super) fn env(offers: &[Offer]) -> Vec<String> {
    let variables = |row: &Row| {
        let own = offers.iter().filter(|offer| offer.device.kind == row.kind);
        let own: Vec<&Offer> = own.collect();
        match own.is_empty() {
            true => Vec::new(),
            false => (row.env)(&own),
        }
    };
    TABLE.iter().flat_map(variables).collect()
}

fn nothing(_: &[&Offer]) -> Vec<String> {
    Vec::new()
}

/// A list of UUIDs, in upper case as ROCr compares them (`RvdFilter::BuildDeviceUuidList` of amd_filter_device.cpp). Where
/// one GPU has none it is not set: a program would not see that one.
fn rocr(gpus: &[&Offer]) -> Vec<String> {
    let names: Option<Vec<&str>> = gpus.iter().map(|gpu| gpu.visible.as_deref()).collect();
    let entry = |names: Vec<&str>| format!("ROCR_VISIBLE_DEVICES={}", names.join(","));
    names.map(entry).into_iter().collect()
}

/// How a process's chips lie, for the numbers that are sold as one: libtpu takes the whole host otherwise, and fails where
/// it cannot open it. Unverified: no TPU was at hand.
fn tpu(chips: &[&Offer]) -> Vec<String> {
    let bounds = match chips.len() {
        1 => "1,1,1",
        2 => "1,2,1",
        4 => "2,2,1",
        8 => "2,4,1",
        _ => return Vec::new(),
    };
    vec![
        format!("TPU_CHIPS_PER_PROCESS_BOUNDS={bounds}"),
        "TPU_PROCESS_BOUNDS=1,1,1".to_owned(),
    ]
}
