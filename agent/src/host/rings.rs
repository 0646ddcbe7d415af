//! What joins the GPUs of this host, kept from one look to the next, so that an ask for whole GPUs gets the best set.
//!
//! Worked out anew only where GPUs, links, interfaces or the map have changed. It never looks at the hardware and never
//! chooses.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_partitioner::topology::{Device, Site};
use kerf_planner::rings::{
    GpuRings, Nearness, Pair, PairWeights, RingDevice, TooMany, is_one_board,
};
use kerf_types::inventory::NvLink;
use kerf_types::lease::Subject;
use kerf_types::map::{Accelerator, AcceleratorHealth, PciFunction};
use kerf_types::{Gpu, GpuUuid, Health, HostMap, Inventory, MigMode, PciAddress};

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Rings {
    known: Option<GpuRings>,
    /// What it was worked out from: an inventory of that alone by which GPUs are near.
    from: Option<Inventory>,
    /// The NVLinks of each GPU as it was last seen without MIG, in which the driver tells of none.
    links: BTreeMap<PciAddress, (GpuUuid, Vec<NvLink>)>,
}

impl Rings {
    /// The tables; `None` for a host of more GPUs than they hold, and before the first look.
    pub fn known(&self) -> Option<&GpuRings> {
        self.known.as_ref()
    }

    /// Takes over what was seen.
    pub fn note(&mut self, inventory: &Inventory) {
        self.note_links(&inventory.gpus);
        let from = self.nearness_of(inventory);
        if self.from.as_ref() != Some(&from) {
            // With too many GPUs nothing is known, and the planner goes by NUMA nodes.
            self.known = rings(self.known.take(), &from).ok();
            self.from = Some(from);
        }
    }

    /// A GPU that comes out of MIG has its links again, which are down or not told of meanwhile. One of which nothing was
    /// ever seen without MIG is joined by PCIe, as far as is known: less than it may be, and never more.
    fn note_links(&mut self, gpus: &[Gpu]) {
        for gpu in gpus {
            let hides = gpu.mig_mode.is_on() && !gpu.nvlinks.iter().any(|link| link.active);
            let same = self.links.get(&gpu.pci).map(|(uuid, _)| *uuid == gpu.uuid);
            if !hides || same == Some(false) {
                let seen = (gpu.uuid.clone(), gpu.nvlinks.clone());
                self.links.insert(gpu.pci, seen);
            }
        }
    }

    /// The host without what has nothing to do with nearness, so that no use and no sickness of a GPU is a change.
    fn nearness_of(&self, inventory: &Inventory) -> Inventory {
        let gpu = |gpu: &Gpu| Gpu {
            nvlinks: self
                .links
                .get(&gpu.pci)
                .map_or_else(Vec::new, |(_, links)| links.clone()),
            pcie: Default::default(),
            mig_mode: MigMode::Unsupported,
            profiles: Vec::new(),
            instances: Vec::new(),
            processes: Vec::new(),
            health: Health::Ok,
            ..gpu.clone()
        };
        Inventory {
            gpus: inventory.gpus.iter().map(gpu).collect(),
            nics: inventory.nics.clone(),
            map: Arc::new(nearness(&inventory.map)),
            ..Inventory::default()
        }
    }

    /// How the GPUs of a lease are joined, in words; nothing where it has less than two.
    pub fn words(&self, subjects: &[Subject]) -> Option<String> {
        let whole = |subject: &Subject| match subject {
            Subject::Gpu {
                gpu, share: None, ..
            } => Some(*gpu),
            Subject::Gpu { .. } | Subject::Slice { .. } => None,
        };
        let gpus: Vec<PciAddress> = subjects.iter().filter_map(whole).collect();
        let mbps = self.known.as_ref()?.ring_mbps(gpus.iter().copied())?;
        let gbps = f64::from(mbps) / 1_000.0;
        Some(match gpus.len() {
            2 => format!("a pair of GPUs with {gbps} GB/s"),
            count => format!("a ring of {count} GPUs with {gbps} GB/s at its narrowest"),
        })
    }
}

/// Of a map what says how near devices are: neither how busy nor how well they are, nor how fast an idle link is.
fn nearness(map: &HostMap) -> HostMap {
    let function = |one: &PciFunction| PciFunction::at(one.address, one.path.clone());
    let accelerator = |one: &Accelerator| Accelerator {
        utilisation_percent: None,
        memory_used: None,
        health: AcceleratorHealth::Unknown,
        ..one.clone()
    };
    HostMap {
        pci: map.pci.iter().map(function).collect(),
        accelerators: map.accelerators.iter().map(accelerator).collect(),
        links: map.links.clone(),
        ..HostMap::default()
    }
}

/// The tables over the GPUs of NVML alone: no others are given as a whole, and devices of others would fill them.
fn rings(known: Option<GpuRings>, of: &Inventory) -> Result<GpuRings, TooMany> {
    // Before any two are compared.
    TooMany::check(of.gpus.len())?;
    let site = Site::new(of);
    let is_gpu = |pci: &PciAddress| of.gpus.iter().any(|gpu| gpu.pci == *pci);
    let devices = site.accelerators().iter();
    let devices = devices.filter_map(|device| Some((device.pci.filter(is_gpu)?, device)));
    let devices: BTreeMap<PciAddress, &Device> = devices.collect();
    let weights = PairWeights::default();
    let gpu = |(pci, device): (&PciAddress, &&Device)| {
        let nics = site.nics().iter();
        let nics = nics.map(|nic| weights.score(site.level(device, nic)));
        let one = RingDevice {
            numa_node: device.numa_node,
            nic_score: nics.max().unwrap_or(0),
        };
        (*pci, one)
    };
    let pair = |a: PciAddress, b: PciAddress| {
        let two = devices.get(&a).zip(devices.get(&b));
        two.map_or(Pair::default(), |(one, other)| {
            let near = site.near(one, other);
            weights.pair(Nearness {
                level: near.level,
                is_one_board: is_one_board(Some(a), Some(b)),
                links: near.links,
            })
        })
    };
    GpuRings::renewed(known, devices.iter().map(gpu).collect(), pair)
}

#[cfg(test)]
mod tests;
