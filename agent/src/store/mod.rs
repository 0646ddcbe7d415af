//! The store: what kerfd must remember over a crash. SQLite, WAL, `synchronous = FULL`; what a boot ends anyhow is
//! written without a flush of the disk ([`flush`]).
//!
//! It is a cache of decisions, not of hardware: what exists is read from the driver. A store that cannot
//! be read is set aside and begun anew in a later *epoch*, which stands in the high bits of every fence, so
//! that nothing granted by the lost store is ever taken for newer.

mod epoch;
mod fence;
mod fleet;
mod flush;
mod history;
mod identity;
mod jobs;
mod layout;
mod leases;
mod maintenance;
mod only;
mod runs;
mod schema;
#[cfg(test)]
mod tests;
mod turns;
mod usage;
mod vgpu;
mod watch;
mod work;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kerf_types::{Fence, Timestamp};
use rusqlite::{Connection, ErrorCode, OptionalExtension};

pub use fleet::{FleetRow, KEEPER_LIMIT, SavedRows, Unreadable, keeper_text, read_keeper};
pub use history::HISTORY_KEPT;
pub use jobs::{JobRow, JobRows, JobStore, Kept, Placed, StopCause, Stopping};
pub use layout::{KeptLayout, UnreadPart, UnreadText};
pub use leases::{LeaseRow, PendingLaunch, is_flushed};
pub use maintenance::MaintenanceRow;
pub use runs::{KeptRuns, RunDocument, RunKey, RunRow, RunRows, RunState};
pub use usage::{USAGE_KEPT, UsageRow};
pub use vgpu::{VgpuRow, VgpuState};
pub use watch::Side;
pub use work::{Work, WorkRow};

/// A store operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or a file in it cannot be used.
    #[error("cannot use the store {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("the store failed to {operation}")]
    Sqlite {
        /// What was to be done.
        operation: &'static str,
        /// Why.
        source: rusqlite::Error,
    },
    /// A newer kerf has written it.
    #[error(
        "the store {} has schema {found}, this kerfd knows up to {known}: it was left untouched, \
         start the newer kerfd", path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The system gives no thread to write by.
    #[error("no thread can be started that writes to the store")]
    Thread(#[source] std::io::Error),
    /// The system gives no random numbers.
    #[error("no id can be drawn for this host")]
    Random(#[source] getrandom::Error),
    /// A row does not hold what this version wrote.
    #[error("the store holds a {what} that cannot be read: {why}")]
    Row {
        /// What the row is.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl StoreError {
    /// Whether the disk has no room left.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Sqlite { source: rusqlite::Error::SqliteFailure(failure, _), .. }
            if failure.code == ErrorCode::DiskFull)
    }
}

/// The jobs' part of the store, for all who write to it.
#[derive(Debug, Clone)]
pub struct SharedStore(Arc<Mutex<JobStore>>);

impl SharedStore {
    /// Shares a store.
    pub fn new(store: JobStore) -> Self {
        Self(Arc::new(Mutex::new(store)))
    }

    /// Waits for the others.
    pub fn lock(&self) -> MutexGuard<'_, JobStore> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives an SQLite error the name of what was to be done.
trait Doing<T> {
    fn doing(self, operation: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Sqlite { operation, source })
    }
}

/// How a store came to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was there and whole, or this is a new host.
    Kept,
    /// It could not be read, was moved to this path, and a new one was begun.
    Rebuilt {
        /// Where the unreadable one lies.
        quarantined: PathBuf,
        /// What was wrong with it.
        why: String,
    },
    /// It was empty or gone on a host that has granted before: a new epoch was begun.
    Lost,
    /// It is older than what this host has already granted (a restored backup): a new epoch was begun.
    RolledBack,
}

