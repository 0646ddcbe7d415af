//! Jobs and leases, without what their owners may want to keep to themselves.

use std::collections::BTreeMap;

use serde::Serialize;

/// Jobs of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Jobs {
    /// How many are in each state; a state without jobs is not named.
    pub by_state: BTreeMap<String, u64>,
    /// Those that have not ended, the longest waiting first, then the newest of those that have.
    pub entries: Vec<Job>,
    /// How many more there are.
    pub left_out: u64,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Its name; null unless names are told.
    pub name: Option<String>,
    /// Its image; null unless names are told.
    pub image: Option<String>,
    /// What each member asks for.
    pub accelerator: Option<String>,
    /// Number of members.
    pub members: u32,
    /// Names of the hosts of its members, each once and in the order of the members, the first few; empty until
    /// it was placed.
    pub hosts: Vec<String>,
    /// On how many hosts its members are.
    pub host_count: u32,
    /// `pending`, `starting`, `running`, `succeeded`, `failed`, `cancelled` or `lost`.
    pub state: String,
    /// Why it is in that state; null unless names are told, since it may hold some.
    pub reason: Option<String>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// User who submitted it.
    pub uid: u32,
    /// Its lease.
    pub lease: Option<String>,
    /// When it was submitted.
    pub submitted_at: String,
    /// When its container was started.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// How often it was started again.
    pub restarts: u32,
}

/// One lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// Its id.
    pub id: String,
    /// `reserved`, `active` or `releasing`.
    pub state: String,
    /// For whom it was made; names of containers only where names are told.
    pub holder: String,
    /// What it gives.
    pub subjects: Vec<Subject>,
    /// Whether its slices were cut for it and go with it.
    pub on_demand: bool,
    /// When it was made.
    pub created_at: String,
    /// When a reservation ends by itself.
    pub expires_at: Option<String>,
}

/// One thing that a lease gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// NVML index of the GPU; null where it is gone.
    pub gpu_index: Option<u32>,
    /// Address of the GPU.
    pub pci: String,
    /// Profile of the slice; null for a whole GPU.
    pub profile: Option<String>,
    /// The slice; null for a whole GPU.
    pub slice: Option<String>,
}
