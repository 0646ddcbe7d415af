//! What one host tells the fleet about itself.
//!
//! A record is a hint: the host that it is about decides. It holds enough to ask the planner the question
//! that the host itself would ask, and no more, since it travels by gossip. What a record says of a GPU's
//! model is there once for each model. Only the host itself writes its record.

use std::collections::BTreeMap;

use crate::ProfileId;
use crate::bytes::Bytes;
use crate::host::{HostId, HostName};
use crate::inventory::Architecture;
use crate::mig::MigMode;
use crate::pci::PciAddress;
use crate::placement::Placement;
use crate::profile::Profile;

/// What one host tells the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRecord {
    /// The host.
    pub id: HostId,
    /// Its name for people.
    pub name: HostName,
    /// Where its peers reach it, `host:port`.
    pub address: String,
    /// Its version: a record of a higher version replaces one of a lower.
    pub version: RecordVersion,
    /// Labels that jobs may choose by.
    pub labels: BTreeMap<String, String>,
    /// Whether it takes new work.
    pub admission: Admission,
    /// What may be changed for the sake of one ask.
    pub policy: CutPolicy,
    /// Whether it gives jobs its network.
    pub host_network: bool,
    /// Whether it can keep jobs of others: it has a store with an epoch, and a kerfd that knows registers.
    pub keeps_jobs: bool,
    /// Models of its GPUs.
    pub models: Vec<GpuModel>,
    /// Its GPUs, in order of their index.
    pub gpus: Vec<GpuRecord>,
    /// CPU of the host.
    pub cpu_milli: Amount,
    /// Memory of the host in bytes.
    pub memory_bytes: Amount,
    /// How busy it is, in thousandths.
    pub load_per_mille: u16,
    /// Members of jobs that run or are being started on it.
    pub jobs: u32,
    /// Labels of its running jobs that others may see, for affinity between jobs.
    pub job_labels: Vec<(String, String)>,
    /// Price of an hour of the whole host in thousandths of a currency unit.
    pub price_milli_per_hour: Option<u64>,
}

/// Which state of a host a record is about. The epoch of the store comes first, so that a host whose store was
/// rebuilt is believed although it counts from the beginning again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RecordVersion {
    /// Epoch of its store.
    pub epoch: u16,
    /// Counts the changes within the epoch.
    pub revision: u64,
}

/// Whether a host takes new work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Admission {
    /// It does.
    Open,
    /// An operator has closed it; what runs goes on.
    Cordoned,
    /// It is being emptied, or its kerfd is about to end.
    Draining,
}

/// What a host changes for the sake of one ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CutPolicy {
    /// Whether slices are cut on demand.
    pub on_demand: bool,
    /// Whether an idle GPU may change its MIG mode, where that needs no reset.
    pub mode_change_when_idle: bool,
}

/// An amount that is shared out: how much there is, and how much of it nobody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount {
    /// All of it.
    pub total: u64,
    /// What is left.
    pub free: u64,
}

/// What GPUs of one kind have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuModel {
    /// Marketing name.
    pub name: String,
    /// Generation.
    pub architecture: Architecture,
    /// CUDA compute capability, major and minor.
    pub compute_capability: (u32, u32),
    /// Memory of the whole GPU.
    pub memory: Bytes,
    /// Its MIG profiles with their legal places, by id; empty where it has none or nobody knows them.
    pub profiles: Vec<Profile>,
}

/// One GPU of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuRecord {
    /// Index.
    pub index: u32,
    /// Where it sits.
    pub pci: PciAddress,
    /// Its model, counted from 0 in [`HostRecord::models`].
    pub model: usize,
    /// How it is.
    pub health: GpuHealth,
    /// MIG mode.
    pub mig_mode: MigMode,
    /// NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// What NVLink joins it to.
    pub nvlink: NvlinkReach,
    /// Who has it as a whole.
    pub occupancy: Occupancy,
    /// The slices on it.
    pub slices: Vec<SliceRecord>,
}

/// How a GPU is, without the times that mean nothing elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GpuHealth {
    /// Nothing is known against it.
    Ok,
    /// The driver has lost it.
    Lost,
    /// A call on it did not return.
    Unresponsive,
    /// It works again after a reset.
    ResetRequired,
    /// It reported this code of NVIDIA's XID catalogue.
    Xid(u64),
    /// Somebody works on it or on its driver.
    Maintenance,
}

/// What NVLink joins a GPU to on its host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NvlinkReach {
    /// Nothing.
    None,
    /// Everything on the switch.
    Switched,
    /// The GPUs with these indexes, sorted.
    Gpus(Vec<u32>),
}

/// Who has a GPU or a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Occupancy {
    /// Nobody.
    Free,
    /// A lease.
    Leased,
    /// Somebody or something that kerf does not know, or it is not in a state to be given.
    Other,
}

/// One GPU instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceRecord {
    /// Its profile.
    pub profile: ProfileId,
    /// Where it lies.
    pub placement: Placement,
    /// Who has it.
    pub occupancy: Occupancy,
}

impl HostRecord {
    /// Free slices, and all of them.
    pub fn slices(&self) -> (usize, usize) {
        let slices = || self.gpus.iter().flat_map(|gpu| &gpu.slices);
        let free = slices().filter(|slice| slice.occupancy == Occupancy::Free);
        (free.count(), slices().count())
    }
}
