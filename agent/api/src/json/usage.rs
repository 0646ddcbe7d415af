//! What leases have used: `kerf.v1.LeaseUsage` and `kerf.v1.LeaseUsages`.
//!
//! kerfd keeps an account as this document and shows it as it is: new fields are read as absent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema_tag;
use crate::v1;

schema_tag!(LeaseUsageSchema, "kerf.v1.LeaseUsage");
schema_tag!(LeaseUsagesSchema, "kerf.v1.LeaseUsages");

/// Accounts of a host, those of leases that still run first and then the newest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeaseUsages {
    /// Names this document.
    pub schema: LeaseUsagesSchema,
    /// The accounts.
    pub leases: Vec<LeaseUsage>,
}

/// What one lease has used, from when a container had it until it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LeaseUsage {
    /// Names this document.
    pub schema: LeaseUsageSchema,
    /// The lease.
    pub lease_id: String,
    /// For whom it was made.
    pub holder: String,
    /// The container that had it; null where it is not known.
    pub container: Option<String>,
    /// What was asked for.
    pub wanted: String,
    /// Its devices: slices by the names of their places, GPUs by their addresses.
    pub devices: Vec<String>,
    /// When the container got it, in UTC.
    pub begun_at: String,
    /// When it ended; null while it runs.
    pub ended_at: Option<String>,
    /// Time that devices were held, each counted, in seconds.
    pub device_seconds: f64,
    /// Time with kernels running, summed over devices, in seconds; null where no device tells.
    pub busy_seconds: Option<f64>,
    /// Most memory in use at one reading, over all devices; null where no device tells.
    pub memory_peak_bytes: Option<u64>,
    /// Its part of the energy of its GPUs, by the multiprocessors that it had, in joules; null where none tells.
    pub energy_joules: Option<f64>,
}

impl TryFrom<&v1::ListUsageResponse> for LeaseUsages {
    type Error = serde_json::Error;

    fn try_from(answer: &v1::ListUsageResponse) -> Result<Self, serde_json::Error> {
        let leases = answer
            .documents
            .iter()
            .map(|text| serde_json::from_str(text));
        Ok(Self {
            schema: LeaseUsagesSchema::V1,
            leases: leases.collect::<Result<_, serde_json::Error>>()?,
        })
    }
}
