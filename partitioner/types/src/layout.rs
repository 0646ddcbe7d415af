//! What an operator wants of a host: for chosen GPUs, how many slices of which profile.

use std::collections::BTreeMap;

use crate::Gpu;
use crate::amd::{AmdGpu, AmdWish};
use crate::ids::GpuUuid;
use crate::pci::PciAddress;
use crate::placement::Spot;
use crate::profile::ProfileName;
use crate::sharing::Sharing;

/// Which GPUs a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpuSelector {
    /// Every GPU.
    All,
    /// GPUs by NVML index; in a rule about AMD GPUs, by their place among these in order of their addresses.
    Index(u32),
    /// One GPU by UUID.
    Uuid(GpuUuid),
    /// One GPU by address.
    Pci(PciAddress),
    /// GPUs by the name of their product; `*` stands for anything.
    Model(String),
    /// GPUs that the configuration of the host gives this label. Who knows the configuration puts addresses in
    /// its place; left as it is, it speaks of no GPU.
    Label(String),
}

/// The wanted state of the chosen GPUs. A rule with `amd` speaks of AMD GPUs alone, and any other of none of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayoutRule {
    /// Which GPUs.
    pub gpus: Vec<GpuSelector>,
    /// MIG on or off; with MIG off nothing else is wanted.
    pub mig_enabled: bool,
    /// How many slices of each profile on each of the GPUs: exactly these, and what `fill` adds.
    pub slices: BTreeMap<ProfileName, u32>,
    /// The least number of slices of each profile. A rule with these keeps what else lives on the GPU, as far
    /// as there is room, and has no `slices`.
    pub at_least: BTreeMap<ProfileName, u32>,
    /// Profiles that take the room that is left, each as much as it can, one after the other.
    pub fill: Vec<ProfileName>,
    /// Exactly these slices in exactly these places; such a rule has none of the three above.
    pub places: Option<BTreeMap<Spot, ProfileName>>,
    /// Whether `slices` are those of all its GPUs together, split over them in any way, and not of each.
    pub together: bool,
    /// The modes of AMD GPUs; such a rule has nothing else.
    pub amd: Option<AmdWish>,
    /// How each of the devices is shared: the whole GPU, or with MIG on each of its slices. `None`: not at all.
    pub sharing: Option<Sharing>,
}

impl LayoutRule {
    /// The same rule for one GPU alone.
    pub fn of_gpu(&self, pci: PciAddress) -> Self {
        Self {
            gpus: vec![GpuSelector::Pci(pci)],
            ..self.clone()
        }
    }
}

impl GpuSelector {
    /// Whether it means whatever is there, rather than GPUs that must be there and be well.
    pub fn is_sweeping(&self) -> bool {
        matches!(self, Self::All | Self::Model(_))
    }

    /// Whether it speaks of this GPU.
    pub fn selects(&self, gpu: &Gpu) -> bool {
        match self {
            Self::All => true,
            Self::Index(index) => gpu.index == *index,
            Self::Uuid(uuid) => gpu.uuid == *uuid,
            Self::Pci(pci) => gpu.pci == *pci,
            Self::Model(pattern) => crate::pattern::matches(pattern, &gpu.name),
            Self::Label(_) => false,
        }
    }

    /// Whether it speaks of this AMD GPU, in a rule about such.
    pub fn selects_amd(&self, gpu: &AmdGpu) -> bool {
        match self {
            Self::All => true,
            Self::Index(index) => gpu.index == *index,
            Self::Pci(pci) => gpu.pci == *pci,
            Self::Model(pattern) => crate::pattern::matches(pattern, &gpu.name),
            Self::Uuid(_) | Self::Label(_) => false,
        }
    }
}

impl Layout {
    /// Whether a rule speaks of this GPU.
    pub fn names(&self, gpu: &Gpu) -> bool {
        let rules = self.rules.iter().filter(|rule| rule.amd.is_none());
        let mut selectors = rules.flat_map(|rule| &rule.gpus);
        selectors.any(|selector| selector.selects(gpu))
    }

    /// What the rule that speaks of this AMD GPU wants of it.
    pub fn wish_for(&self, gpu: &AmdGpu) -> Option<AmdWish> {
        let mut rules = self.rules.iter().filter(|rule| rule.amd.is_some());
        let rule = rules.find(|rule| rule.gpus.iter().any(|one| one.selects_amd(gpu)));
        rule.and_then(|rule| rule.amd)
    }
}

/// A whole layout. A GPU that no rule names stays as it is; two rules must not name one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// The rules.
    pub rules: Vec<LayoutRule>,
}
