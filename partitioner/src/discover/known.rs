//! What is known of a GPU that NVML does not answer for: the kernel driver's word and sysfs.
//!
//! Such a GPU is listed, so that nobody wonders where it went, with what it is and no figures.

use std::path::Path;

use kerf_types::inventory::{Architecture, Gpu, Health, NumaNode, PcieLink};
use kerf_types::{Bytes, MigMode, PciAddress};

use crate::sysfs::driver::{self, DriverGpu};
use crate::sysfs::{Reader, Root, numa, pci};

/// GPUs in the order of NVML's indices.
#[derive(Debug, Default)]
pub struct Known {
    gpus: Vec<(DriverGpu, Extra)>,
}

/// What sysfs adds.
#[derive(Debug)]
struct Extra {
    numa_node: Option<u32>,
    device_id: u32,
    subsystem_id: u32,
}

impl Known {
    /// Reads it; nothing where it cannot be read.
    pub fn read(sysroot: &Path) -> Self {
        let Ok(root) = Root::open(sysroot) else {
            return Self::default();
        };
        // What is odd is told by the worker, which reads the same files.
        let nodes = numa::near(&Reader::new(&root));
        let gpus = driver::gpus(&root).unwrap_or_default();
        Self {
            gpus: gpus
                .into_iter()
                .map(|gpu| {
                    let extra = Extra::read(&root, gpu.pci, &nodes);
                    (gpu, extra)
                })
                .collect(),
        }
    }

    /// The GPU with this index of `count`; `None` where the kernel driver counts otherwise, or does not
    /// name the GPU. A kernel driver that serves another number of GPUs would put a wrong name to it.
    pub fn gpu(&self, index: u32, count: u32, health: Health) -> Option<Gpu> {
        if u32::try_from(self.gpus.len()).ok()? != count {
            return None;
        }
        self.gpus
            .get(usize::try_from(index).ok()?)
            .and_then(|known| listed(known, index, health))
    }

    /// All of them.
    pub fn all(&self, health: &Health) -> Vec<Gpu> {
        let listed = |(index, known)| listed(known, index, health.clone());
        (0..).zip(&self.gpus).filter_map(listed).collect()
    }
}

impl Extra {
    fn read(root: &Root, address: PciAddress, nodes: &[NumaNode]) -> Self {
        let identity = pci::identity(root, address);
        let whole = |(vendor, device): (u16, u16)| u32::from(device) << 16 | u32::from(vendor);
        Self {
            numa_node: pci::numa_node(root, address, nodes),
            device_id: identity.vendor.zip(identity.device).map_or(0, whole),
            subsystem_id: identity.subsystem.map_or(0, whole),
        }
    }
}

fn listed((known, extra): &(DriverGpu, Extra), index: u32, health: Health) -> Option<Gpu> {
    Some(Gpu {
        index,
        uuid: known.uuid.clone()?,
        pci: known.pci,
        minor: known.minor?,
        name: known.model.clone().unwrap_or_default(),
        pci_device_id: extra.device_id,
        pci_subsystem_id: extra.subsystem_id,
        serial: None,
        architecture: Architecture::Other(0),
        compute_capability: (0, 0),
        memory: Bytes(0),
        numa_node: extra.numa_node,
        pcie: PcieLink::default(),
        nvlinks: Vec::new(),
        fabric: None,
        c2c: Vec::new(),
        mig_mode: MigMode::Unsupported,
        profiles: Vec::new(),
        instances: Vec::new(),
        processes: Vec::new(),
        health,
    })
}
