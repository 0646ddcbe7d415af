//! Removes what test processes left that were killed before they could clean up.
//!
//! The kernel ends their daemons with them, but containers have no such tie. A scratch folder says whose
//! it is. Only where that process has gone, and our user alone may write the folder, is anything touched;
//! of processes only programs of ours that name the folder, and containers of groups that bear its owner's
//! name.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Once;

use nix::unistd::Uid;

use super::leftovers;

/// Holds who owns a folder, see [`mark`].
pub(crate) const MARK: &str = ".owner";

/// Where scratch folders lie.
const PLACE: &str = "/tmp";

/// Programs of ours, and the shim that holds containers for a containerd of ours.
const PROGRAMS: [&str; 4] = [
    "kerfd",
    "kerf-partitioner",
    "containerd",
    "containerd-shim-runc-v2",
];

/// Where runc keeps the state of containers unless a client says otherwise.
const RUNC_ROOT: &str = "/run/containerd/runc";

static ONCE: Once = Once::new();

/// What the owner of a folder writes into it: its process id, and the namespace in which that is its id.
/// Another container may share `/tmp` with us and none of its processes.
pub(crate) fn mark(pid: u32) -> String {
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{pid} {}\n", namespace.display())
}

/// Looks once per process.
pub(crate) fn once() {
    ONCE.call_once(|| sweep(Path::new(PLACE)));
}

fn sweep(place: &Path) {
    for (folder, owner) in left_in(place) {
        end_programs(&folder);
        for group in groups(&folder, owner) {
            leftovers::kill_all(&leftovers::processes_in_cgroup(&group));
            leftovers::delete_runc_state(&Path::new(RUNC_ROOT).join(&group));
            leftovers::remove_cgroups(&group);
        }
        if leftovers::unmount_below(&folder).is_empty() {
            // Another process may be doing the same at this moment.
            drop(std::fs::remove_dir_all(&folder));
        }
    }
}

/// Folders of owners that have gone, each with its owner.
fn left_in(place: &Path) -> Vec<(PathBuf, u32)> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    folders
        .filter_map(|folder| {
            let owner = owner(&folder)?;
            // A process id that is in use again protects the folder until that process has ended.
            let gone = !Path::new("/proc").join(owner.to_string()).exists();
            gone.then_some((folder, owner))
        })
        .collect()
}

/// Who made a scratch folder; none of what is not certainly one of ours.
fn owner(folder: &Path) -> Option<u32> {
    let facts = folder.symlink_metadata().ok()?;
    let ours_alone = facts.is_dir() && facts.mode() & 0o022 == 0;
    if !ours_alone || facts.uid() != Uid::effective().as_raw() {
        return None;
    }
    let text = std::fs::read_to_string(folder.join(MARK)).ok()?;
    let pid = text.split(' ').next()?.parse().ok()?;
    (text == mark(pid)).then_some(pid)
}

fn end_programs(folder: &Path) {
    let word = folder.display().to_string();
    for program in PROGRAMS {
        leftovers::kill_all(&leftovers::programs_naming(program, &word));
    }
}

/// Cgroups of its containers: those of bundles bear the folder's name, those of a containerd its namespace,
/// `kerf-<owner>-<number>`.
fn groups(folder: &Path, owner: u32) -> Vec<String> {
    let namespaces = std::fs::read_dir(RUNC_ROOT).into_iter().flatten().flatten();
    let namespaces = namespaces.filter_map(|entry| entry.file_name().into_string().ok());
    let prefix = format!("kerf-{owner}-");
    let own = namespaces.filter(|name| name.starts_with(&prefix));
    let name = folder.file_name().and_then(|name| name.to_str());
    own.chain(name.map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests;
