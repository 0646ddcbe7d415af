//! What a container leaves that containerd itself has lost sight of.
//!
//! When containerd is killed while a shim is being started or a container made, it does not always
//! find both again (seen with 1.6.20 and 2.1.9: a shim without a task, a container that waits for its
//! start for ever, halves of a runtime's state). Such a remainder would hold its slice, and its name.
//!
//! It is looked for only where containerd knows no task of that name, and everything is tied to
//! names that kerf alone gives: the cgroup `/kerf/<namespace>/<id>`, the runtime's state under the
//! same two names, a shim with both and this containerd's socket among its arguments.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kerf_types::ContainerRef;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::config::LauncherConfig;
use super::cgroup;
use crate::errors::chain;
use crate::process;

/// Where the runc shim has the runtime keep its state unless it is told otherwise (containerd,
/// `pkg/process/init.go`).
const RUNC_ROOT: &str = "/run/containerd/runc";

/// The name of the shim's program.
const SHIM: &str = "containerd-shim-runc-v2";

/// How often it is looked again until nothing is found: what is killed takes a moment to go, and a
/// runtime that was at work may have made more meanwhile.
const ROUNDS: u32 = 50;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the runtime may take to delete a container.
const DELETE_LIMIT: Duration = Duration::from_secs(10);

/// Takes away what is left of a container; gives what could not be.
pub(super) async fn sweep(config: &LauncherConfig, container: &ContainerRef) -> Vec<String> {
    let mut left = Vec::new();
    for round in 0..ROUNDS {
        left = look(config, container).await;
        if left.is_empty() {
            return left;
        }
        if round == 0 {
            let found = left.join("; ");
            tracing::warn!(container.id = container.id, found, "orphan taken away");
        }
        tokio::time::sleep(PAUSE).await;
    }
    left
}

/// One look: says what it found, having done what it can about it.
async fn look(config: &LauncherConfig, container: &ContainerRef) -> Vec<String> {
    let mut found = Vec::new();
    for (pid, bundle) in shims(config, container).await {
        found.push(format!("shim {pid}"));
        end(pid);
        if let Some(bundle) = bundle {
            remove_bundle(&bundle);
        }
    }
    let groups = cgroups(container);
    for pid in groups.iter().flat_map(|group| processes(group)) {
        found.push(format!("process {pid}"));
        end(pid);
    }
    // Before the runtime is asked, which may not change cgroups from here and finds none then.
    if !groups.is_empty() {
        match config.processes.remove_job_cgroups(container).await {
            Ok(stay) => {
                let stay = stay.into_iter();
                found.extend(stay.map(|group| format!("cgroup {}", group.display())));
            }
            Err(error) => found.push(format!("cgroups: {}", chain(&error))),
        }
    }
    let state = state_root(config, container).join(&container.id);
    if state.exists() {
        found.push(format!("state in {}", state.display()));
        delete_state(config, container, &state).await;
    }
    found
}

fn state_root(config: &LauncherConfig, container: &ContainerRef) -> PathBuf {
    let root = config.runc_root.as_deref();
    root.unwrap_or(Path::new(RUNC_ROOT))
        .join(&container.namespace)
}

/// Lets the runtime delete a container. A state without its main file is one that the runtime was
/// killed over and does not know itself.
async fn delete_state(config: &LauncherConfig, container: &ContainerRef, state: &Path) {
    let mut command = tokio::process::Command::new(&config.runtime_binary);
    command
        .arg("--root")
        .arg(state_root(config, container))
        .args(["delete", "--force", &container.id])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    match tokio::time::timeout(DELETE_LIMIT, command.status()).await {
        Ok(Ok(status)) if status.success() => {}
        failed => tracing::debug!(?failed, "the runtime deletes no such container"),
    }
    if !state.join("state.json").exists()
        && let Err(error) = fs::remove_dir_all(state)
    {
        tracing::debug!(%error, "state of the runtime not removed");
    }
}

