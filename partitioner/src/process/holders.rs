//! Which processes have a driver open: asked of `/proc`, for every process there is.
//!
//! What counts is an open descriptor of a device node, or a mapping of one or of the driver's library. A node is known
//! by its numbers, so that one which a container has under another path is found as well. Looks only: no node is opened,
//! and nobody is ended.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, StatxFlags, statx};

/// Folders of device nodes under the root of a machine, and how the names of a driver's nodes in them begin.
const NODES: [(&str, &[&str]); 4] = [
    ("dev", &["nvidia", "kfd"]),
    ("dev/nvidia-caps", &["nvidia-cap"]),
    ("dev/nvidia-caps-imex-channels", &["channel"]),
    ("dev/dri", &["card", "renderD"]),
];

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    nodes: Vec<Node>,
    library: Option<Library>,
}

#[derive(Debug, Clone)]
struct Node {
    /// As it is told: its path under `/dev`.
    name: String,
    path: PathBuf,
    /// Numbers of a device, or those of a plain file that stands for one.
    device: Option<u64>,
    file: (u64, u64),
}

#[derive(Debug, Clone)]
struct Library {
    path: PathBuf,
    file: (u64, u64),
}

/// A process, and what of a driver it has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its pid.
    pub pid: u32,
    /// Its name.
    pub command: String,
    /// Names of nodes, and the path of the library.
    pub holds: BTreeSet<String>,
}

/// What `/proc` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Who has something open, by pid.
    pub holders: Vec<Holder>,
    /// Programs whose descriptors may not be read.
    pub unread: Vec<Holder>,
}

impl Wanted {
    /// Every node of a driver under this root, and its library.
    pub fn under(sysroot: &Path, library: Option<&Path>) -> Self {
        let mut nodes = Vec::new();
        for (folder, beginnings) in NODES {
            let entries = fs::read_dir(sysroot.join(folder));
            for entry in entries.into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let begins = |beginning: &&str| name.starts_with(beginning);
                if beginnings.iter().any(begins) {
                    nodes.extend(Node::at(sysroot, format!("/{folder}/{name}")));
                }
            }
        }
        let library = library.and_then(|path| {
            let facts = fs::metadata(path).ok()?;
            Some(Library {
                path: path.canonicalize().ok()?,
                file: (facts.dev(), facts.ino()),
            })
        });
        Self { nodes, library }
    }

    /// These nodes, as they are called under `/dev`. Nobody has one open that is not there.
    pub fn nodes<'n>(sysroot: &Path, names: impl Iterator<Item = &'n str>) -> Self {
        let nodes = names.filter_map(|name| Node::at(sysroot, name.to_owned()));
        Self {
            nodes: nodes.collect(),
            library: None,
        }
    }

    /// Looks at every process.
    pub fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        let mut pids: Vec<u32> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        pids.sort_unstable();
        for pid in pids {
            let (holds, is_read) = match self.held_by(pid) {
                Ok(holds) => (holds, true),
                Err(error) => (
                    BTreeSet::new(),
                    error.kind() != io::ErrorKind::PermissionDenied,
                ),
            };
            let holder = |holds| Holder {
                pid,
                command: command(Path::new("/"), pid).unwrap_or_default(),
                holds,
            };
            if !is_read && is_program(pid) {
                seen.unread.push(holder(holds));
            } else if !holds.is_empty() {
                seen.holders.push(holder(holds));
            }
        }
        seen
    }

    /// Looks at these processes alone, who may hide what they have: at every descriptor of every thread, whatever it is
    /// called, and at every mapping. What waits in a socket's queue is seen nowhere.
    pub fn seen_within(&self, pids: &BTreeSet<u32>) -> Vec<Holder> {
        let held = pids.iter().map(|pid| (*pid, self.held_closely(*pid)));
        let held = held.filter(|(_, holds)| !holds.is_empty());
        held.map(|(pid, holds)| Holder {
            pid,
            command: command(Path::new("/"), pid).unwrap_or_default(),
            holds,
        })
        .collect()
    }

    fn held_closely(&self, pid: u32) -> BTreeSet<String> {
        // A thread may have descriptors of its own, and a first thread that has ended shows none of the process.
        let threads = entries_of(&format!("/proc/{pid}/task"));
        let files = threads.iter().flat_map(|thread| {
            let thread = thread.file_name().unwrap_or_default().to_string_lossy();
            let folders = ["fd", "map_files"].map(|kind| format!("/proc/{thread}/{kind}"));
            folders.into_iter().flat_map(|folder| entries_of(&folder))
        });
        let devices: BTreeSet<u64> = files.filter_map(|file| device_at(&file)).collect();
        let nodes = self.nodes.iter();
        let held = nodes.filter(|node| node.device.is_some_and(|own| devices.contains(&own)));
        held.map(|node| node.name.clone()).collect()
    }

    fn held_by(&self, pid: u32) -> io::Result<BTreeSet<String>> {
        let mut holds = BTreeSet::new();
        for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
            let path = entry.path();
            // A descriptor of a file system that does not answer must not be asked for more than its name.
            let Ok(name) = fs::read_link(&path) else {
                continue;
            };
            if self.may_be(&name)
                && let Ok(facts) = fs::metadata(&path)
            {
                let nodes = self.nodes.iter().filter(|node| node.is(&facts));
                holds.extend(nodes.map(|node| node.name.clone()));
            }
        }
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        for line in maps.lines() {
            if let Some((file, path)) = mapped(line) {
                holds.extend(self.at(file, path));
            }
        }
        Ok(holds)
    }

    /// Whether a file of this name is worth a look.
    fn may_be(&self, name: &Path) -> bool {
        let last = |path: &Path| path.file_name().map(|name| name.to_owned());
        name.starts_with("/dev") || self.nodes.iter().any(|node| last(&node.path) == last(name))
    }

    /// What a mapped file is, by its numbers or, where the file system tells others here than there, by its path.
    fn at(&self, file: (u64, u64), path: &str) -> Option<String> {
        let is_it = |own: (u64, u64), known: &Path| own == file || known == Path::new(path);
        let library = self.library.iter();
        let mut libraries = library.filter(|one| is_it(one.file, &one.path));
        let mut nodes = self
            .nodes
            .iter()
            .filter(|node| is_it(node.file, &node.path));
        match (nodes.next(), libraries.next()) {
            (Some(node), _) => Some(node.name.clone()),
            (None, Some(library)) => Some(library.path.display().to_string()),
            (None, None) => None,
        }
    }
}

