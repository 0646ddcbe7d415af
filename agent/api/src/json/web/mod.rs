//! `kerf.v1.Web`: all that the status page of one host draws, in one document.
//!
//! Whoever reaches the page may read it, without a log-in. So it has no arguments, no environment, no image
//! and no name that a user chose, unless the host allows names; see [`Web::names`].

mod gpu;
mod peer;
mod work;

use serde::Serialize;

use super::inventory::{Driver, Nic, NumaNode};
use super::{Degradation, TopologyRow, schema_tag};

pub use gpu::{Gpu, Slice, Whole};
pub use peer::{Peer, PeerState};
pub use work::{Job, Jobs, Lease, Subject};

schema_tag!(WebSchema, "kerf.v1.Web");

/// A host on one page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Web {
    /// Names this document.
    pub schema: WebSchema,
    /// The host's clock when this document was made.
    pub at: String,
    /// The host and its kerfd.
    pub host: Host,
    /// Whether names of jobs, images and containers are told (`metrics.allow_names`); if not they are null.
    pub names: bool,
    /// What is not well.
    pub degraded: Vec<Degradation>,
    /// What could not be read of the hardware, in words.
    pub problems: Vec<String>,
    /// NUMA nodes, by id.
    pub numa_nodes: Vec<NumaNode>,
    /// GPUs in order of their NVML index.
    pub gpus: Vec<Gpu>,
    /// RDMA-capable network interfaces; the first is `NIC0` of the topology.
    pub nics: Vec<Nic>,
    /// How near the devices are to each other.
    pub topology: Topology,
    /// Jobs of this host.
    pub jobs: Jobs,
    /// Leases, oldest first.
    pub leases: Vec<Lease>,
    /// The other hosts of the fleet; null where this host runs alone.
    pub peers: Option<Vec<Peer>>,
}

/// A host and its kerfd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// The host's name.
    pub name: String,
    /// Version of kerfd.
    pub version: String,
    /// When kerfd was started.
    pub started_at: String,
    /// Versions of the driver; null without an NVIDIA driver.
    pub driver: Option<Driver>,
    /// Name of the simulated machine; null on real hardware.
    pub simulated: Option<String>,
    /// Whether kerfd takes no new work.
    pub draining: bool,
    /// Changes to the hardware that this store has seen.
    pub generation: u64,
    /// Life of the store; a rebuilt store begins a new one.
    pub store_epoch: u32,
}

/// The matrix of `kerf topology`, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topology {
    /// The devices, in the order of each row's links.
    pub devices: Vec<String>,
    /// One row for each device.
    pub rows: Vec<TopologyRow>,
    /// Devices with at most one PCIe switch between them, in the order of devices; each device is in one.
    pub switches: Vec<Vec<String>>,
}
