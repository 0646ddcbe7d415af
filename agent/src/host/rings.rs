//! What joins the GPUs of this host, kept from one look to the next, so that an ask for whole GPUs gets the best set.
//!
//! The tables are worked out anew only where what joins the GPUs has changed. It never looks at the hardware and never
//! chooses.

use std::collections::BTreeMap;

use kerf_partitioner::topology::{Device, Site};
use kerf_planner::rings::{GpuRings, Nearness, Pair, PairWeights, TooMany};
use kerf_types::inventory::NvLink;
use kerf_types::lease::Subject;
use kerf_types::{Gpu, GpuUuid, Inventory, PciAddress};

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Rings {
    known: Option<GpuRings>,
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
        // With too many GPUs nothing is known, and the planner goes by NUMA nodes.
        self.known = rings(self.known.take(), &self.with_links(inventory)).ok();
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

    /// The host with the links that are known of each GPU.
    fn with_links(&self, inventory: &Inventory) -> Inventory {
        let mut host = inventory.clone();
        for gpu in &mut host.gpus {
            let known = self.links.get(&gpu.pci);
            gpu.nvlinks = known.map_or_else(Vec::new, |(_, links)| links.clone());
        }
        host
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

/// The tables over the GPUs of NVML alone: no others are given as a whole, and devices of others would fill them. Those
/// that are `known` stay where no GPU has moved nearer or farther, whatever else has changed.
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
        let nics = site.interfaces().iter();
        let nics = nics.map(|nic| site.level(device, nic));
        (*pci, weights.device(device.numa_node, nics))
    };
    let pair = |a: PciAddress, b: PciAddress| {
        let two = devices.get(&a).zip(devices.get(&b));
        two.map_or(Pair::default(), |(one, other)| {
            let near = site.near(one, other);
            weights.pair(Nearness::between(Some(a), Some(b), near.level, near.links))
        })
    };
    GpuRings::renewed(known, devices.iter().map(gpu).collect(), pair)
}

#[cfg(test)]
mod tests;
