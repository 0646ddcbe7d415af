//! A directory that stands for `/`: every read stays inside it, whatever its links say.
//!
//! The kernel resolves the names (`openat2` with `RESOLVE_IN_ROOT`): an absolute link, or one with too
//! many `..`, ends inside the root, also while somebody renames what lies there. A resolver of our own
//! would have to win that race again at every component.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::statfs::{FUSE_SUPER_MAGIC, FsType, PROC_SUPER_MAGIC, SYSFS_MAGIC, fstatfs};

use super::again::open_again;

/// Most bytes that one file may have. The largest that the driver writes, `mig-minors`, has 110 KB on
/// a host of 32 GPUs; a tree that hands out more is broken or hostile.
const FILE_LIMIT: u64 = 1 << 20;
/// Bytes of a page, the most that an attribute of a device has.
const PAGE: usize = 4096;
/// Most entries that one folder may have: a large host has a few thousand PCI functions.
const ENTRY_LIMIT: usize = 65_536;
/// How long the kernel may go on saying "changed while I looked" before we give up: well below the second that one file
/// of a device may take.
const PATIENCE: Duration = Duration::from_millis(250);

/// A read that failed in a way that "unknown" would hide.
#[derive(Debug, thiserror::Error)]
pub enum SysfsError {
    /// The root itself could not be opened.
    #[error("open the root {path:?}")]
    Root {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A file or folder exists and could not be read.
    #[error("read {path}")]
    Read {
        /// Its path inside the root.
        path: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A file or folder is larger than anything that a kernel writes there.
    #[error("{path} has more than {limit} bytes or entries")]
    TooLarge {
        /// Its path inside the root.
        path: String,
        /// The limit.
        limit: u64,
    },
    /// A table of the driver does not have its form, so nothing of it is believed.
    #[error("{path}, line {line}: {found:?} is not {expected}")]
    Malformed {
        /// Its path inside the root.
        path: String,
        /// Line number, from 1.
        line: usize,
        /// The line, cut to 80 characters.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
}

/// The folder under which `/sys`, `/proc` and `/dev` of one machine lie.
#[derive(Debug)]
pub struct Root {
    dir: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens it; `/` for the real machine.
    pub fn open(path: &Path) -> Result<Self, SysfsError> {
        let failed = |cause| SysfsError::Root {
            path: path.to_owned(),
            cause,
        };
        let path = path.canonicalize().map_err(failed)?;
        let dir = File::open(&path).map_err(failed)?;
        if !dir.metadata().map_err(failed)?.is_dir() {
            return Err(failed(Errno::ENOTDIR.into()));
        }
        Ok(Self {
            dir: dir.into(),
            path,
        })
    }

    /// Its own path on the host, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether what lies at a path is the kernel's own `/proc`, also under a root that is bound somewhere else. What
    /// cannot be asked counts as it, since a driver behind it may hang. Asking enters no driver.
    pub fn is_on_proc(&self, path: &str) -> bool {
        self.is_on(path, &[PROC_SUPER_MAGIC])
    }

    /// Whether somebody answers who reads what lies at a path: the kernel (`/sys`, `/proc`), or a program that serves a
    /// file system (FUSE). What is read there may never come. As [`Root::is_on_proc`].
    pub fn is_answered(&self, path: &str) -> bool {
        self.is_on(path, &ANSWERED)
    }

    fn is_on(&self, path: &str, kinds: &[FsType]) -> bool {
        match self.resolve(path, OFlag::O_PATH) {
            Ok(fd) => is_of(&fd, kinds),
            Err(errno) => !is_absent(errno),
        }
    }

    /// The same root for another thread.
    pub(super) fn again(&self) -> io::Result<Self> {
        Ok(Self {
            dir: self.dir.try_clone()?,
            path: self.path.clone(),
        })
    }

    /// Whether it is `/` of this process. The machine's root that is bound elsewhere is not: what this decides (nodes with
    /// the numbers of real hardware) is refused in any tree that only may be the machine's. Whether reading enters a
    /// driver is [`Root::is_on_proc`]'s.
    pub fn is_real(&self) -> bool {
        self.path == Path::new("/")
    }

    /// The text of a file without surrounding white space; `None` where it is not known: absent, not a
    /// regular file, not text, or the device behind it does not answer.
    pub fn read(&self, path: &str) -> Result<Option<String>, SysfsError> {
        let bytes = self.bytes(path)?;
        Ok(bytes
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map(|text| text.trim().to_owned()))
    }

    /// What is in a file; `None` where it is absent, not a regular file, or the device behind it does not answer.
    pub fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, SysfsError> {
        self.bytes_within(path, FILE_LIMIT)
    }

    /// As [`Root::bytes`], for a file that may have more bytes than others.
    pub fn bytes_within(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, SysfsError> {
        contents(self.resolve(path, READ), Length::Within(limit), &path)
    }

    /// As [`Root::read`], with a file that cannot be read counted as unknown, for single facts.
    pub fn fact(&self, path: &str) -> Option<String> {
        self.read(path).unwrap_or_else(|error| {
            tracing::debug!(
                path,
                error = &error as &dyn std::error::Error,
                "fact not readable"
            );
            None
        })
    }

    /// Names in a folder, sorted; none where it does not exist.
    pub fn list(&self, path: &str) -> Result<Vec<String>, SysfsError> {
        let failed = |errno: Errno| SysfsError::Read {
            path: path.to_owned(),
            cause: errno.into(),
        };
        let fd = match self.resolve(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
            Ok(fd) => fd,
            Err(errno) if is_absent(errno) => return Ok(Vec::new()),
            Err(errno) => return Err(failed(errno)),
        };
        let mut names = Vec::new();
        for entry in Dir::from_fd(fd).map_err(failed)?.iter() {
            let entry = entry.map_err(failed)?;
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
            if names.len() > ENTRY_LIMIT {
                let limit = ENTRY_LIMIT.try_into().unwrap_or(u64::MAX);
                return Err(SysfsError::TooLarge {
                    path: path.to_owned(),
                    limit,
                });
            }
        }
        names.sort();
        Ok(names)
    }

    /// Where a path leads when every link is followed, as a path inside the root that begins with `/`;
    /// `None` where it leads nowhere.
    pub fn canonical(&self, path: &str) -> Option<String> {
        let fd = self.resolve(path, OFlag::O_PATH).ok()?;
        self.place(&fd)
    }

    /// The canonical path of what was opened beneath the root.
    pub(super) fn place(&self, fd: &OwnedFd) -> Option<String> {
        let on_host = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok()?;
        let inside = on_host.strip_prefix(&self.path).ok()?.to_str()?;
        Some(format!("/{inside}"))
    }

    /// A descriptor of the folder at `path`, for calls relative to it.
    pub fn folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.resolve(path, OFlag::O_PATH | OFlag::O_DIRECTORY)
    }

    /// Opens what lies at `path` with these flags, beneath the root.
    pub(crate) fn resolve(&self, path: &str, flags: OFlag) -> Result<OwnedFd, Errno> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        open_again(&self.dir, path, how, PATIENCE)
    }
}

/// How a file that is only read is opened. Without O_NONBLOCK a pipe in a hostile tree would hold us for ever.
pub(super) const READ: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY);

/// How much one read of a file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// A short read need not be the last one; more bytes than these are too many.
    Within(u64),
    /// An attribute of a device has at most a page, and the kernel hands it out in one read
    /// (Documentation/filesystems/sysfs.rst), so less than a page is all.
    Page,
}

