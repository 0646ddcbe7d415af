//! Which snapshotter root file systems come from, and new snapshots of it.

use std::time::Duration;

use containerd_client::services::v1::PluginsRequest;
use containerd_client::services::v1::snapshots::PrepareSnapshotRequest;
use containerd_client::types::Mount;
use tonic::Code;

use super::super::config::{FALLBACK_SNAPSHOTTER, LauncherConfig};
use super::super::engine::{Engine, QUICK, UNPACK};
use super::super::error::LauncherError;

/// Life of a lease that is made only to be ended.
const COLLECT_LIFE: Duration = Duration::from_secs(3600);

/// The configured snapshotter where containerd has it in working order, else the fallback.
///
/// overlayfs is missing on file systems that it cannot lie on, such as another overlay.
pub(in crate::launcher) async fn snapshotter(
    engine: &Engine,
    config: &LauncherConfig,
) -> Result<String, LauncherError> {
    let request = PluginsRequest {
        filters: vec!["type==io.containerd.snapshotter.v1".to_owned()],
    };
    let mut introspection = engine.introspection();
    let answer = engine
        .ask("list its plugins", QUICK, introspection.plugins(request))
        .await?;
    let works = |wanted: &str| {
        let mut plugins = answer.plugins.iter();
        plugins.any(|plugin| plugin.id == wanted && plugin.init_err.is_none())
    };
    for candidate in [config.snapshotter.as_str(), FALLBACK_SNAPSHOTTER] {
        if works(candidate) {
            return Ok(candidate.to_owned());
        }
    }
    Err(LauncherError::NoSnapshotter {
        wanted: config.snapshotter.clone(),
        fallback: FALLBACK_SNAPSHOTTER.to_owned(),
    })
}

/// Makes a writable snapshot, and gives its mounts.
///
/// A containerd that was killed while it made one uses the same number again, and can make no other
/// while the old folder is there (seen with 1.6.20: `rename …: file exists`). Its collector removes
/// such folders, and the end of a lease sets it to work.
pub(in crate::launcher) async fn prepare_snapshot(
    engine: &Engine,
    request: PrepareSnapshotRequest,
) -> Result<Vec<Mount>, LauncherError> {
    const PREPARE: &str = "prepare a snapshot";
    let mut snapshots = engine.snapshots();
    let first = snapshots.prepare(request.clone());
    match engine.ask(PREPARE, UNPACK, first).await {
        Ok(answer) => return Ok(answer.mounts),
        Err(LauncherError::Engine { code, message, .. })
            if code == Code::Unknown && message.ends_with("file exists") => {}
        Err(error) => return Err(error),
    }
    tracing::warn!(
        snapshotter = request.snapshotter,
        "stale snapshot folder, collected"
    );
    let lease = engine.gc_lease("collect", COLLECT_LIFE).await?;
    lease.end(true).await?;
    let again = snapshots.prepare(request);
    let answer = engine.ask(PREPARE, UNPACK, again).await?;
    Ok(answer.mounts)
}
