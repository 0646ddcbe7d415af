//! The deadline file: what kerfd writes and the fence reads.
//!
//! It is written over in place and not replaced, because the fence's lock is on the file and not on its name:
//! after a rename kerfd would find the new file free and the fence would go on reading the old one. A reader in
//! the middle of a write may see a part of both numbers, so the number stands there twice, and two that differ are
//! none. The file is over once it has no name any more.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

/// Digits of the largest number.
const DIGITS: usize = 20;

/// Length of a deadline in its file; always the same, so that every write covers the one before it.
const LENGTH: usize = 2 * DIGITS + 2;

/// What a look into the file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The deadline, in milliseconds of `CLOCK_BOOTTIME`.
    At(u64),
    /// No deadline can be made out; the one that was read before holds.
    Unclear,
    /// The file has been removed: there is nothing to guard any more.
    Over,
}

/// Writes a deadline over the one before it.
///
/// # Errors
/// When the file cannot be written.
pub fn write(file: &File, deadline_ms: u64) -> io::Result<()> {
    let digits = format!("{deadline_ms:020} {deadline_ms:020}\n");
    file.write_all_at(digits.as_bytes(), 0)
}

/// Reads the deadline.
pub fn read(file: &File) -> Reading {
    if file.metadata().is_ok_and(|metadata| metadata.nlink() == 0) {
        return Reading::Over;
    }
    let mut text = [0; LENGTH];
    match file.read_exact_at(&mut text, 0) {
        Ok(()) => parse(&text).map_or(Reading::Unclear, Reading::At),
        Err(_) => Reading::Unclear,
    }
}

fn parse(text: &[u8; LENGTH]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
    let (first, second) = text.split_once(' ')?;
    let digits = first.len() == DIGITS && first.bytes().all(|byte| byte.is_ascii_digit());
    (digits && first == second).then(|| first.parse().ok())?
}
