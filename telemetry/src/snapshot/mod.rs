//! What one page is rendered from: plain facts that the caller has at hand, joined by identity here.
//!
//! `None` means that nobody knows; such a value has no series and is never shown as zero.

use kerf_types::Timestamp;

pub mod gpu;
pub mod host;
pub mod shared;
pub mod work;

pub use gpu::{GpuEntry, NvLinkCount, SliceEntry};
pub use host::{DriverFacts, HostFacts, ProcessFacts, StoreFacts};
pub use shared::MpsEntry;
pub use work::{JobFacts, LeaseEntry, LeasedDevice};

/// All inputs of one page.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// When it was put together; the ages of samples count from here.
    pub taken: Timestamp,
    /// Version of the running kerf.
    pub kerf_version: String,
    /// Whether names of jobs, images, containers and tenants may stand in labels.
    pub allow_names: bool,
    /// The host.
    pub host: HostFacts,
    /// Its GPUs, lost ones included.
    pub gpus: Vec<GpuEntry>,
    /// The slices that exist. One that is missing here has no series on the page.
    pub slices: Vec<SliceEntry>,
    /// Devices that are shared by MPS.
    pub mps: Vec<MpsEntry>,
    /// Leases that live.
    pub leases: Vec<LeaseEntry>,
    /// Jobs.
    pub jobs: JobFacts,
    /// Driver and driver workers.
    pub driver: DriverFacts,
    /// The store.
    pub store: StoreFacts,
    /// The process that renders.
    pub process: ProcessFacts,
    /// Reasons why the host is degraded that do not follow from the fields above, in words without
    /// names of jobs or images: `/readyz` shows them to everybody.
    pub notes: Vec<String>,
}
