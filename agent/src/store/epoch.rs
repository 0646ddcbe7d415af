//! The store epoch: it grows whenever the store may have forgotten something.
//!
//! It stands in the database and in `state.epoch` beside it. A database whose epoch is lower than the
//! file's, or whose grants are fewer than what a runtime has already seen, is a restored backup.

use std::path::Path;

use kerf_types::Fence;
use rusqlite::Connection;

use super::{Origin, StoreError, read_meta, write_meta};

/// Decides the epoch to go on with, and writes it down in both places.
pub fn settle(
    connection: &Connection,
    folder: &Path,
    origin: &mut Origin,
    highest_fence: Fence,
) -> Result<u16, StoreError> {
    let path = folder.join("state.epoch");
    let beside = read_file(&path)?;
    let inside = read_meta(connection, "epoch")?.map(narrow);
    let seen = narrow(highest_fence.0 >> Fence::COUNTER_BITS);
    let highest = beside.unwrap_or(0).max(inside.unwrap_or(0)).max(seen);
    let counter = read_meta(connection, "fence")?.unwrap_or(0);
    let granted = Fence::new(inside.unwrap_or(0), counter);
    if inside.is_none() && (beside.is_some() || seen > 0) && *origin == Origin::Kept {
        *origin = Origin::Lost;
    }
    let behind = inside.is_some() && (inside < Some(highest) || granted < highest_fence);
    if behind && *origin == Origin::Kept {
        *origin = Origin::RolledBack;
    }
    let epoch = if inside.is_some() && *origin == Origin::Kept {
        highest
    } else {
        highest.saturating_add(1)
    };
    // Nothing is written where nothing changes, so that kerfd starts on a full disk.
    if beside != Some(epoch) {
        write_file(&path, epoch)?;
    }
    if inside != Some(epoch) {
        write_meta(connection, "epoch", u64::from(epoch))?;
    }
    Ok(epoch)
}

fn narrow(epoch: u64) -> u16 {
    u16::try_from(epoch).unwrap_or(u16::MAX)
}

fn read_file(path: &Path) -> Result<Option<u16>, StoreError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes the file so that a crash leaves the old or the new number, and both before any grant is made.
fn write_file(path: &Path, epoch: u16) -> Result<(), StoreError> {
    crate::files::replace(
        path,
        format!("{epoch}\n").as_bytes(),
        crate::files::Durability::Synced,
    )
    .map_err(|source| StoreError::Io {
        path: path.to_owned(),
        source,
    })
}
