//! The last fence: a grant older than one already used for the same devices is refused.
//!
//! A kerfd that was stopped in the middle of a launch and wakes up after another one has taken its place may
//! still answer on the old connection. Its fence is lower than the one that was used since, and that is what
//! is seen here. The highest fence of each set of devices stands in a file under `<socket's folder>/fences`,
//! which a reboot clears together with all containers.
//!
//! One number per set of devices and not one for the host: of two launches that are granted at the same
//! time either may come first here, and a lease that was made early may be used late. Both are right, and a
//! single number would refuse one of them.

#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::frame::{DeviceNode, Grant};
use crate::sys;

/// How long another shim may hold a file. It holds it for one read and one write of 21 bytes, so a longer
/// wait means a stopped process, and a launch must not hang on that.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// A grant that is too old, or a memory that cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// A newer grant was used for these devices.
    #[error("the grant is out of date: its fence {fence} is lower than {highest}, seen in {}", file.display())]
    Stale {
        /// Fence of the grant.
        fence: u64,
        /// Highest fence seen.
        highest: u64,
        /// Where it is remembered.
        file: PathBuf,
    },
    /// The folder or the file cannot be used.
    #[error("the fence file {} cannot be used", file.display())]
    File {
        /// Folder or file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file belongs to another user, or holds no number.
    #[error("the fence file {} is not one of kerf-runtime's", file.display())]
    Foreign {
        /// Folder or file.
        file: PathBuf,
    },
    /// Another process holds the file.
    #[error("the fence file {} stays locked by another process", file.display())]
    Locked {
        /// The file.
        file: PathBuf,
    },
}

/// Refuses `grant` if its devices were used under a higher fence, else remembers its fence.
///
/// `run_dir` is the folder of kerfd's socket. A grant without devices has nothing to fence.
pub fn pass(run_dir: &Path, grant: &Grant) -> Result<(), FenceError> {
    if grant.devices.is_empty() {
        return Ok(());
    }
    let folder = run_dir.join("fences");
    let path = folder.join(key(&grant.devices));
    let mut file = open(&folder, &path)?;
    lock(&file, &path)?;
    let highest = read(&mut file, &path)?;
    if grant.fence < highest {
        return Err(FenceError::Stale {
            fence: grant.fence,
            highest,
            file: path,
        });
    }
    if grant.fence > highest {
        let digits = format!("{:020}\n", grant.fence);
        // Always 21 bytes in one write over the old ones: a killed shim leaves the old number or the new.
        let written = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(digits.as_bytes()));
        written.map_err(|source| failed(&path, source))?;
    }
    Ok(())
}

/// A file name for a set of devices: FNV-1a over its sorted numbers. Two sets with one hash would share a
/// number, which can refuse a launch and never allow one.
fn key(devices: &[DeviceNode]) -> String {
    let mut numbers: Vec<(u32, u32)> = devices.iter().map(|d| (d.major, d.minor)).collect();
    numbers.sort_unstable();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for (major, minor) in numbers {
        for byte in major.to_be_bytes().into_iter().chain(minor.to_be_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

fn open(folder: &Path, path: &Path) -> Result<File, FenceError> {
    let open = || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.mode(0o600).custom_flags(libc::O_NOFOLLOW);
        options.open(path)
    };
    let file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(folder).map_err(|source| failed(folder, source))?;
            open()
        }
        opened => opened,
    };
    let file = file.map_err(|source| failed(path, source))?;
    let of_folder = fs::symlink_metadata(folder).map_err(|source| failed(folder, source))?;
    let of_file = file.metadata().map_err(|source| failed(path, source))?;
    let us = sys::effective_uid();
    let is_ours = |uid: u32, mode: u32| uid == us && mode & 0o022 == 0;
    if !of_file.is_file() || !is_ours(of_file.uid(), of_file.mode()) {
        return Err(FenceError::Foreign {
            file: path.to_owned(),
        });
    }
    if !of_folder.is_dir() || !is_ours(of_folder.uid(), of_folder.mode()) {
        return Err(FenceError::Foreign {
            file: folder.to_owned(),
        });
    }
    Ok(file)
}

fn make(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn lock(file: &File, path: &Path) -> Result<(), FenceError> {
    let until = Instant::now() + LOCK_LIMIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => return Err(failed(path, source)),
            Err(TryLockError::WouldBlock) if Instant::now() > until => {
                return Err(FenceError::Locked {
                    file: path.to_owned(),
                });
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// The number in the file; an empty file was made and not yet written, so it has none.
fn read(file: &mut File, path: &Path) -> Result<u64, FenceError> {
    let mut digits = String::new();
    let read = file.take(32).read_to_string(&mut digits);
    read.map_err(|source| failed(path, source))?;
    if digits.is_empty() {
        return Ok(0);
    }
    digits.trim_end().parse().map_err(|_| FenceError::Foreign {
        file: path.to_owned(),
    })
}

fn failed(file: &Path, source: io::Error) -> FenceError {
    FenceError::File {
        file: file.to_owned(),
        source,
    }
}
