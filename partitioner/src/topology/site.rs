//! Accelerators and interfaces of a host with how near each is to each other: what the matrix prints, and what a set
//! is chosen by.

use std::collections::BTreeMap;

use kerf_types::inventory::{Inventory, Nic};
use kerf_types::map::{Accelerator, AcceleratorHealth, End, Link, LinkKind};
use kerf_types::topology::LinkClass;
use kerf_types::{HostMap, PciAddress};

use super::path::{PciTree, Place};
use super::whole::whole;

/// A host's devices in the order of its matrix.
#[derive(Debug)]
pub struct Site {
    tree: PciTree,
    accelerators: Vec<Device>,
    nics: Vec<Device>,
    interfaces: Vec<Device>,
    links: Vec<Link>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// `GPU0` or `NIC3`.
    pub name: String,
    /// The accelerator's id, or the interface's name.
    pub id: String,
    /// Where it sits.
    pub pci: Option<PciAddress>,
    /// NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// Whether nothing is known against it.
    pub is_well: bool,
}

/// How near two accelerators are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Near {
    /// By PCIe.
    pub level: LinkClass,
    /// Links of their own between them besides, of whatever kind.
    pub links: u32,
}

impl Site {
    /// From an inventory, which need not be [whole](super::whole).
    pub fn new(inventory: &Inventory) -> Self {
        Self::of_whole(inventory, &whole(inventory))
    }

    /// From an inventory and its [whole](super::whole) map, for whoever has that already.
    pub fn of_whole(inventory: &Inventory, map: &HostMap) -> Self {
        let nics = inventory.rdma_nics().enumerate();
        let nics: Vec<Device> = nics.map(nic).collect();
        let own = map.links.iter().filter(|link| link.kind.is_own());
        let accelerators = accelerators(inventory, map);
        Self {
            tree: PciTree::of(map),
            interfaces: interfaces(inventory, &accelerators, &nics),
            accelerators,
            nics,
            links: own.cloned().collect(),
        }
    }

    /// Accelerators: NVIDIA's by NVML's index, then the others by address.
    pub fn accelerators(&self) -> &[Device] {
        &self.accelerators
    }

    /// RDMA interfaces.
    pub fn nics(&self) -> &[Device] {
        &self.nics
    }

    /// Interfaces that a choice goes by: those with RDMA; where there are none, the plain ones, which NCCL uses then.
    /// An accelerator's own ports (Gaudi's are RDMA devices of its function) are near to it whatever is chosen.
    pub fn interfaces(&self) -> &[Device] {
        &self.interfaces
    }

    /// How near two accelerators are.
    pub fn near(&self, a: &Device, b: &Device) -> Near {
        Near {
            level: self.level(a, b),
            links: self.own(a, b).map_or(0, |(_, links)| links),
        }
    }

    /// The word of the matrix.
    pub fn class(&self, a: &Device, b: &Device) -> LinkClass {
        match self.own(a, b) {
            Some((kind, links)) => LinkClass::Own(kind, links),
            None => self.level(a, b),
        }
    }

    /// How near two devices are by PCIe.
    pub fn level(&self, a: &Device, b: &Device) -> LinkClass {
        let place = |device: &Device| Place {
            path: device.pci.and_then(|address| self.tree.path(address)),
            numa_node: device.numa_node,
        };
        place(a).level(place(b))
    }

    /// Links between two accelerators: the direct ones, or the fewer of both ones' links into switches.
    fn own(&self, a: &Device, b: &Device) -> Option<(LinkKind, u32)> {
        let is =
            |end: &End, device: &Device| matches!(end, End::Accelerator(id) if *id == device.id);
        let direct = self
            .links
            .iter()
            .find(|link| (is(&link.a, a) && is(&link.b, b)) || (is(&link.a, b) && is(&link.b, a)));
        if let Some(link) = direct {
            return Some((link.kind, link.count));
        }
        let to_switches = |device: &Device| {
            let links = self.links.iter();
            let mut links =
                links.filter(|link| is(&link.a, device) && matches!(link.b, End::Switch(_)));
            let first = links.next()?;
            let count = links.fold(first.count, |sum, link| sum.saturating_add(link.count));
            Some((first.kind, count))
        };
        let ((kind, a), (other, b)) = (to_switches(a)?, to_switches(b)?);
        (kind == other).then_some((kind, a.min(b)))
    }
}

fn accelerators(inventory: &Inventory, map: &HostMap) -> Vec<Device> {
    let index = |one: &Accelerator| {
        let gpu = inventory.gpus.iter().find(|gpu| Some(gpu.pci) == one.pci);
        gpu.map(|gpu| gpu.index)
    };
    let all = map.accelerators.iter().filter(|one| !one.is_virtual());
    let mut known: BTreeMap<u32, Device> = BTreeMap::new();
    let mut others = Vec::new();
    // A GPU that has dropped out keeps its last index, at which the driver counts another by now: that one has it.
    let (lost, there): (Vec<_>, Vec<_>) = all.partition(|one| is_lost(inventory, one));
    for one in there.into_iter().chain(lost) {
        match index(one) {
            Some(index) if !known.contains_key(&index) => {
                known.insert(index, device(index, one));
            }
            _ => others.push(one),
        }
    }
    let last = known.keys().next_back();
    let first = last.map_or(0, |index| index.saturating_add(1));
    let others = (first..)
        .zip(others)
        .map(|(number, one)| device(number, one));
    known.into_values().chain(others).collect()
}

fn is_lost(inventory: &Inventory, one: &Accelerator) -> bool {
    let mut gpus = inventory.gpus.iter();
    gpus.any(|gpu| Some(gpu.pci) == one.pci && gpu.health.is_lost())
}

fn device(number: u32, one: &Accelerator) -> Device {
    Device {
        name: format!("GPU{number}"),
        id: one.id.clone(),
        pci: one.pci,
        numa_node: one.numa_node,
        is_well: !matches!(one.health, AcceleratorHealth::Failed(_)),
    }
}

fn nic((number, nic): (usize, &Nic)) -> Device {
    Device {
        name: format!("NIC{number}"),
        id: nic.name.clone(),
        pci: nic.pci,
        numa_node: nic.numa_node,
        is_well: true,
    }
}

fn interfaces(inventory: &Inventory, accelerators: &[Device], nics: &[Device]) -> Vec<Device> {
    let is_free = |nic: &Device| {
        let mut all = accelerators.iter();
        nic.pci.is_none() || all.all(|one| one.pci != nic.pci)
    };
    let rdma: Vec<Device> = nics.iter().filter(|nic| is_free(nic)).cloned().collect();
    if rdma.is_empty() {
        return plain(inventory).into_iter().filter(is_free).collect();
    }
    rdma
}

/// Every interface that is a PCI function.
fn plain(inventory: &Inventory) -> Vec<Device> {
    let plain = inventory.nics.iter().filter(|nic| nic.pci.is_some());
    let device = |nic: &Nic| Device {
        name: nic.name.clone(),
        id: nic.name.clone(),
        pci: nic.pci,
        numa_node: nic.numa_node,
        is_well: true,
    };
    plain.map(device).collect()
}