impl Node {
    fn at(sysroot: &Path, name: String) -> Option<Self> {
        let path = sysroot.join(name.trim_start_matches('/'));
        let facts = fs::symlink_metadata(&path).ok()?;
        if facts.is_dir() {
            return None;
        }
        let is_device = facts.file_type().is_char_device();
        Some(Self {
            name,
            path: path.canonicalize().unwrap_or(path),
            device: is_device.then(|| facts.rdev()),
            file: (facts.dev(), facts.ino()),
        })
    }

    fn is(&self, facts: &fs::Metadata) -> bool {
        let device = facts.file_type().is_char_device().then(|| facts.rdev());
        match self.device {
            Some(own) => device == Some(own),
            None => self.file == (facts.dev(), facts.ino()),
        }
    }
}

fn entries_of(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// The numbers of the character device that an open file is. A file system that does not answer is not waited for: a
/// device is told by what the kernel has of it.
fn device_at(path: &Path) -> Option<u64> {
    let facts = statx(CWD, path, AtFlags::STATX_DONT_SYNC, StatxFlags::TYPE).ok()?;
    let kind = FileType::from_raw_mode(facts.stx_mode.into());
    let numbers = (facts.stx_rdev_major, facts.stx_rdev_minor);
    let device = nix::sys::stat::makedev(numbers.0.into(), numbers.1.into());
    (kind == FileType::CharacterDevice).then_some(device)
}

/// Device and inode of a line of `/proc/<pid>/maps`, and the path.
fn mapped(line: &str) -> Option<((u64, u64), &str)> {
    let path = line.find('/').and_then(|at| line.get(at..))?;
    let mut words = line.split_whitespace().skip(3);
    let (major, minor) = words.next()?.split_once(':')?;
    let inode = words.next()?.parse().ok()?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let device = nix::sys::stat::makedev(number(major)?, number(minor)?);
    Some(((device, inode), path))
}

/// The name of a process of the machine whose root that is.
pub fn command(root: &Path, pid: u32) -> Option<String> {
    let name = fs::read_to_string(root.join(format!("proc/{pid}/comm"))).ok()?;
    Some(name.trim().to_owned())
}

/// Whether it is a program: threads of the kernel and what has ended have no arguments, and no descriptors.
fn is_program(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|arguments| !arguments.is_empty())
}

#[cfg(test)]
mod tests;
