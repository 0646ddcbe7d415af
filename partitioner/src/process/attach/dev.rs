//! The `/dev` of a running container, from outside: nodes are made and removed by its descriptor.
//!
//! The container's root may be hostile, and may change everything below while this looks. So no path of it is ever
//! followed through a link or into a mount: `/dev` is opened below the root of its first process, must be a file system in
//! memory that no process of the host sees, and all that comes after goes by names in that folder. The worst that
//! somebody in there achieves is a container without its node.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use kerf_types::lease::InitProcess;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{
    FileStat, Mode, SFlag, fstat, fstatat, major, makedev, minor, mkdirat, mknodat,
};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, unlinkat};

use super::rules::Numbers;
use super::{AttachError, Node};

/// The folder of a container's devices.
#[derive(Debug)]
pub struct Dev {
    folder: OwnedFd,
}

impl Dev {
    /// Opens it, where it is one of the container's own. `name` is the container's, for messages.
    pub fn open(init: &InitProcess, name: &str) -> Result<Self, AttachError> {
        let process = PathBuf::from(format!("/proc/{}", init.pid));
        let apart = |why: &str| AttachError::NotApart {
            name: name.to_owned(),
            why: why.to_owned(),
        };
        let bad = |why: String| AttachError::Dev {
            name: name.to_owned(),
            why,
        };
        if !differs(&process, Path::new("/proc/self"), "mnt")
            || !differs(&process, Path::new("/proc/1"), "mnt")
        {
            return Err(apart("shares the host's file systems"));
        }
        if differs(&process, Path::new("/proc/self"), "user") {
            // Device files on a file system of a user namespace cannot be opened, whoever made them.
            return Err(apart(
                "is in a user namespace of its own, where no device node works that is made later",
            ));
        }
        let options = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let root = File::options()
            .read(true)
            .custom_flags(options.bits())
            .open(process.join("root"));
        let root = root.map_err(|error| bad(format!("cannot be reached: {error}")))?;
        // What was opened is the container's, unless its pid had changed hands before.
        if !super::super::is_alive(init) {
            return Err(apart("has ended"));
        }
        let how = how(options).resolve(ResolveFlag::RESOLVE_IN_ROOT | strict());
        let folder = openat2(root.as_fd(), "dev", how).map_err(|errno| {
            bad(match errno {
                Errno::ELOOP => "is a link".to_owned(),
                other => format!("cannot be opened: {other}"),
            })
        })?;
        own(&folder).map_err(bad)?;
        Ok(Self { folder })
    }

    /// Which of these are not there, and their folders, which stand before them.
    pub fn missing(&self, nodes: &[Node]) -> Result<Vec<PathBuf>, AttachError> {
        let mut missing = BTreeSet::new();
        for node in nodes {
            let (folder, name) = split(&node.path)?;
            let Some(opened) = self.folder_of(folder, &node.path)? else {
                missing.insert(Path::new("/dev").join(folder));
                missing.insert(node.path.clone());
                continue;
            };
            match at(&opened, name) {
                Ok(facts) => is_it(&facts, node.numbers).map_err(|why| AttachError::Taken {
                    path: node.path.clone(),
                    why,
                })?,
                Err(Errno::ENOENT) => drop(missing.insert(node.path.clone())),
                Err(errno) => return Err(make(&node.path, errno)),
            }
        }
        // In this order a folder comes before what is in it.
        Ok(missing.into_iter().collect())
    }

    /// Makes a folder for nodes.
    pub fn make_folder(&self, path: &Path) -> Result<(), AttachError> {
        let name = path.file_name().unwrap_or_default();
        let mode = Mode::from_bits_truncate(0o755);
        mkdirat(&self.folder, name, mode).map_err(|errno| make(path, errno))
    }

    /// Makes a node. It is the very one that gets its mode and owner: whatever else stands there by then stays as it is.
    pub fn make(&self, node: &Node) -> Result<(), AttachError> {
        let (folder, name) = split(&node.path)?;
        let failed = |errno| make(&node.path, errno);
        let opened = self.folder_of(folder, &node.path)?;
        let opened = opened.ok_or_else(|| failed(Errno::ENOENT))?;
        let device = makedev(node.numbers.0.into(), node.numbers.1.into());
        mknodat(&opened, name, SFlag::S_IFCHR, Mode::S_IRUSR, device).map_err(failed)?;
        let how = how(OFlag::O_PATH).resolve(ResolveFlag::RESOLVE_BENEATH | strict());
        let made = openat2(opened.as_fd(), name, how).map_err(failed)?;
        let facts = fstat(&made).map_err(failed)?;
        is_it(&facts, node.numbers).map_err(|why| AttachError::Taken {
            path: node.path.clone(),
            why,
        })?;
        let handle = format!("/proc/self/fd/{}", made.as_raw_fd());
        let mode = fs::Permissions::from_mode(node.mode & 0o777);
        fs::set_permissions(handle, mode).map_err(|source| AttachError::Make {
            path: node.path.clone(),
            source,
        })?;
        let (uid, gid) = node.owner;
        if (uid, gid) != (0, 0) {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            fchownat(&made, "", uid, gid, AtFlags::AT_EMPTY_PATH).map_err(failed)?;
        }
        Ok(())
    }

