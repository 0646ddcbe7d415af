//! Which processes of containers carry a lease: they have its id in the environment that they were started with, its
//! device nodes in their file system, and are in a container of somebody who may have it.
//!
//! Engines that get a lease by its CDI name ask nobody, so this is how such a container is known. Looks only. None of the
//! marks counts alone: a variable is anybody's to set, and a privileged container has every node. In the host's user
//! namespace only root makes mount namespaces and nodes, so there a node must be another file than the host's own, which
//! every service and every session sees; a user namespace must be root's, or of the user who has the lease.

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kerf_types::lease::InitProcess;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::{SFlag, fstat, makedev};

use super::sys::owner_of;
use super::within::within;
use crate::sysfs::open_again;

/// The variable that every container with a lease has.
pub const VARIABLE: &str = "KERF_LEASE";

/// What is read of an environment, in bytes. The kernel gives programs 128 KiB for one variable, and a quarter of the
/// stack for all; the one that is looked for may stand last.
const ENVIRONMENT_LIMIT: u64 = 8 << 20;

/// How long a look at all processes may take; it takes milliseconds, unless one of them is stuck in a driver.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// A device node as a container has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its path in the container.
    pub path: PathBuf,
    /// Its path on the host.
    pub host_path: PathBuf,
    /// Its numbers.
    pub numbers: (u32, u32),
}

/// The lease that is looked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its id.
    pub id: String,
    /// Its nodes; without any it has no carriers.
    pub nodes: Vec<Node>,
    /// The user beside root whose containers may have it.
    pub user: Option<u32>,
}

/// Processes that carry a lease, the oldest first; `None` where a process does not let itself be looked at.
pub fn of(wanted: Wanted) -> Option<Vec<InitProcess>> {
    within(LOOK_LIMIT, move || look(&wanted))
}

fn look(wanted: &Wanted) -> Vec<InitProcess> {
    let host = Path::new("/proc/self");
    let (own_mounts, own_users) = (namespace(host, "mnt"), namespace(host, "user"));
    let entry = format!("{VARIABLE}={}", wanted.id);
    let mut found: Vec<InitProcess> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let process = PathBuf::from(format!("/proc/{pid}"));
            let is_apart =
                namespace(&process, "mnt").is_some_and(|theirs| own_mounts != Some(theirs));
            let is_hosts = namespace(&process, "user") == own_users;
            // The environment last: it alone is read from the process's memory.
            is_apart
                && (is_hosts || is_of(&process, wanted.user))
                && has_nodes(&process.join("root"), &wanted.nodes, is_hosts)
                && has_variable(&process, &entry)
        })
        .filter_map(super::identify)
        .collect();
    found.sort_by_key(|process| (process.start_ticks, process.pid));
    found
}

/// A namespace of a process.
fn namespace(process: &Path, kind: &str) -> Option<(u64, u64)> {
    let facts = fs::metadata(process.join("ns").join(kind)).ok()?;
    Some((facts.dev(), facts.ino()))
}

/// Whether the user namespace of a process is root's or this user's.
fn is_of(process: &Path, user: Option<u32>) -> bool {
    let owner = File::open(process.join("ns/user")).and_then(|file| owner_of(&file));
    owner.is_ok_and(|owner| owner == 0 || Some(owner) == user)
}

fn has_variable(process: &Path, entry: &str) -> bool {
    let mut environment = Vec::new();
    let read = File::open(process.join("environ"))
        .and_then(|file| file.take(ENVIRONMENT_LIMIT).read_to_end(&mut environment));
    let mut entries = environment.split(|byte| *byte == 0);
    read.is_ok() && entries.any(|one| one == entry.as_bytes())
}

/// Whether all of these are in that root, as files of its own if need be. Links in it lead to what the container would
/// find there, never out of it.
fn has_nodes(root: &Path, nodes: &[Node], of_its_own: bool) -> bool {
    let Ok(root) = File::open(root) else {
        return false;
    };
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let is_there = |node: &Node| {
        // Its owner may rename without end, so that nobody waits for it to be still.
        let opened = open_again(&root, &node.path, how, Duration::ZERO);
        let Ok(facts) = opened.and_then(|file| fstat(&file)) else {
            return false;
        };
        let kind = SFlag::from_bits_truncate(facts.st_mode) & SFlag::S_IFMT;
        let expected = makedev(node.numbers.0.into(), node.numbers.1.into());
        let hosts = fs::symlink_metadata(&node.host_path).ok();
        let is_hosts =
            hosts.is_some_and(|hosts| (hosts.dev(), hosts.ino()) == (facts.st_dev, facts.st_ino));
        kind == SFlag::S_IFCHR && facts.st_rdev == expected && !(of_its_own && is_hosts)
    };
    !nodes.is_empty() && nodes.iter().all(is_there)
}
