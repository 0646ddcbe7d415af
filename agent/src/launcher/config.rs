//! How the launcher is set up: where containerd is, what runs underneath, what the host allows.

use std::path::PathBuf;

use kerf_types::Bytes;

use super::policy::LaunchPolicy;
use crate::process::workers::Processes;

/// The snapshotter that is used where the configured one is missing: it copies, and works on every
/// file system.
pub(super) const FALLBACK_SNAPSHOTTER: &str = "native";

/// The set-up of a [`Launcher`](super::Launcher).
#[derive(Debug, Clone)]
pub struct LauncherConfig {
    /// containerd's socket.
    pub containerd: PathBuf,
    /// The containerd namespace that belongs to this kerfd alone.
    pub namespace: String,
    /// The OCI runtime that containerd's runc shim is told to call: kerf-runtime.
    pub runtime_binary: PathBuf,
    /// Where that runtime keeps the state of containers; `None` leaves the shim's own default.
    pub runc_root: Option<PathBuf>,
    /// The snapshotter that root file systems come from; `native` is taken where it is missing.
    pub snapshotter: String,
    /// A folder of kerfd's own; the launcher uses `import/` in it and empties that when it starts.
    pub state_dir: PathBuf,
    /// What takes away what containerd has lost sight of, and starts guards.
    pub processes: Processes,
    /// What jobs may have on this host.
    pub policy: LaunchPolicy,
    /// Bounds on image archives.
    pub import: ImportLimits,
}

impl LauncherConfig {
    /// A set-up with usual values for everything but the paths; the policy allows no image yet.
    pub fn new(
        containerd: impl Into<PathBuf>,
        namespace: impl Into<String>,
        runtime_binary: impl Into<PathBuf>,
        state_dir: impl Into<PathBuf>,
        processes: Processes,
    ) -> Self {
        Self {
            containerd: containerd.into(),
            namespace: namespace.into(),
            runtime_binary: runtime_binary.into(),
            runc_root: None,
            snapshotter: "overlayfs".to_owned(),
            state_dir: state_dir.into(),
            processes,
            policy: LaunchPolicy::default(),
            import: ImportLimits::default(),
        }
    }
}

/// Bounds on an image archive. They keep a wrong or hostile file from filling the host's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportLimits {
    /// Largest archive, as it comes and again when it is unpacked from gzip.
    pub archive: Bytes,
    /// Largest sum of all layers of one image once they are unpacked.
    pub unpacked: Bytes,
}

impl Default for ImportLimits {
    /// The largest images in use for training have about 30 GiB; this is twice that.
    fn default() -> Self {
        Self {
            archive: Bytes(64 << 30),
            unpacked: Bytes(128 << 30),
        }
    }
}
