//! `kerf status`: how a host is, on one page.

use kerf_types::Timestamp;
use serde::Serialize;

use super::{schema_tag, time};
use crate::v1;

schema_tag!(StatusSchema, "kerf.v1.Status");

/// How a host is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Names this document.
    pub schema: StatusSchema,
    /// The host's name.
    pub host: String,
    /// Version of kerfd.
    pub version: String,
    /// Whether nothing is degraded.
    pub ok: bool,
    /// What is wrong, and what follows from it.
    pub degraded: Vec<Degradation>,
    /// When kerfd was started.
    pub started_at: String,
    /// Seconds since then.
    pub uptime_seconds: u64,
    /// GPUs.
    pub gpus: u32,
    /// GPUs that are well.
    pub gpus_ok: u32,
    /// Slices that exist.
    pub slices: u32,
    /// Slices that a container has.
    pub slices_leased: u32,
    /// Leases.
    pub leases: u32,
    /// Jobs that have not ended.
    pub jobs_active: u32,
    /// Life of the store; a rebuilt store begins a new one.
    pub store_epoch: u32,
    /// Changes to the hardware that this store has seen.
    pub generation: u64,
    /// Where the metrics are.
    pub metrics_address: String,
    /// Where peers reach this host; empty where it runs alone.
    pub peers_address: String,
    /// Whether kerfd takes no new work.
    pub draining: bool,
    /// Name of the simulated machine; null on real hardware.
    pub simulated: Option<String>,
}

/// One thing that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Degradation {
    /// What is affected.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub hint: String,
    /// Since when.
    pub since_at: String,
}

impl From<&v1::Status> for Status {
    fn from(status: &v1::Status) -> Self {
        let degraded: Vec<Degradation> = status.degraded.iter().map(Into::into).collect();
        Self {
            schema: StatusSchema::V1,
            host: status.host.clone(),
            version: status.version.clone(),
            ok: degraded.is_empty(),
            degraded,
            started_at: time(status.started_ms),
            uptime_seconds: Timestamp(status.started_ms).seconds_until(Timestamp(status.now_ms)),
            gpus: status.gpus,
            gpus_ok: status.gpus_ok,
            slices: status.slices,
            slices_leased: status.slices_leased,
            leases: status.leases,
            jobs_active: status.jobs_active,
            store_epoch: status.store_epoch,
            generation: status.generation,
            metrics_address: status.metrics_address.clone(),
            peers_address: status.peers_address.clone(),
            draining: status.draining,
            simulated: status.simulated.clone(),
        }
    }
}

impl From<&v1::Degradation> for Degradation {
    fn from(degradation: &v1::Degradation) -> Self {
        Self {
            what: degradation.what.clone(),
            why: degradation.why.clone(),
            hint: degradation.hint.clone(),
            since_at: time(degradation.since_ms),
        }
    }
}
