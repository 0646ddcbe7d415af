//! What an operator wants of a host: for chosen GPUs, how many slices of which profile.

use std::collections::BTreeMap;

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

/// A whole layout. A GPU that no rule names stays as it is; two rules must not name one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// The rules.
    pub rules: Vec<LayoutRule>,
}
