//! The programs that kerfd hands to others: the runtime wrapper, and what the launcher starts it with.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::config::Config;
use crate::files::{self, Durability};
use crate::launcher::{LaunchPolicy, LauncherConfig, VolumePolicy};
use crate::process::workers::Processes;

/// The run folder that a `kerf-runtime` without configuration talks to.
const USUAL_RUN_DIR: &str = "/run/kerf";

/// The runtime wrapper that talks to *this* kerfd.
///
/// The wrapper finds its kerfd by a file beside itself. For a kerfd in the usual place that is the installed
/// one; another kerfd keeps a copy of its own, with such a file, in its state folder.
pub fn runtime_path(config: &Config) -> PathBuf {
    if config.paths.run_dir == Path::new(USUAL_RUN_DIR) {
        return config.paths.runtime.clone();
    }
    config.paths.state_dir.join("bin/kerf-runtime")
}

/// Makes that copy and its file, where this kerfd has one.
pub fn install_runtime(installed: &Path, config: &Config) -> anyhow::Result<()> {
    let copy = &config.paths.runtime;
    if copy == installed {
        return Ok(());
    }
    let program = std::fs::read(installed)
        .with_context(|| format!("cannot read the runtime wrapper {}", installed.display()))?;
    if std::fs::read(copy).ok().as_ref() != Some(&program) {
        files::replace(copy, &program, Durability::Volatile)?;
        std::fs::set_permissions(copy, PermissionsExt::from_mode(0o755))?;
    }
    let socket = config.paths.run_dir.join("runtime.sock");
    let settings = toml::to_string(&toml::Table::from_iter([(
        "socket".to_owned(),
        toml::Value::String(socket.display().to_string()),
    )]))?;
    let path = copy.with_file_name("kerf-runtime.toml");
    files::replace(&path, settings.as_bytes(), Durability::Volatile)?;
    Ok(())
}

/// The launcher's part of the configuration.
pub fn launcher_config(config: &Config, processes: Processes) -> LauncherConfig {
    let launch = &config.launch;
    let (runtime, state_dir) = (&config.paths.runtime, &config.paths.state_dir);
    let (containerd, namespace) = (&launch.containerd, &launch.namespace);
    let made = LauncherConfig::new(containerd, namespace, runtime, state_dir, processes);
    LauncherConfig {
        policy: launch_policy(config),
        ..made
    }
}

/// What jobs may have on this host.
pub fn launch_policy(config: &Config) -> LaunchPolicy {
    let launch = &config.launch;
    let volumes = launch.volumes.iter().map(|(name, volume)| {
        let (path, writable) = (volume.path.clone(), volume.writable);
        (name.clone(), VolumePolicy { path, writable })
    });
    LaunchPolicy {
        images: launch.images.clone(),
        volumes: volumes.collect(),
        host_network: launch.host_network,
        max_memory: launch.limits.memory,
        max_cpu_milli: launch.limits.cpu_milli,
        max_pids: launch.limits.pids,
        user: launch.user,
    }
}
