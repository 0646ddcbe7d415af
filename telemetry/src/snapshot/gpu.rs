//! GPUs and slices: who they are, how they are, and the last reading of each GPU.

use kerf_types::inventory::{Architecture, PcieLink};
use kerf_types::lease::SliceState;
use kerf_types::sample::{GpuSample, SampleCost};
use kerf_types::{
    CiId, DeviceMinor, GiId, Gpu, GpuUuid, Health, MigMode, MigUuid, PciAddress, Placement,
    ProfileName,
};

/// A GPU that kerf knows of.
#[derive(Debug, Clone)]
pub struct GpuEntry {
    /// NVML index.
    pub index: u32,
    /// UUID.
    pub uuid: GpuUuid,
    /// Where it sits.
    pub pci: PciAddress,
    /// Minor of its device node.
    pub minor: DeviceMinor,
    /// Marketing name.
    pub name: String,
    /// Generation.
    pub architecture: Architecture,
    /// NUMA node next to it.
    pub numa_node: Option<u32>,
    /// How it is.
    pub health: Health,
    /// MIG mode.
    pub mig_mode: MigMode,
    /// Its PCIe link.
    pub pcie: Option<PcieLink>,
    /// Its NVLinks.
    pub nvlinks: Option<NvLinkCount>,
    /// Its last reading. It may be old: a GPU that is lost or does not answer keeps it here, and the
    /// page then shows its age alone.
    pub sample: Option<GpuSample>,
    /// What that reading took.
    pub cost: Option<SampleCost>,
    /// Whether the reading is of the last try. One that failed says nothing of the sensors, whatever the
    /// GPU's health is still held to be, and the page then shows the reading's age alone.
    pub fresh: bool,
}

/// NVLinks of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NvLinkCount {
    /// Links that are up.
    pub active: u32,
    /// Links that it has.
    pub total: u32,
}

impl GpuEntry {
    /// An entry from the inventory's view of a GPU, without a reading.
    pub fn new(gpu: &Gpu) -> Self {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let links = &gpu.nvlinks;
        Self {
            index: gpu.index,
            uuid: gpu.uuid.clone(),
            pci: gpu.pci,
            minor: gpu.minor,
            name: gpu.name.clone(),
            architecture: gpu.architecture,
            numa_node: gpu.numa_node,
            health: gpu.health.clone(),
            mig_mode: gpu.mig_mode,
            pcie: Some(gpu.pcie),
            nvlinks: (!links.is_empty()).then(|| NvLinkCount {
                active: count(links.iter().filter(|link| link.active).count()),
                total: count(links.len()),
            }),
            sample: None,
            cost: None,
            fresh: false,
        }
    }

    /// The entry with the GPU's last reading; `fresh` as in [`GpuEntry::fresh`].
    #[must_use]
    pub fn with_reading(self, sample: GpuSample, cost: SampleCost, fresh: bool) -> Self {
        Self {
            sample: Some(sample),
            cost: Some(cost),
            fresh,
            ..self
        }
    }

    /// Whether what the inventory has of it still holds.
    pub(crate) fn answers(&self) -> bool {
        matches!(self.health, Health::Ok | Health::Xid { .. })
    }

    /// The last reading, unless the GPU has stopped answering since.
    pub(crate) fn live_sample(&self) -> Option<&GpuSample> {
        self.sample.as_ref().filter(|_| self.is_live())
    }

    /// What the last reading took, unless the GPU has stopped answering since.
    pub(crate) fn live_cost(&self) -> Option<SampleCost> {
        self.cost.filter(|_| self.is_live())
    }

    fn is_live(&self) -> bool {
        self.fresh && self.answers()
    }
}

/// A slice that exists: one entry for each compute instance of a GPU instance, and one for a GPU instance
/// that has none. Its readings are taken from its GPU's sample by (GI, CI, UUID).
#[derive(Debug, Clone)]
pub struct SliceEntry {
    /// UUID of the parent GPU.
    pub gpu: GpuUuid,
    /// GPU instance.
    pub gi: GiId,
    /// Compute instance, where there is one.
    pub ci: Option<CiId>,
    /// MIG device of the compute instance.
    pub uuid: Option<MigUuid>,
    /// Which life of this place it is, as kerf counts them.
    pub generation: u64,
    /// Profile, where the driver describes it.
    pub profile: Option<ProfileName>,
    /// Place on the parent's grid.
    pub placement: Placement,
    /// Who has it.
    pub state: SliceState,
    /// Streaming multiprocessors.
    pub sm_count: Option<u32>,
}
