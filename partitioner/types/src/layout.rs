//! What an operator wants of a host: for chosen GPUs, how many slices of which profile.

use std::collections::BTreeMap;

use crate::Gpu;
use crate::ids::GpuUuid;
use crate::pci::PciAddress;
use crate::profile::ProfileName;

/// Which GPUs a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpuSelector {
    /// Every GPU.
    All,
    /// GPUs by NVML index.
    Index(u32),
    /// One GPU by UUID.
    Uuid(GpuUuid),
    /// One GPU by address.
    Pci(PciAddress),
}

/// The wanted state of the chosen GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutRule {
    /// Which GPUs.
    pub gpus: Vec<GpuSelector>,
    /// MIG on (with exactly these slices) or off (without any).
    pub mig_enabled: bool,
    /// How many slices of each profile on each of the GPUs.
    pub slices: BTreeMap<ProfileName, u32>,
}

impl GpuSelector {
    /// Whether it speaks of this GPU.
    pub fn selects(&self, gpu: &Gpu) -> bool {
        match self {
            Self::All => true,
            Self::Index(index) => gpu.index == *index,
            Self::Uuid(uuid) => gpu.uuid == *uuid,
            Self::Pci(pci) => gpu.pci == *pci,
        }
    }
}

impl Layout {
    /// Whether a rule speaks of this GPU.
    pub fn names(&self, gpu: &Gpu) -> bool {
        let mut selectors = self.rules.iter().flat_map(|rule| &rule.gpus);
        selectors.any(|selector| selector.selects(gpu))
    }
}

/// A whole layout. A GPU that no rule names stays as it is; two rules must not name one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// The rules.
    pub rules: Vec<LayoutRule>,
}
