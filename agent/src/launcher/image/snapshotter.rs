//! Which snapshotter root file systems come from.

use containerd_client::services::v1::PluginsRequest;

use super::super::config::{FALLBACK_SNAPSHOTTER, LauncherConfig};
use super::super::engine::{Engine, QUICK};
use super::super::error::LauncherError;

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
