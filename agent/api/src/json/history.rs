//! Who changed which GPU, why, and what came of it: `kerf.v1.HistoryEntry` and `kerf.v1.History`.
//!
//! kerfd keeps an entry as this document and shows it as it is, so that a later kerfd still tells what an earlier one
//! wrote: new fields are read as absent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema_tag;
use crate::v1;

schema_tag!(HistoryEntrySchema, "kerf.v1.HistoryEntry");
schema_tag!(HistorySchema, "kerf.v1.History");

/// What kerfd has done to the GPUs of a host, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// Names this document.
    pub schema: HistorySchema,
    /// The entries.
    pub entries: Vec<HistoryEntry>,
}

/// One change of a host, from the wish to what was read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// Names this document.
    pub schema: HistoryEntrySchema,
    /// Its number; a later one has a larger one.
    #[serde(default)]
    pub number: u64,
    /// What was done.
    pub kind: HistoryKind,
    /// When it began, in UTC.
    pub begun_at: String,
    /// When it ended; null while it runs.
    pub ended_at: Option<String>,
    /// Who asked for it, as the kernel says; null for kerfd itself.
    pub by: Option<Requester>,
    /// The container or job that a slice was cut for, or the vGPU that was asked for.
    pub holder: Option<String>,
    /// SHA-256 of the canonical layout, in hex.
    pub layout_sha256: Option<String>,
    /// Whether GPU resets were accepted.
    pub allow_reset: bool,
    /// MIG devices that were allowed to go although somebody used them.
    pub force_destroy: Vec<String>,
    /// What was planned.
    pub plan: Option<HistoryPlan>,
    /// What was carried out, in order.
    pub steps: Vec<HistoryStep>,
    /// What came of it.
    pub outcome: HistoryOutcome,
    /// Why it ended so, where it is not done.
    pub why: Option<String>,
    /// Whether a later kerfd went on with it after a crash.
    pub resumed: bool,
    /// What was read back of the GPUs at the end.
    pub readback: Vec<HistoryGpu>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryKind {
    /// A layout was applied.
    Apply,
    /// The layout that was kept was applied again after a boot or a reset.
    Reapply,
    /// A slice was cut for a container.
    Cut,
    /// The MIG mode was changed for a container that wants a whole GPU.
    Mode,
    /// The driver was closed for maintenance.
    MaintenanceEnter,
    /// The driver was opened again after it.
    MaintenanceLeave,
    /// A vGPU was made.
    VgpuCreate,
    /// A vGPU was taken away.
    VgpuDelete,
}

impl HistoryKind {
    /// The word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Reapply => "reapply",
            Self::Cut => "cut",
            Self::Mode => "mode",
            Self::MaintenanceEnter => "maintenance_enter",
            Self::MaintenanceLeave => "maintenance_leave",
            Self::VgpuCreate => "vgpu_create",
            Self::VgpuDelete => "vgpu_delete",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryOutcome {
    /// It goes on.
    Running,
    /// All of it is done.
    Done,
    /// Nothing was changed.
    Refused,
    /// It stopped on the way; the steps that were done stand.
    Failed,
    /// kerfd ended on the way, and it has not gone on yet.
    Interrupted,
}

impl HistoryOutcome {
    /// The word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Who asked, by the credentials of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requester {
    /// User.
    pub uid: u32,
    /// Group; null where it is not known.
    pub gid: Option<u32>,
    /// Process; null where the kernel does not say.
    pub pid: Option<u32>,
}

/// What was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryPlan {
    /// The weight of what it disturbs.
    pub cost: u64,
    /// No plan costs less than this.
    pub lower_bound: u64,
    /// Addresses of the GPUs that it changes.
    pub gpus: Vec<String>,
    /// Slices that stay.
    pub kept: u32,
    /// Slices that go.
    pub destroyed: u32,
    /// Slices that come.
    pub created: u32,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryStep {
    /// What, in words.
    pub step: String,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Why it failed; null for one that is done.
    pub error: Option<String>,
}

/// What was read back of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryGpu {
    /// Address.
    pub pci: String,
    /// MIG mode: on, off, or what it will be after a reset.
    pub mig: String,
    /// Slices: place and profile; vGPUs: type and function.
    pub slices: Vec<String>,
    /// Modes of an AMD GPU, and what it gets when its driver is loaded anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modes: Option<String>,
}

impl TryFrom<&v1::ListHistoryResponse> for History {
    type Error = serde_json::Error;

    fn try_from(answer: &v1::ListHistoryResponse) -> Result<Self, serde_json::Error> {
        let entry = |entry: &v1::HistoryEntry| {
            let mut read: HistoryEntry = serde_json::from_str(&entry.document)?;
            read.number = entry.number;
            Ok(read)
        };
        Ok(Self {
            schema: HistorySchema::V1,
            entries: answer
                .entries
                .iter()
                .map(entry)
                .collect::<Result<_, serde_json::Error>>()?,
        })
    }
}
