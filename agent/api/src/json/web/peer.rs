//! Other hosts of the fleet, as this host knows them. Hearsay: each host alone decides about its devices.

use serde::Serialize;

/// One other host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Where its peers reach it.
    pub address: String,
    /// Whether it lives.
    pub state: PeerState,
    /// Since when it is in this state.
    pub since_at: String,
    /// Models of its GPUs with the number of each, like `8 x NVIDIA H100 80GB HBM3`; null, as all that follows,
    /// while it has not said.
    pub gpus: Option<String>,
    /// GPUs that are well.
    pub gpus_ok: Option<u32>,
    /// Slices and whole GPUs that are leased.
    pub held: Option<u32>,
    /// Slices and whole GPUs that nobody has.
    pub free: Option<u32>,
    /// Members of jobs on it.
    pub jobs: Option<u32>,
    /// Whether it takes new work.
    pub open: Option<bool>,
}

/// Whether a host lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// It answers.
    Alive,
    /// It has not answered, and may still.
    Suspect,
    /// It is given up.
    Down,
    /// It has said goodbye.
    Left,
}
