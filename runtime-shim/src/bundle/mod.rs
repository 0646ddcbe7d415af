//! The bundle's `config.json`: read once without following links, replaced by a rename.
//!
//! Owns the bounds of what is read and the promise that the file is always a whole one: the old, or the
//! new. Both go through a descriptor of the directory, so that a path that is exchanged meanwhile cannot
//! divert the write. No fsync: bundles live on tmpfs, and after a crash of the host no container is left
//! that a bundle would be for; on a disk it costs 34 ms.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process;

use crate::sys;

/// Longest `config.json`, in bytes. Real ones take 5 to 60 KiB; the bound keeps a hostile one from eating
/// the memory of the engine's cgroup, in which this process runs.
pub const CONFIG_LIMIT: u64 = 16 * 1024 * 1024;

const NAME: &str = "config.json";

/// Where the runtime writes the pid of the init process when the engine names no file for it. Without one
/// kerfd could not tell which process the lease belongs to, and would take the slice back.
const PID_FILE: &str = "kerf.pid";

/// A bundle that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The directory cannot be opened.
    #[error("the bundle {} cannot be opened", path.display())]
    Open {
        /// The bundle as the engine gave it.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("{}/config.json cannot be read", bundle.display())]
    Read {
        /// The bundle.
        bundle: PathBuf,
        /// Why; `ELOOP` for a symbolic link.
        #[source]
        source: io::Error,
    },
    /// The file is a pipe, a device or a directory.
    #[error("{}/config.json is not a regular file", bundle.display())]
    NotRegular {
        /// The bundle.
        bundle: PathBuf,
    },
    /// The file is longer than [`CONFIG_LIMIT`].
    #[error("{}/config.json has {size} bytes, the limit is {CONFIG_LIMIT}", bundle.display())]
    TooLarge {
        /// The bundle.
        bundle: PathBuf,
        /// Size in bytes.
        size: u64,
    },
    /// Others may change the file, or put another in its place, between our edit and runc's read.
    #[error("{} belongs to user {uid} and group {gid} with mode {mode:o}; others may change it", path.display())]
    Exposed {
        /// The file or its folder.
        path: PathBuf,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
        /// Permission bits.
        mode: u32,
    },
    /// The pid file of an earlier container of this bundle is in the way.
    #[error("{}/{PID_FILE} of an earlier container cannot be removed", bundle.display())]
    StalePidFile {
        /// The bundle.
        bundle: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The new file could not be put in place; the old one is untouched.
    #[error("{}/config.json cannot be replaced", bundle.display())]
    Replace {
        /// The bundle.
        bundle: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn refuse(path: &Path, uid: u32, gid: u32, mode: u32) -> Result<(), BundleError> {
    let by_owner = uid == 0 || uid == sys::effective_uid();
    let by_group = mode & 0o020 == 0 || gid == 0 || gid == sys::effective_gid();
    if by_owner && by_group && mode & 0o002 == 0 {
        return Ok(());
    }
    Err(BundleError::Exposed {
        path: path.to_owned(),
        uid,
        gid,
        mode,
    })
}

/// An open bundle.
#[derive(Debug)]
pub struct Bundle {
    dir: File,
    path: PathBuf,
}

/// What was read of `config.json`.
#[derive(Debug)]
pub struct ConfigFile {
    /// Its text.
    pub text: String,
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Bundle {
    /// Opens the bundle at `path`, which may lead through links.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        let failed = |source| BundleError::Open {
            path: path.to_owned(),
            source,
        };
        let resolved = fs::canonicalize(path).map_err(failed)?;
        let dir = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW)
            .open(&resolved)
            .map_err(failed)?;
        Ok(Self {
            dir,
            path: resolved,
        })
    }

    /// The bundle's path, absolute and without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A pid file of our own in the bundle, for the runtime to write. One that an earlier container of
    /// this bundle left is removed: its pid may be another process by now.
    pub fn fresh_pid_file(&self) -> Result<PathBuf, BundleError> {
        match sys::unlink_in(self.dir.as_fd(), PID_FILE) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                let bundle = self.path.clone();
                Err(BundleError::StalePidFile { bundle, source })
            }
            _ => Ok(self.path.join(PID_FILE)),
        }
    }

    /// Reads `config.json`.
    pub fn read(&self) -> Result<ConfigFile, BundleError> {
        let failed = |source| BundleError::Read {
            bundle: self.path.clone(),
            source,
        };
        // O_NONBLOCK: a pipe in its place must not hold the launch, and means nothing for a file.
        let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = sys::open_in(self.dir.as_fd(), NAME, flags, 0).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let bundle = self.path.clone();
        if !metadata.is_file() {
            return Err(BundleError::NotRegular { bundle });
        }
        let size = metadata.len();
        if size > CONFIG_LIMIT {
            return Err(BundleError::TooLarge { bundle, size });
        }
        let mut text = String::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
        // One byte more than the limit, in case the file grew since it was measured.
        let mut bounded = file.take(CONFIG_LIMIT + 1);
        let size = bounded.read_to_string(&mut text).map_err(failed)?;
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        if size > CONFIG_LIMIT {
            return Err(BundleError::TooLarge { bundle, size });
        }
        Ok(ConfigFile {
            text,
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
        })
    }

    /// Refuses a `config.json` that others than root and this user may write or exchange. Their own groups
    /// may: whoever made that mode has put those people in charge.
    pub fn refuse_exposed(&self, config: &ConfigFile) -> Result<(), BundleError> {
        let folder = self.dir.metadata().map_err(|source| BundleError::Open {
            path: self.path.clone(),
            source,
        })?;
        let (uid, gid, mode) = (folder.uid(), folder.gid(), folder.mode() & 0o7777);
        refuse(&self.path, uid, gid, mode)?;
        refuse(&self.path.join(NAME), config.uid, config.gid, config.mode)
    }

    /// Puts `text` in the place of `config.json`, with the mode and owner that `old` had.
    pub fn replace(&self, old: &ConfigFile, text: &[u8]) -> Result<(), BundleError> {
        let name = format!(".{NAME}.kerf-{}", process::id());
        let written = self.write_new(&name, old, text);
        let replaced = written.and_then(|()| sys::rename_in(self.dir.as_fd(), &name, NAME));
        replaced.map_err(|source| {
            // Best effort: the launch fails with the first error, and the engine removes the bundle.
            drop(sys::unlink_in(self.dir.as_fd(), &name));
            BundleError::Replace {
                bundle: self.path.clone(),
                source,
            }
        })
    }

    fn write_new(&self, name: &str, old: &ConfigFile, text: &[u8]) -> io::Result<()> {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
        let open = || sys::open_in(self.dir.as_fd(), name, flags, 0o600);
        let mut file = match open() {
            // Left by a killed shim whose pid came around again: the name is ours alone.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                sys::unlink_in(self.dir.as_fd(), name)?;
                open()?
            }
            opened => opened?,
        };
        let ours = file.metadata()?;
        if (ours.uid(), ours.gid()) != (old.uid, old.gid) {
            fchown(&file, Some(old.uid), Some(old.gid))?;
        }
        file.set_permissions(Permissions::from_mode(old.mode))?;
        file.write_all(text)
    }
}
