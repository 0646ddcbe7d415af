//! The fields of the document. Their order is that of the canonical form and never changes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::amount::Amount;
use super::words::{CommunicationWord, JobKindWord, NetworkWord, OnPartitionWord, RestartWord};
use crate::json::map::unique_map;
use crate::json::schema_tag;

schema_tag!(JobSpecSchema, "kerf.v1.JobSpec");

/// The description of a job: what runs, with what, and under which conditions. Vendor-neutral; a part that a
/// version of kerf does not act on is kept, shown and hashed all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSpecDocument {
    /// Names this document.
    #[serde(default)]
    pub schema: JobSpecSchema,
    /// A name for people, of at most 128 bytes.
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub name: String,
    /// What the job is, for people and for policy.
    #[serde(default)]
    pub kind: JobKindWord,
    /// Image reference as the container engine knows it.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// Command and arguments; empty means the image's own.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub args: Vec<String>,
    /// Environment variables, over the image's own.
    #[serde(default, deserialize_with = "unique_map")]
    #[schemars(extend("propertyNames" = { "pattern": "^[^=\\u0000]+$" }))]
    pub env: BTreeMap<String, String>,
    /// Working directory, an absolute path; null means the image's own.
    #[serde(default)]
    #[schemars(extend("pattern" = "^/"))]
    pub workdir: Option<String>,
    /// Whether it gets a terminal. Only a job of one member can have one.
    #[serde(default)]
    pub terminal: bool,
    /// What each member asks for: `1g.10gb`, `1g.10gb:2`, `gpu:2`, `memory>=20GiB,fp8,nvlink:4` or
    /// `gpu:4,same=numa,nic=pix,avoid=0`.
    #[serde(default)]
    #[schemars(extend("examples" = ["1g.10gb", "gpu:2", "memory>=20GiB,fp8,nvlink:4", "gpu:4,same=numa,nic=pix,avoid=0"]))]
    pub accelerator: Option<String>,
    /// Number of members, which start all or none.
    #[serde(default = "one_member")]
    #[schemars(range(min = 1, max = 4096))]
    pub members: u32,
    /// CPU share of each member in thousandths of a CPU; null means no limit.
    #[serde(default)]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub cpu_milli: Option<u64>,
    /// Memory limit of each member, in bytes or with a unit (`20GiB`); null means no limit.
    #[serde(default)]
    pub memory_bytes: Option<Amount>,
    /// Network bandwidth that each member wants, in megabits a second.
    #[serde(default)]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub network_mbps: Option<u64>,
    /// Volumes that the host's configuration names.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub volumes: Vec<VolumeDocument>,
    /// Seconds after which it is ended; null means never.
    #[serde(default)]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub time_limit_seconds: Option<u64>,
    /// When an ended member is started again.
    #[serde(default)]
    pub restart: RestartWord,
    /// Seconds between the request to end and the forced end, for a last checkpoint.
    #[serde(default = "half_a_minute")]
    #[schemars(range(max = 604_800))]
    pub checkpoint_grace_seconds: u64,
    /// How the members talk to each other.
    #[serde(default)]
    pub communication: CommunicationWord,
    /// Latency target of a serving job, in microseconds at the 99th percentile.
    #[serde(default)]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub latency_target_us: Option<u64>,
    /// Whether it may be ended for a more important job.
    #[serde(default)]
    pub preemptible: bool,
    /// Larger is more important; 0 is usual.
    #[serde(default)]
    pub priority: i32,
    /// Who pays.
    #[serde(default = "default_tenant")]
    #[schemars(regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"))]
    pub tenant: String,
    /// Where to be and where not.
    #[serde(default)]
    pub affinity: AffinityDocument,
    /// Labels of the job.
    #[serde(default, deserialize_with = "unique_map")]
    pub labels: BTreeMap<String, String>,
    /// Data that it reads, for a place near to it.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub inputs: Vec<DataInputDocument>,
    /// Most that it may cost; null means no limit.
    #[serde(default)]
    pub cost_limit: Option<CostLimitDocument>,
    /// What happens in a network partition.
    #[serde(default)]
    pub on_partition: OnPartitionWord,
    /// What it has of its hosts' network; null means what each host gives.
    // Came after the first version, so it is not in the canonical form where it has its default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkWord>,
}

/// A volume that the host's configuration names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Volume")]
pub struct VolumeDocument {
    /// Its name there.
    #[schemars(regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"))]
    pub name: String,
    /// Absolute path in the container.
    #[schemars(regex(pattern = "^/."))]
    pub path: String,
    /// Whether it may be written to, where the host allows that.
    #[serde(default)]
    pub writable: bool,
}

/// Where a job wants to be and where not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Affinity")]
pub struct AffinityDocument {
    /// Hosts must match all of these.
    #[serde(default)]
    pub hosts: Vec<SelectorDocument>,
    /// Hosts must match none of these.
    #[serde(default)]
    pub not_hosts: Vec<SelectorDocument>,
    /// Next to jobs that match.
    #[serde(default)]
    pub jobs: Vec<SelectorDocument>,
    /// Not on a host with jobs that match.
    #[serde(default)]
    pub not_jobs: Vec<SelectorDocument>,
}

/// A condition on labels of hosts or of other jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Selector")]
pub struct SelectorDocument {
    /// Label key.
    pub key: String,
    /// Values of which one must match; empty means that the key exists.
    #[serde(default)]
    pub values: Vec<String>,
}

/// Data that a job reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DataInput")]
pub struct DataInputDocument {
    /// Name of the data set.
    #[schemars(length(min = 1, max = 512))]
    pub name: String,
    /// Its size in bytes or with a unit (`20GiB`); null when unknown.
    #[serde(default)]
    pub size_bytes: Option<Amount>,
}

/// An upper limit of what a job may cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CostLimit")]
pub struct CostLimitDocument {
    /// Thousandths of the currency's unit.
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub milli: u64,
    /// ISO 4217 code, like `EUR`.
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    pub currency: String,
}

/// A job that says nothing has one member.
fn one_member() -> u32 {
    1
}

/// Time for a last checkpoint where a job names none: as long as Kubernetes gives.
fn half_a_minute() -> u64 {
    30
}

/// Who pays where nobody is named.
fn default_tenant() -> String {
    "default".to_owned()
}