    /// Removes a node with these numbers, or a folder that is empty (`None`); whether it is gone.
    pub fn remove(&self, path: &Path, numbers: Option<Numbers>) -> bool {
        let Ok((folder, name)) = split(path) else {
            return true;
        };
        let Ok(Some(opened)) = self.folder_of(folder, path) else {
            return true;
        };
        let Ok(facts) = at(&opened, name) else {
            return true;
        };
        let how = match numbers {
            // Another thing by now is the container's own.
            Some(numbers) if is_it(&facts, numbers).is_err() => return true,
            Some(_) => UnlinkatFlags::NoRemoveDir,
            None => UnlinkatFlags::RemoveDir,
        };
        match unlinkat(&opened, name, how) {
            Ok(()) | Err(Errno::ENOENT | Errno::ENOTEMPTY | Errno::ENOTDIR) => true,
            Err(errno) => {
                tracing::warn!(path = %path.display(), error = %errno, "device node stays in a container");
                false
            }
        }
    }

    /// The folder of a node below this one; `None` where it is not there.
    fn folder_of(&self, folder: &Path, node: &Path) -> Result<Option<OwnedFd>, AttachError> {
        let how = how(OFlag::O_PATH | OFlag::O_DIRECTORY);
        let beneath = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV | strict();
        let path = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        let taken = |why: &str| AttachError::Taken {
            path: Path::new("/dev").join(folder),
            why: why.to_owned(),
        };
        match openat2(self.folder.as_fd(), path, how.resolve(beneath)) {
            Ok(opened) => Ok(Some(opened)),
            Err(Errno::ENOENT) => Ok(None),
            Err(Errno::ELOOP) => Err(taken("is a link")),
            Err(Errno::EXDEV) => Err(taken("is another file system")),
            Err(Errno::ENOTDIR) => Err(taken("is no folder")),
            Err(errno) => Err(make(node, errno)),
        }
    }
}

fn strict() -> ResolveFlag {
    ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS
}

/// Without `O_NOFOLLOW`, by which a link at the end would be told as something that is no folder.
fn how(flags: OFlag) -> OpenHow {
    OpenHow::new().flags(flags | OFlag::O_CLOEXEC)
}

fn make(path: &Path, errno: Errno) -> AttachError {
    AttachError::Make {
        path: path.to_owned(),
        source: io::Error::from(errno),
    }
}

fn at(folder: &OwnedFd, name: &Path) -> nix::Result<FileStat> {
    fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)
}

/// The folder of a node below `/dev`, and its name. Nodes are at most one folder deep.
fn split(path: &Path) -> Result<(&Path, &Path), AttachError> {
    let taken = || AttachError::Taken {
        path: path.to_owned(),
        why: "is no place for a device node".to_owned(),
    };
    let below = path.strip_prefix("/dev").map_err(|_| taken())?;
    let mut parts = below.components();
    let is_plain = |part| matches!(part, Component::Normal(_));
    let count = parts.clone().count();
    if !(1..=2).contains(&count) || !parts.all(is_plain) {
        return Err(taken());
    }
    let name = below.file_name().map(Path::new).ok_or_else(taken)?;
    Ok((below.parent().unwrap_or(Path::new("")), name))
}

/// Whether that is this character device, or what it is instead.
fn is_it(facts: &FileStat, numbers: Numbers) -> Result<(), String> {
    let kind = SFlag::from_bits_truncate(facts.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFCHR {
        let what = match kind {
            SFlag::S_IFLNK => "a link",
            SFlag::S_IFDIR => "a folder",
            SFlag::S_IFREG => "a plain file",
            _ => "something else",
        };
        return Err(format!("is {what} already, and no device node"));
    }
    if facts.st_rdev != makedev(numbers.0.into(), numbers.1.into()) {
        let (major, minor) = (major(facts.st_rdev), minor(facts.st_rdev));
        return Err(format!("is another device already ({major}:{minor})"));
    }
    Ok(())
}

/// Whether a process is in another namespace of that kind than another one.
fn differs(process: &Path, other: &Path, kind: &str) -> bool {
    let of = |process: &Path| {
        let facts = fs::metadata(process.join("ns").join(kind)).ok()?;
        Some((facts.dev(), facts.ino()))
    };
    match (of(process), of(other)) {
        (Some(own), Some(theirs)) => own != theirs,
        // Of the host's first process it may not be told: then the file systems that both see tell.
        (Some(_), None) => true,
        // What cannot be told apart is not apart; of namespaces of users, it is not the host's.
        (None, _) => kind == "user",
    }
}

/// Whether a folder is on a file system in memory that the host does not see, and that has device nodes.
fn own(folder: &OwnedFd) -> Result<(), String> {
    let failed = |errno: Errno| format!("cannot be looked at: {errno}");
    let facts = fstat(folder).map_err(failed)?;
    let device = format!("{}:{}", major(facts.st_dev), minor(facts.st_dev));
    if hosts_devices().contains(&device) {
        return Err("is the host's, or on a file system that the host sees".to_owned());
    }
    if fstatfs(folder).map_err(failed)?.filesystem_type() != TMPFS_MAGIC {
        return Err("is no file system in memory".to_owned());
    }
    let flags = fstatvfs(folder).map_err(failed)?.flags();
    if flags.contains(FsFlags::ST_NODEV) {
        return Err("is mounted without device nodes (nodev)".to_owned());
    }
    if flags.contains(FsFlags::ST_RDONLY) {
        return Err("is mounted read-only".to_owned());
    }
    Ok(())
}

/// The file systems that the host's first process and this one see, as `major:minor`.
fn hosts_devices() -> BTreeSet<String> {
    let mounts = ["/proc/1/mountinfo", "/proc/self/mountinfo"];
    let texts = mounts
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok());
    let mut devices = BTreeSet::new();
    for text in texts {
        let third = |line: &str| line.split(' ').nth(2).map(str::to_owned);
        devices.extend(text.lines().filter_map(third));
    }
    devices
}
