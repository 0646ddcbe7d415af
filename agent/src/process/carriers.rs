//! Which processes of containers carry a lease: they have its id in the environment that they were started with, and its
//! device nodes in their file system.
//!
//! Engines that get a lease by its CDI name ask nobody, so this is how such a container is known. Looks only. Both marks
//! count together: a variable alone is anybody's to set, and a privileged container has every node. A process in the
//! host's own mount namespace is in no container.

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kerf_types::lease::InitProcess;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat, makedev};

/// The variable that every container with a lease has.
pub const VARIABLE: &str = "KERF_LEASE";

/// What is read of an environment, in bytes. The kernel gives programs 128 KiB for one variable, and a quarter of the
/// stack for all; the one that is looked for may stand last.
const ENVIRONMENT_LIMIT: u64 = 8 << 20;

/// A device node as a container has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its path in the container.
    pub path: PathBuf,
    /// Its numbers.
    pub numbers: (u32, u32),
}

/// The processes that carry the lease `id` with all of `nodes`, the oldest first. A lease without nodes has no carriers.
pub fn of(id: &str, nodes: &[Node]) -> Vec<InitProcess> {
    let own = namespace(Path::new("/proc/self"));
    let entry = format!("{VARIABLE}={id}");
    let mut found: Vec<InitProcess> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let process = PathBuf::from(format!("/proc/{pid}"));
            namespace(&process).is_some_and(|theirs| own != Some(theirs))
                && has_variable(&process, &entry)
                && has_nodes(&process.join("root"), nodes)
        })
        .filter_map(super::identify)
        .collect();
    found.sort_by_key(|process| (process.start_ticks, process.pid));
    found
}

/// The mount namespace of a process.
fn namespace(process: &Path) -> Option<(u64, u64)> {
    let facts = fs::metadata(process.join("ns/mnt")).ok()?;
    Some((facts.dev(), facts.ino()))
}

fn has_variable(process: &Path, entry: &str) -> bool {
    let mut environment = Vec::new();
    let read = File::open(process.join("environ"))
        .and_then(|file| file.take(ENVIRONMENT_LIMIT).read_to_end(&mut environment));
    let mut entries = environment.split(|byte| *byte == 0);
    read.is_ok() && entries.any(|one| one == entry.as_bytes())
}

/// Whether all of these are in that root. Links in it lead to what the container would find there, never out of it.
fn has_nodes(root: &Path, nodes: &[Node]) -> bool {
    let Ok(root) = File::open(root) else {
        return false;
    };
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let is_there = |node: &Node| {
        let Ok(file) = openat2(root.as_fd(), &node.path, how) else {
            return false;
        };
        let expected = makedev(node.numbers.0.into(), node.numbers.1.into());
        fstat(&file).is_ok_and(|facts| {
            let kind = SFlag::from_bits_truncate(facts.st_mode) & SFlag::S_IFMT;
            kind == SFlag::S_IFCHR && facts.st_rdev == expected
        })
    };
    !nodes.is_empty() && nodes.iter().all(is_there)
}
