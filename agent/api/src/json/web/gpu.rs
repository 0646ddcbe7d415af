//! GPUs and what lies on them, as the page draws them.

use serde::Serialize;

use crate::json::Placement;
use crate::json::inventory::{Health, MigMode, PcieLink};

/// One GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gpu {
    /// NVML index.
    pub index: u32,
    /// The driver's UUID.
    pub uuid: String,
    /// PCI address.
    pub pci: String,
    /// Marketing name.
    pub name: String,
    /// Memory of the whole GPU.
    pub memory_bytes: u64,
    /// The NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// Its PCIe link.
    pub pcie: PcieLink,
    /// NVLinks that it has.
    pub nvlinks: u32,
    /// NVLinks that are up.
    pub nvlinks_active: u32,
    /// MIG mode.
    pub mig_mode: MigMode,
    /// How it is.
    pub health: Health,
    /// Units of its grid; null where it has none or the driver does not tell.
    pub units: Option<u8>,
    /// The GPU as a whole; null where it is cut.
    pub whole: Option<Whole>,
    /// Its slices, by place.
    pub slices: Vec<Slice>,
    /// Processes on it.
    pub processes: u32,
}

/// A GPU that is not cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Whole {
    /// `free`, `reserved`, `leased`, `draining` or `quarantined`, as for a slice.
    pub state: String,
    /// Why it is draining or quarantined.
    pub reason: Option<String>,
    /// The lease on it.
    pub lease: Option<String>,
    /// Who has it.
    pub holder: Option<String>,
}

/// One slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// Stable name of its place: `<pci>-<start>-<size>`.
    pub id: String,
    /// Its profile; null where the driver does not describe it.
    pub profile: Option<String>,
    /// Its place.
    pub placement: Placement,
    /// Its memory.
    pub memory_bytes: u64,
    /// Its streaming multiprocessors.
    pub sm_count: u32,
    /// Id of its GPU instance.
    pub gi: u32,
    /// UUID of its MIG device; null while it has none.
    pub uuid: Option<String>,
    /// `free`, `reserved`, `leased`, `draining` or `quarantined`.
    pub state: String,
    /// Why it is draining or quarantined.
    pub reason: Option<String>,
    /// The lease on it.
    pub lease: Option<String>,
    /// Who has it.
    pub holder: Option<String>,
    /// Its standing CDI name.
    pub cdi_name: String,
}
