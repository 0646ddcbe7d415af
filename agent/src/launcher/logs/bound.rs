//! Bounds what a log takes of the disk. What is cut is its beginning: how a job ends is what people look for.
//!
//! The shim has the file open and appends to it, so the file is neither renamed nor copied: its oldest blocks
//! are given back to the file system and a hole remains, of which no byte is on the disk. Readers see a line
//! that says so in its place. Where the file system makes no holes the log begins anew.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use kerf_types::Bytes;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::{Whence, lseek};

use super::super::error::LauncherError;
use super::{stderr, stdout};

/// Holes are made of whole blocks; the largest that file systems use here.
const BLOCK: u64 = 64 << 10;

/// Cuts both logs of a job that are over their share of `limit`. A quarter is cut at least, so that a job
/// which prints all the time is not cut all the time.
///
/// # Errors
/// When a log cannot be opened or cut.
pub fn bound(log_dir: &Path, limit: Bytes) -> Result<(), LauncherError> {
    let share = limit.0 / 2;
    for path in [stdout(log_dir), stderr(log_dir)] {
        match cut(&path, share) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(LauncherError::io("cut the log", path)(error)),
            Ok(()) => {}
        }
    }
    Ok(())
}

fn cut(path: &Path, share: u64) -> io::Result<()> {
    let length = path.metadata()?.len();
    if length <= share {
        return Ok(());
    }
    let mut file = File::options().read(true).append(true).open(path)?;
    let from = data_from(file.as_fd(), 0).unwrap_or(0);
    if length - from <= share {
        return Ok(());
    }
    let hole = (length - share / 4 * 3) / BLOCK * BLOCK;
    if hole <= from {
        return Ok(());
    }
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    match fallocate(&file, flags, 0, hole.cast_signed()) {
        Ok(()) => Ok(()),
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => {
            file.set_len(0)?;
            file.write_all(&marker(length))
        }
        Err(error) => Err(error.into()),
    }
}

/// Where the next byte of a file lies that is not in a hole; the cursor of the file stands there then. `None`
/// behind the last one, or where the file system does not tell; the cursor stands at `position` then.
pub(super) fn data_from(file: BorrowedFd<'_>, position: u64) -> Option<u64> {
    match lseek(file, position.cast_signed(), Whence::SeekData) {
        Ok(data) => Some(data.cast_unsigned()),
        Err(_) => {
            // What cannot be sought cannot be read either, and the read tells.
            lseek(file, position.cast_signed(), Whence::SeekSet).ok()?;
            None
        }
    }
}

/// What readers see in the place of a hole.
pub(super) fn marker(bytes: u64) -> Vec<u8> {
    format!("[kerf: {bytes} bytes of output were cut here, the bound is launch.log_limit]\n")
        .into_bytes()
}

/// What the files of a job take of the disk.
pub fn usage(log_dir: &Path) -> u64 {
    let entries = std::fs::read_dir(log_dir).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| entry.metadata().ok());
    // In units of 512 bytes, whatever the block of the file system is (stat(2)).
    files.map(|file| file.blocks() * 512).sum()
}
