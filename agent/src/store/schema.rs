//! Opening the database file, its migrations, and telling damage from trouble.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kerf_types::Timestamp;
use rusqlite::{Connection, ErrorCode};

use super::{Doing, StoreError};

/// Each entry brings the schema one version further; an entry is never changed once it has been released.
const MIGRATIONS: [&str; 2] = [
    "
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE leases (
    id TEXT PRIMARY KEY,
    fence INTEGER NOT NULL UNIQUE,
    state TEXT NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE TABLE work (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    document TEXT NOT NULL
) STRICT;
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    uid INTEGER NOT NULL,
    spec TEXT NOT NULL,
    spec_hash TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    exit_code INTEGER,
    container TEXT,
    lease TEXT,
    submitted_ms INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms INTEGER,
    restarts INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL
) STRICT;
",
    // `end_number` counts ends, so that what is forgotten first does not hang on the wall clock. Who submitted
    // a job before this version counts as nobody in particular: no group of its own, no admin.
    "
ALTER TABLE jobs ADD COLUMN gid INTEGER NOT NULL DEFAULT 65534;
ALTER TABLE jobs ADD COLUMN admin INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN runs_since_boot TEXT;
ALTER TABLE jobs ADD COLUMN runs_since_ms INTEGER;
ALTER TABLE jobs ADD COLUMN stopping_cause TEXT;
ALTER TABLE jobs ADD COLUMN stopping_ms INTEGER;
ALTER TABLE jobs ADD COLUMN log_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN end_number INTEGER;
UPDATE jobs SET admin = uid = 0;
UPDATE jobs SET end_number = numbered.number FROM (
    SELECT id, row_number() OVER (ORDER BY ended_ms, id) AS number FROM jobs WHERE ended_ms IS NOT NULL
) AS numbered WHERE jobs.id = numbered.id;
",
];

/// Opens a file and brings its schema up to date.
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path).doing("open")?;
    connection
        .busy_timeout(Duration::from_secs(5))
        .doing("set its lock time")?;
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .doing("read its version")?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    let check: String = connection
        .pragma_query_value(None, "quick_check", |row| row.get(0))
        .doing("check itself")?;
    if check != "ok" {
        return Err(StoreError::Row {
            what: "database page",
            why: check,
        });
    }
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .doing("set its journal")?;
    connection
        .pragma_update(None, "synchronous", "FULL")
        .doing("set its durability")?;
    let transaction = connection.transaction().doing("begin a migration")?;
    for (index, migration) in MIGRATIONS.iter().enumerate() {
        let version = i64::try_from(index).unwrap_or(i64::MAX) + 1;
        if version > found {
            transaction.execute_batch(migration).doing("migrate")?;
            transaction
                .pragma_update(None, "user_version", version)
                .doing("migrate")?;
        }
    }
    transaction.commit().doing("migrate")?;
    Ok(connection)
}

/// Whether an error means that the file's content is lost, and not that the disk or the rights are wrong.
pub fn is_damage(error: &StoreError) -> bool {
    match error {
        StoreError::Row { .. } => true,
        StoreError::Sqlite {
            source: rusqlite::Error::SqliteFailure(failure, _),
            ..
        } => {
            matches!(
                failure.code,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase
            )
        }
        _ => false,
    }
}

/// Moves an unreadable database and its journals out of the way, for a person to look at.
pub fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    let aside = path.with_extension(format!("db.corrupt-{}", now.0));
    for suffix in ["", "-wal", "-shm"] {
        let with = |base: &Path| {
            let mut name = base.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let from = with(path);
        if let Err(source) = std::fs::rename(&from, with(&aside))
            && source.kind() != std::io::ErrorKind::NotFound
        {
            return Err(StoreError::Io { path: from, source });
        }
    }
    Ok(aside)
}
