//! What the shim and kerfd say to each other: one request and one reply over `<run-dir>/runtime.sock`.
//!
//! Owns the documents ([`LaunchRequest`], [`LaunchReply`]) and their framing. Fields that a
//! reader does not know are skipped, so that kerfd and a shim of another version understand each other;
//! a field may be added with a default, and none may change its meaning under the same schema name.
//! Nothing here trusts the other side: the shim vets a grant in [`crate::vet`], kerfd checks the ask.

mod codec;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use codec::{FrameError, MAX_FRAME, body_length, decode, decode_from, encode, write_to};

/// The schema name of a [`LaunchRequest`].
pub const REQUEST_SCHEMA: &str = "kerf.v1.LaunchRequest";
/// The schema name of a [`LaunchReply`].
pub const REPLY_SCHEMA: &str = "kerf.v1.LaunchReply";

/// Who asks kerfd: the runtime wrapper before a container is made, or the CDI hook of a standing device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchKind {
    /// `kerf-runtime … create` of a container with an ask; the grant is written into its spec.
    Create,
    /// `kerf-runtime claim`, the createRuntime hook of a standing CDI name; its devices are already in the
    /// spec, so the grant only says whether the container may have them.
    Claim,
}

/// One container's request for what it asked for.
///
/// The process that sends it becomes runc by exec, with the same pid: kerfd may hold the peer's pidfd to
/// see a launch that ends before the container's init is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchRequest {
    /// Always [`REQUEST_SCHEMA`].
    pub schema: String,
    /// Wrapper or hook.
    pub kind: LaunchKind,
    /// The id that the engine gave to the container.
    pub container_id: String,
    /// The containerd namespace (last component of the runtime's `--root`), or empty.
    pub namespace: String,
    /// The bundle, absolute and without links.
    pub bundle: PathBuf,
    /// Where the runtime will write the pid of the container's init, as the engine asked.
    #[serde(default)]
    pub pid_file: Option<PathBuf>,
    /// The value of annotation `kerf.dev/accelerator`. Never present together with `lease`.
    #[serde(default)]
    pub ask: Option<String>,
    /// The value of annotation `kerf.dev/lease`.
    #[serde(default)]
    pub lease: Option<String>,
    /// The device that a hook claims: `slice=<name>`, `gpu=<name>`, `device=<name>` or `lease=<id>`.
    #[serde(default)]
    pub claim: Option<String>,
    /// The container's init as the OCI state names it; hooks only.
    #[serde(default)]
    pub init_pid: Option<i32>,
    /// The id of the pod's sandbox, as the CRI engine wrote it into the container's annotations; none for a container
    /// outside a pod, and for hooks.
    #[serde(default)]
    pub sandbox: Option<String>,
    /// Whether the runtime will keep the container to its devices. Not where it may open every device (a privileged
    /// container, which `allow_privileged` lets through), nor in a user namespace of the engine's, which has no device
    /// cgroup. A shim that does not know the field refuses the first.
    #[serde(default = "isolated")]
    pub isolated: bool,
}

fn isolated() -> bool {
    true
}

/// kerfd's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchReply {
    /// Always [`REPLY_SCHEMA`].
    pub schema: String,
    /// What was decided.
    pub outcome: Outcome,
}

impl LaunchReply {
    /// A reply that gives `grant`.
    pub fn granted(grant: Grant) -> Self {
        Self {
            schema: REPLY_SCHEMA.to_owned(),
            outcome: Outcome::Granted(grant),
        }
    }

    /// A reply that gives nothing, with the reason and what the user can do about it.
    pub fn refused(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            schema: REPLY_SCHEMA.to_owned(),
            outcome: Outcome::Refused {
                reason: reason.into(),
                hint: hint.into(),
            },
        }
    }
}

/// Granted or refused; in JSON an object with the one key `granted` or `refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one reply at a time, and it is taken apart at once"
)]
pub enum Outcome {
    /// The container may start with exactly this.
    Granted(Grant),
    /// The container must not start.
    Refused {
        /// Why, in one lower-case sentence.
        reason: String,
        /// What the user can do about it; may be empty.
        #[serde(default)]
        hint: String,
    },
}

/// Everything that a container gets, no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The lease that pays for it: a UUID in its lower-case hyphenated form.
    pub lease_id: String,
    /// The fence of the lease; larger is newer ([`kerf_types::Fence`]).
    pub fence: u64,
    /// Character device nodes, each with an allow rule of its own.
    #[serde(default)]
    pub devices: Vec<DeviceNode>,
    /// CPU list of the slice's NUMA node (`0-31,64-95`), among the host's online CPUs.
    #[serde(default)]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes that go with it.
    #[serde(default)]
    pub cpuset_mems: Option<String>,
    /// `KEY=value` entries; each replaces what the image had under that key.
    #[serde(default)]
    pub env: Vec<String>,
    /// Bind mounts of what the driver offers.
    #[serde(default)]
    pub mounts: Vec<MountEntry>,
    /// What the container gets unless it has something of its own in its place. A shim that does not know them gives none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
    /// Devices of the other standing names that this container has claimed before: the hook of the last name looks
    /// at all of them together. Never granted by this answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claimed: Vec<DeviceNode>,
    /// Groups that own device nodes (DRM render nodes).
    #[serde(default)]
    pub additional_gids: Vec<u32>,
    /// Whether its processes may lock memory without a bound, as RDMA and VFIO do for what they pin. Only beside a
    /// device under `/dev/infiniband` or `/dev/vfio`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub memlock_unlimited: bool,
    /// Where memory is taken from, for a runtime that knows `linux.memoryPolicy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicy>,
}

/// `linux.memoryPolicy` of the OCI runtime spec 1.3, as set_mempolicy(2) takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPolicy {
    /// `MPOL_BIND`, `MPOL_PREFERRED_MANY`, …
    pub mode: String,
    /// Node list (`0,2-3`); empty for a mode that takes none.
    pub nodes: String,
}

/// One character device node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNode {
    /// Path in the container, under `/dev`.
    pub path: PathBuf,
    /// Path of the node on the host (`<sysroot>/dev/…`); the shim checks its numbers before it believes.
    pub host_path: PathBuf,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits of the node in the container; other mode bits are ignored.
    pub file_mode: u32,
    /// Owner of the node in the container.
    pub uid: u32,
    /// Group of the node in the container.
    pub gid: u32,
}

/// One mount to add to the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountEntry {
    /// Host path, absolute.
    pub source: PathBuf,
    /// Container path, absolute.
    pub destination: PathBuf,
    /// Mount options (`ro`, `nosuid`, …); `bind` is added where it is missing.
    #[serde(default)]
    pub options: Vec<String>,
    /// The mount's type; `bind` is the only one that a grant may hold.
    pub kind: String,
}

/// A file with the variables that lead to it. It is given whole, or not at all: where the container sets one of the
/// variables, or has something mounted at the place of the file or above it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The file.
    pub mount: MountEntry,
    /// `KEY=value` entries.
    pub env: Vec<String>,
}
