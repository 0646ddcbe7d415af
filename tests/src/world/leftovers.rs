//! What a container engine can leave behind, and how it is found and removed.
//!
//! Looks are made in `/proc`, never in what a tool says about itself. Everything is tied to a path
//! or a namespace that only one test has, so nothing of anybody else is ever touched.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{bins, poll, process};

/// How long killed guards may take to be gone.
const GUARDS_LIMIT: Duration = Duration::from_secs(10);

/// Mount points at or below `folder`, in the order in which they were mounted.
#[must_use]
pub fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mount_points(&table)
        .filter(|point| point.starts_with(folder))
        .collect()
}

/// Unmounts everything at or below `folder`, the latest first; returns what could not be.
pub fn unmount_below(folder: &Path) -> Vec<String> {
    let mut failed = Vec::new();
    for point in mounts_below(folder).iter().rev() {
        if let Err(error) = umount2(point, MntFlags::MNT_DETACH) {
            failed.push(format!("{} cannot be unmounted: {error}", point.display()));
        }
    }
    failed
}

/// Processes one of whose arguments is `word`, or a path below it: the shims of a containerd carry
/// its socket's path.
#[must_use]
pub fn processes_naming(word: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != std::process::id() && names(*pid, word))
        .collect()
}

/// Those of [`processes_naming`] that run the program with this file name. Only these may be killed:
/// somebody can be reading a file of ours with a program of theirs.
#[must_use]
pub fn programs_naming(program: &str, word: &str) -> Vec<u32> {
    let mut pids = processes_naming(word);
    pids.retain(|pid| program_of(*pid).is_some_and(|name| name == program));
    pids
}

/// Ends the guards of containers that are gone: a guard outlives its kerfd on purpose, until its deadline has passed.
///
/// # Errors
/// When one does not go.
pub fn end_guards(folder: &Path) -> Result<()> {
    let folder = folder.display().to_string();
    poll::until_true("the end of guards", GUARDS_LIMIT, || {
        let guards = programs_naming("kerf-runtime", &folder);
        kill_all(&guards);
        guards.is_empty()
    })
}

/// What a process was started with, for error messages.
#[must_use]
pub fn command_line(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// The file name of what a process executes; the kernel marks a file that was replaced meanwhile.
fn program_of(pid: u32) -> Option<String> {
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some(
        name.strip_suffix(" (deleted)")
            .map_or_else(|| name.clone(), str::to_owned),
    )
}

fn names(pid: u32, word: &str) -> bool {
    let below = format!("{word}/");
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut arguments = arguments
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy);
    arguments.any(|argument| argument == word || argument.starts_with(&below))
}

/// Processes whose cgroup path has `group` as one of its parts: the containers of a namespace.
#[must_use]
pub fn processes_in_cgroup(group: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let inside = |pid: &u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        text.lines()
            .any(|line| line.split('/').skip(1).any(|part| part == group))
    };
    pids.filter(inside).collect()
}

/// Kills processes by id; one that has gone meanwhile is what was wanted.
pub fn kill_all(pids: &[u32]) {
    for pid in pids.iter().filter_map(|pid| i32::try_from(*pid).ok()) {
        kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
    }
}

/// Removes the empty cgroups that runc leaves for a containerd namespace: it removes a container's
/// group and never the parent that it made for it.
pub fn remove_cgroups(namespace: &str) {
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten();
    let hierarchies = hierarchies.map(|entry| entry.path());
    for hierarchy in std::iter::once(PathBuf::from("/sys/fs/cgroup")).chain(hierarchies) {
        // `ctr` puts a namespace below the root, kerf below a group of its own. Fails where the group
        // is in use or was never made, and both are fine.
        drop(std::fs::remove_dir(hierarchy.join(namespace)));
        drop(std::fs::remove_dir(hierarchy.join("kerf").join(namespace)));
    }
}

/// Lets runc remove the cgroups and state of containers that no shim deleted; `root` is runc's folder.
pub fn delete_runc_state(root: &Path) {
    let Some(runc) = bins::system("runc") else {
        return;
    };
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let mut command = Command::new(&runc);
        command
            .arg("--root")
            .arg(root)
            .args(["delete", "--force"])
            .arg(entry.file_name());
        drop(process::output(&mut command));
    }
    // Holds nothing once every container is deleted; where it does, the folder stays.
    drop(std::fs::remove_dir(root));
}

/// Mount points of a mountinfo table: the fifth field, with blanks written as octal escapes.
fn mount_points(table: &str) -> impl DoubleEndedIterator<Item = PathBuf> {
    table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|field| PathBuf::from(unescape(field)))
}

fn unescape(field: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(field.to_owned(), |text, (escape, plain)| {
        text.replace(escape, plain)
    })
}

#[cfg(test)]
mod tests;