/// The open store.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// The same file, for what is written without a flush.
    quick: Connection,
    epoch: u16,
    origin: Origin,
    /// The newest generation that was given out, and up to which they may be without another write.
    generation: u64,
    reserved: u64,
    fences: fence::Fences,
    /// Whether something was written without a flush since the journal was brought in last.
    is_unflushed: bool,
    watch: watch::Watch,
    turns: turns::Turns,
}

/// Generations that one write reserves. They change with every slice that is cut or goes; a write for each
/// would cost every launch a flush of the disk. A restart skips what is left of a block.
const GENERATION_BLOCK: u64 = 64;

/// Generations of one epoch of the store. A store that was lost or rolled back forgets which it gave out, so a
/// new epoch begins beyond all that the one before can have used: one a second would last thirty years.
const GENERATIONS_OF_AN_EPOCH: u64 = 1_000_000_000;

impl Store {
    /// Opens `<folder>/state.db`, makes it when it is absent, sets it aside when it cannot be read.
    ///
    /// `highest_fence` is the highest fence that somebody outside the store has seen.
    pub fn open(folder: &Path, now: Timestamp, highest_fence: Fence) -> Result<Self, StoreError> {
        let path = folder.join("state.db");
        std::fs::create_dir_all(folder).map_err(|source| StoreError::Io {
            path: folder.to_owned(),
            source,
        })?;
        let (connection, mut origin) = match schema::open(&path) {
            Ok(connection) => (connection, Origin::Kept),
            Err(error @ StoreError::Newer { .. }) => return Err(error),
            Err(error) if schema::is_damage(&error) => {
                let quarantined = schema::set_aside(&path, now)?;
                (
                    schema::open(&path)?,
                    Origin::Rebuilt {
                        quarantined,
                        why: crate::errors::chain(&error),
                    },
                )
            }
            Err(error) => return Err(error),
        };
        let epoch = epoch::settle(&connection, folder, &mut origin, highest_fence)?;
        let epochs_before = u64::from(epoch.saturating_sub(1));
        let reserved = read_meta(&connection, "generation")?
            .unwrap_or(0)
            .max(epochs_before * GENERATIONS_OF_AN_EPOCH);
        Ok(Self {
            quick: schema::open_quick(&path)?,
            fences: fence::Fences::read(&connection)?,
            is_unflushed: false,
            connection,
            epoch,
            origin,
            generation: reserved,
            reserved,
            watch: watch::Watch::default(),
            turns: turns::Turns::default(),
        })
    }

    /// How it came to be opened.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The epoch in force.
    pub fn epoch(&self) -> u16 {
        self.epoch
    }

    /// The next generation of the host's layout: larger than any before it, also over restarts.
    pub fn next_generation(&mut self) -> Result<u64, StoreError> {
        let next = self.generation + 1;
        if next > self.reserved {
            let reserved = self.generation + GENERATION_BLOCK;
            write_meta(&self.connection, "generation", reserved)?;
            self.reserved = reserved;
        }
        self.generation = next;
        Ok(next)
    }

    /// The newest generation that was given out; after a restart the highest that may have been.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Writes something that does not matter, to learn whether writes succeed.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        self.count("probe").map(drop)
    }

    fn count(&mut self, key: &str) -> Result<u64, StoreError> {
        let next = read_meta(&self.connection, key)?.unwrap_or(0) + 1;
        write_meta(&self.connection, key, next)?;
        Ok(next)
    }
}

fn read_meta(connection: &Connection, key: &str) -> Result<Option<u64>, StoreError> {
    let value: Option<i64> = connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
            row.get(0)
        })
        .optional()
        .doing("read a counter")?;
    Ok(value.map(i64::cast_unsigned))
}

fn write_meta(connection: &Connection, key: &str, value: u64) -> Result<(), StoreError> {
    let statement = "INSERT INTO meta (key, value) VALUES (?1, ?2) \
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    connection
        .prepare_cached(statement)
        .and_then(|mut statement| statement.execute((key, value.cast_signed())))
        .doing("write a counter")?;
    Ok(())
}