/// Shims of the container, with the bundle that each works in.
async fn shims(config: &LauncherConfig, container: &ContainerRef) -> Vec<(i32, Option<PathBuf>)> {
    let processes = procfs::process::all_processes().into_iter().flatten();
    let ours = processes.flatten().filter(|process| {
        let arguments = process.cmdline().unwrap_or_default();
        is_shim(&arguments, &config.containerd, container)
    });
    let pids: Vec<i32> = ours.map(|process| process.pid).collect();
    let mut found = Vec::new();
    for pid in pids {
        found.push((pid, bundle_of(config, pid).await));
    }
    found
}

/// The folder that a shim works in, of which its arguments say nothing.
async fn bundle_of(config: &LauncherConfig, pid: i32) -> Option<PathBuf> {
    let shim = process::identify(u32::try_from(pid).ok()?)?;
    match config.processes.working_folder(&shim).await {
        Ok(folder) => folder,
        Err(error) => {
            tracing::warn!(pid, error = chain(&error), "bundle of a shim not found");
            None
        }
    }
}

/// Whether a command line is that of the container's shim under the containerd at `socket`.
pub(super) fn is_shim(arguments: &[String], socket: &Path, container: &ContainerRef) -> bool {
    let program = arguments.first().map(Path::new);
    let after = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).map(String::as_str)
    };
    program.and_then(Path::file_name) == Some(SHIM.as_ref())
        && after("-namespace") == Some(&container.namespace)
        && after("-id") == Some(&container.id)
        && after("-address").map(Path::new) == Some(socket)
}

/// The container's cgroups that are there, one in each hierarchy.
fn cgroups(container: &ContainerRef) -> Vec<PathBuf> {
    let groups = cgroup::folders(container).into_iter();
    groups.filter(|group| group.is_dir()).collect()
}

/// Whether a cgroup of the container counts a kill at the memory limit. The cgroup is there until the runtime
/// deletes the container, and no event has to be caught in time.
pub(in crate::launcher) fn was_out_of_memory(container: &ContainerRef) -> bool {
    cgroups(container).iter().any(|group| {
        // The files of cgroup v2 and v1.
        ["memory.events", "memory.oom_control"]
            .iter()
            .any(|file| fs::read_to_string(group.join(file)).is_ok_and(|text| kills(&text) > 0))
    })
}

/// The kills that such a file counts.
pub(super) fn kills(text: &str) -> u64 {
    let counts = text
        .lines()
        .filter_map(|line| line.strip_prefix("oom_kill "));
    counts
        .filter_map(|count| count.trim().parse::<u64>().ok())
        .sum()
}

fn processes(group: &Path) -> Vec<i32> {
    let pids = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    // 0 stands for a process of another PID namespace, which is not ours to reach.
    let pids = pids.lines().filter_map(|line| line.parse().ok());
    pids.filter(|pid| *pid > 0).collect()
}

fn end(pid: i32) {
    if let Err(error) = kill(Pid::from_raw(pid), Signal::SIGKILL) {
        // Gone meanwhile is what was wanted.
        tracing::debug!(pid, %error, "process not killed");
    }
}

/// The bundle of which containerd says that it is in the way of a new one.
///
/// A containerd that was killed while it started a shim forgets the bundle and leaves the folder. Where
/// its bundles are it does not tell a client but in this message.
pub(super) fn bundle_in_the_way(message: &str, container: &ContainerRef) -> Option<PathBuf> {
    let (_, path) = message
        .strip_suffix(": file exists")?
        .rsplit_once("mkdir ")?;
    let own = Path::new(&container.namespace).join(&container.id);
    let path = Path::new(path);
    (path.is_absolute() && path.ends_with(own)).then(|| path.to_path_buf())
}

/// Removes a bundle of which containerd knows nothing, as its own code does: never through a mount.
pub(super) fn remove_bundle(bundle: &Path) {
    let rootfs = bundle.join("rootfs");
    if let Err(error) = umount2(&rootfs, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
        tracing::debug!(%error, "no root file system to unmount");
    }
    // Fails on a folder that is not empty, and so on anything that is still mounted.
    let removed = fs::remove_dir(&rootfs).and_then(|()| fs::remove_dir_all(bundle));
    if let Err(error) = removed {
        tracing::debug!(%error, path = %bundle.display(), "bundle not removed");
    }
}
