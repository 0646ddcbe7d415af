//! The description of a job, version 1: open, vendor-neutral, and complete from the start, since the
//! hash of its canonical form is part of a job's identity for ever.
//!
//! Fields that this version of kerf does not act on are kept, shown and hashed all the same.

use std::collections::BTreeMap;

use crate::ask::Ask;
use crate::bytes::Bytes;

/// What a job is, for people and for policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum JobKind {
    /// Trains a model from scratch.
    Train,
    /// Continues the training of one.
    Finetune,
    /// Answers requests until it is stopped.
    Serve,
    /// Prepares data.
    Dataprep,
    /// Somebody sits in front of it.
    Interactive,
    /// Anything that runs to its end.
    #[default]
    Batch,
}

/// When an ended member is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartPolicy {
    /// Never.
    #[default]
    Never,
    /// After a non-zero exit, at most this often.
    OnFailure {
        /// Most restarts.
        max: u32,
    },
    /// Always, until it is cancelled.
    Always,
}

/// How the members of a job talk to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Communication {
    /// They do not.
    #[default]
    None,
    /// Collective operations over all (data parallel training).
    AllReduce,
    /// Point to point along a chain (pipeline parallel).
    Pipeline,
    /// Everybody with everybody (experts).
    AllToAll,
}

/// What a member does when its host loses sight of its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum OnPartition {
    /// It is stopped in time, so that it can be started elsewhere.
    #[default]
    Stop,
    /// It runs on, and is not started elsewhere.
    Continue,
}

/// What a job has of the network of its hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// That of the host: its members reach each other. Only hosts that give it serve.
    Host,
    /// A loopback of its own and nothing else, also on hosts that would give theirs.
    None,
}

/// A condition on labels of hosts or of other jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Label key.
    pub key: String,
    /// Values of which one must match; empty means that the key exists.
    pub values: Vec<String>,
}

/// Where a job wants to be and where not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Affinity {
    /// Hosts must match all of these.
    pub hosts: Vec<Selector>,
    /// Hosts must match none of these.
    pub not_hosts: Vec<Selector>,
    /// Next to jobs that match.
    pub jobs: Vec<Selector>,
    /// Not on a host with jobs that match.
    pub not_jobs: Vec<Selector>,
}

/// A volume that the host's configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    /// Name in the host's `[launch.volumes]`.
    pub name: String,
    /// Absolute path in the container.
    pub path: String,
    /// Whether it may be written to, where the host allows that.
    pub writable: bool,
}

/// Data that a job reads, for placement near to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataInput {
    /// Name of the data set.
    pub name: String,
    /// Its size.
    pub size: Option<Bytes>,
}

/// An upper limit of what a job may cost, in thousandths of a currency unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostLimit {
    /// Thousandths of the unit.
    pub milli: u64,
    /// ISO 4217 code.
    pub currency: String,
}

/// The description of a job, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobSpec {
    /// A name for people.
    pub name: String,
    /// Kind.
    pub kind: JobKind,
    /// Image reference as containerd knows it.
    pub image: String,
    /// Command and arguments; empty means the image's own.
    pub args: Vec<String>,
    /// Environment, over the image's own.
    pub env: BTreeMap<String, String>,
    /// Working directory; `None` means the image's own.
    pub workdir: Option<String>,
    /// Whether it gets a terminal.
    pub terminal: bool,
    /// What each member asks for.
    pub accelerator: Option<Ask>,
    /// Number of members that start all or none.
    pub members: u32,
    /// CPU share of each member in thousandths of a CPU; `None` means no limit.
    pub cpu_milli: Option<u64>,
    /// Memory limit of each member.
    pub memory: Option<Bytes>,
    /// Network bandwidth that each member wants, in megabits a second.
    pub network_mbps: Option<u64>,
    /// Volumes.
    pub volumes: Vec<VolumeMount>,
    /// It is ended after this many seconds.
    pub time_limit_seconds: Option<u64>,
    /// Restarts.
    pub restart: RestartPolicy,
    /// Seconds between SIGTERM and SIGKILL, for a last checkpoint.
    pub checkpoint_grace_seconds: u64,
    /// Communication pattern.
    pub communication: Communication,
    /// Latency target of a serving job, in microseconds at the 99th percentile.
    pub latency_target_us: Option<u64>,
    /// Whether it may be ended for a more important job.
    pub preemptible: bool,
    /// Larger is more important; 0 is usual.
    pub priority: i32,
    /// Who pays.
    pub tenant: String,
    /// Where to be and where not.
    pub affinity: Affinity,
    /// Labels of the job.
    pub labels: BTreeMap<String, String>,
    /// Data inputs.
    pub inputs: Vec<DataInput>,
    /// Most that it may cost.
    pub cost_limit: Option<CostLimit>,
    /// What happens in a network partition.
    pub on_partition: OnPartition,
    /// What it has of its hosts' network; `None` means what each host gives.
    pub network: Option<Network>,
}

/// Where a job is in its life.
///
/// ```text
///   Pending ─► Starting ─► Running ─► Succeeded | Failed
///      └───────────┴───────────┴────► Cancelled | Lost
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobState {
    /// Waits for a slice.
    Pending,
    /// Its container is being made.
    Starting,
    /// Its container runs.
    Running,
    /// Ended with exit code 0.
    Succeeded,
    /// Ended with another exit code, or could not start.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
    /// Its container is gone and nobody saw its exit code.
    Lost,
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Starting,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Lost,
    ];

    /// The word in documents and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    /// Whether nothing more will happen to it.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Starting | Self::Running)
    }
}
