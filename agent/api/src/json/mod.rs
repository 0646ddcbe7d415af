//! The documents that people and programs see, in JSON, YAML and TOML.
//!
//! Each document names itself in `schema` (`kerf.v1.Status`). Keys are snake_case with the unit last
//! (`memory_bytes`), times are RFC 3339 in UTC and end in `_at`, an unknown value is null and never zero. Within
//! version 1 a field keeps its name and its meaning, and new fields may come.
//!
//! Most documents are only written, from the messages of [`crate::v1`]. Those that people write are also read:
//! [`job`] and [`layout`], and a [`checkpoint`] is written to be read again; these refuse what they do not know.
//! [`explanation`] and [`history`] are kept in the store as their own text and read by those who show them. Reading YAML and printing is the caller's.

mod answers;
mod attachment;
mod cdi;
pub mod checkpoint;
mod cluster;
mod config;
mod doctor;
mod error;
mod event;
pub mod explanation;
mod forced;
pub mod history;
pub mod inventory;
pub mod job;
mod jobs;
mod keyring;
pub mod layout;
mod lease;
mod maintenance;
mod map;
mod nodes;
mod plan;
mod profiles;
mod samples;
pub mod schema;
mod setup;
mod shared;
#[cfg(test)]
mod show;
mod slices;
mod status;
#[cfg(test)]
mod tests;
mod topology;
mod usage;
mod vgpu;
pub mod web;

pub use answers::{
    ComputeAnswer, GpuAnswers, InstanceAnswer, NvmlAnswers, NvmlAnswersSchema, ProfileAnswer,
};
pub use attachment::{DeviceAttachment, DeviceAttachmentSchema};
pub use cdi::{CdiCheck, CdiCheckSchema, CdiFile, CdiName, CdiNames, CdiNamesSchema};
pub use checkpoint::Checkpoint;
pub use cluster::{
    Cluster, ClusterMembership, ClusterSchema, Revocation, RevocationSchema, RevokedEntry, Token,
    TokenEntry, TokenSchema, Tokens, TokensSchema,
};
pub use config::Config;
pub use doctor::{Doctor, Finding, Severity};
pub use error::Error;
pub use event::{Event, EventEntry, Events};
pub use explanation::{Explanation, JobExplanation};
pub use forced::{ForcedJob, ForcedJobSchema, JobKeeper};
pub use inventory::Inventory;
pub use jobs::{Job, JobEntry, JobMember, Jobs};
pub use keyring::{Keyring, KeyringHost, KeyringSchema};
pub use lease::{Lease, LeaseEntry, LeaseSubject, Leases};
pub use maintenance::{DriverHolder, Maintenance};
pub use map::unique_map;
pub use nodes::{Node, NodeModel, NodeRecord, Nodes};
pub use plan::{AmdPlan, Applied, GpuPlan, LaterSlices, Plan, PlannedSlice, SharingPlan, Step};
pub use profiles::{GpuProfiles, Profiles};
pub use samples::{GpuSample, Samples, SliceSample};
pub use setup::{Setup, SetupChange, SetupKind};
pub use shared::{LeasedShare, SharedDevice, SharedGpu, TakenShare, sharing_by_gpu};
pub use slices::{Slice, Slices};
pub use status::{Degradation, Status};
pub use topology::{Topology, TopologyRow};
pub use usage::{LeaseUsage, LeaseUsageSchema, LeaseUsages, LeaseUsagesSchema};
pub use vgpu::{
    Vgpu, VgpuEntry, VgpuRecord, VgpuSriov, VgpuTypeEntry, VgpuTypes, VgpuTypesOfGpu, Vgpus,
};
pub use web::Web;

/// Defines the type of a document's field `schema`. It has one value, so that no document can be written with a
/// wrong name and none with another name is read.
macro_rules! schema_tag {
    ($name:ident, $kind:literal) => {
        #[doc = concat!("The word `", $kind, "`.")]
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize,
        )]
        pub enum $name {
            #[doc = concat!("Always `", $kind, "`.")]
            #[default]
            #[serde(rename = $kind)]
            V1,
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $kind.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "const": $kind })
            }
        }
    };
}
pub(crate) use schema_tag;

/// A run of units on a GPU's grid, in memory slices.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct Placement {
    /// First unit.
    #[schemars(range(max = 63))]
    pub start: u8,
    /// Number of units.
    #[schemars(range(min = 1, max = 64))]
    pub size: u8,
}

impl From<kerf_types::Placement> for Placement {
    fn from(placement: kerf_types::Placement) -> Self {
        let kerf_types::Placement { start, size } = placement;
        Self { start, size }
    }
}

/// A time as documents write it.
pub(crate) fn time(unix_ms: u64) -> String {
    kerf_types::Timestamp(unix_ms).to_string()
}
