//! The last fence: a grant older than one already used for the same devices is refused.
//!
//! A kerfd that was stopped in the middle of a launch and wakes up after another one has taken its place may
//! still answer on the old connection. Its fence is lower than the one that was used since, and that is what
//! is seen here. The highest fence of each set of devices stands in a file under `<socket's folder>/fences`,
//! which a reboot clears together with all containers.
//!
//! One number per set of devices and not one for the host: of two launches that are granted at the same
//! time either may come first here, and a lease that was made early may be used late. Both are right, and a
//! single number would refuse one of them. The highest of all is written down beside, in [`HIGHEST`], where
//! a kerfd that lost its store reads how far its fences had come; it refuses nothing.

#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::frame::{DeviceNode, Grant};
use crate::sys;

/// Name of the file with the highest fence of all, in kerfd's run folder.
pub const HIGHEST: &str = "runtime.fence";

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
    if !grant.devices.is_empty() {
        let folder = run_dir.join("fences");
        let file = folder.join(key(&grant.devices));
        let highest = match raise(&file, grant.fence) {
            Err(FenceError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                make(&folder).map_err(|source| failed(&folder, source))?;
                raise(&file, grant.fence)?
            }
            raised => raised?,
        };
        check_folder(&folder)?;
        if grant.fence < highest {
            return Err(FenceError::Stale {
                fence: grant.fence,
                highest,
                file,
            });
        }
    }
    raise(&run_dir.join(HIGHEST), grant.fence).map(drop)
}

/// Makes the number in `path` at least `fence` and gives the higher one.
fn raise(path: &Path, fence: u64) -> Result<u64, FenceError> {
    let mut file = open(path)?;
    lock(&file, path)?;
    let highest = read(&mut file, path)?;
    if fence > highest {
        let digits = format!("{fence:020}\n");
        // Always 21 bytes in one write over the old ones: a killed shim leaves the old number or the new.
        let written = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(digits.as_bytes()));
        written.map_err(|source| failed(path, source))?;
    }
    Ok(highest.max(fence))
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

fn open(path: &Path) -> Result<File, FenceError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let file = options.open(path).map_err(|source| failed(path, source))?;
    let metadata = file.metadata().map_err(|source| failed(path, source))?;
    match metadata.is_file() && is_ours(&metadata) {
        true => Ok(file),
        false => Err(FenceError::Foreign {
            file: path.to_owned(),
        }),
    }
}

fn check_folder(folder: &Path) -> Result<(), FenceError> {
    let metadata = fs::symlink_metadata(folder).map_err(|source| failed(folder, source))?;
    match metadata.is_dir() && is_ours(&metadata) {
        true => Ok(()),
        false => Err(FenceError::Foreign {
            file: folder.to_owned(),
        }),
    }
}

fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == sys::effective_uid() && metadata.mode() & 0o022 == 0
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