/// File systems whose files somebody answers.
pub(super) const ANSWERED: [FsType; 3] = [SYSFS_MAGIC, PROC_SUPER_MAGIC, FUSE_SUPER_MAGIC];

/// Whether what is open is in a file system of one of these kinds; where nobody says, it is.
pub(super) fn is_of(fd: &OwnedFd, kinds: &[FsType]) -> bool {
    fstatfs(fd).map_or(true, |found| kinds.contains(&found.filesystem_type()))
}

/// What is in a file that was opened, or was not; as [`Root::bytes`].
pub(super) fn contents(
    opened: Result<OwnedFd, Errno>,
    length: Length,
    path: &dyn Display,
) -> Result<Option<Vec<u8>>, SysfsError> {
    let failed = |cause: io::Error| SysfsError::Read {
        path: path.to_string(),
        cause,
    };
    let mut file = match opened {
        Ok(fd) => File::from(fd),
        // No kernel has a link in the place of a file, nor one that leads to itself.
        Err(Errno::ELOOP) => return Err(failed(Errno::ELOOP.into())),
        Err(errno) if is_absent(errno) => return Ok(None),
        Err(errno) => return Err(failed(errno.into())),
    };
    // An attribute is read without asking, since there are thousands: a pipe is empty, and a folder is odd.
    if length != Length::Page && !file.metadata().map_err(failed)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let limit = match length {
        Length::Within(limit) => limit,
        Length::Page => FILE_LIMIT,
    };
    if let Err(error) = fill(&mut file, &mut bytes, length) {
        let unknown = error
            .raw_os_error()
            .is_some_and(|raw| is_silent(Errno::from_raw(raw)));
        return if unknown {
            Ok(None)
        } else {
            Err(failed(error))
        };
    }
    if u64::try_from(bytes.len()).map_or(true, |length| length > limit) {
        return Err(SysfsError::TooLarge {
            path: path.to_string(),
            limit,
        });
    }
    Ok(Some(bytes))
}

/// Reads up to a byte and more past the limit. Most files have a line: they take one read and one allocation of their
/// size, where `Read::read_to_end` begins with a guess.
fn fill(file: &mut File, bytes: &mut Vec<u8>, length: Length) -> io::Result<()> {
    let mut first = [0; PAGE];
    let count = file.read(&mut first)?;
    bytes.extend_from_slice(first.get(..count).unwrap_or_default());
    match length {
        // A short read need not be the last one.
        Length::Within(limit) if count > 0 => file.take(limit).read_to_end(bytes)?,
        Length::Page if count == PAGE => file.take(FILE_LIMIT).read_to_end(bytes)?,
        Length::Within(_) | Length::Page => 0,
    };
    Ok(())
}

/// Whether opening failed because there is nothing of that name, or nothing behind it.
pub(super) fn is_absent(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENODEV | Errno::ENXIO | Errno::EIO
    )
}

/// Whether reading failed because the kernel or the device has no answer, rather than because we may
/// not know it.
fn is_silent(errno: Errno) -> bool {
    is_absent(errno)
        || matches!(
            errno,
            Errno::ENODATA | Errno::EUCLEAN | Errno::EOPNOTSUPP | Errno::EINVAL | Errno::EAGAIN
        )
}
