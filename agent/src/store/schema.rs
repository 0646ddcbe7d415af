//! Opening the database file, its migrations, and telling damage from trouble.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kerf_types::Timestamp;
use rusqlite::{Connection, ErrorCode};

use super::{Doing, StoreError};

/// Each entry brings the schema one version further; an entry is never changed once it has been released.
pub(super) const MIGRATIONS: [&str; 8] = [
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
    // Where a job's members are, and what was said of each host when it was placed: both JSON. What a container is
    // about stands with the member that runs on this host; a job that had one had one member. A job without a lease
    // gets its own id for one. `fleet` is what the scheduler's core remembers.
    "
ALTER TABLE jobs ADD COLUMN placed TEXT;
ALTER TABLE jobs ADD COLUMN explanation TEXT;
CREATE TABLE runs (
    job TEXT NOT NULL,
    member INTEGER NOT NULL,
    document TEXT NOT NULL,
    log_bytes INTEGER NOT NULL,
    end_number INTEGER,
    PRIMARY KEY (job, member)
) STRICT;
INSERT INTO runs SELECT jobs.id, 0, json_object(
    'version', 1, 'job', jobs.id, 'attempt', restarts + 1, 'member', 0, 'coordinator', NULL,
    'uid', uid, 'gid', gid, 'admin', json(iif(admin, 'true', 'false')),
    'spec', iif(ended_ms IS NULL, spec, ''), 'container', container,
    'lease', coalesce(lease, jobs.id), 'fence', coalesce(leases.fence, 0),
    'state', iif(ended_ms IS NOT NULL, 'ended', iif(jobs.state = 'running', 'running', 'starting')),
    'exit_code', exit_code, 'timed_out', json('false'), 'reason', reason, 'started_ms', started_ms,
    'runs_since', json(iif(runs_since_boot IS NULL, 'null', json_array(runs_since_boot, runs_since_ms))),
    'stopping', json(iif(stopping_cause IS NULL, 'null',
        json_array(stopping_cause, coalesce(runs_since_boot, ''), stopping_ms))),
    'log_bytes', log_bytes
), log_bytes, end_number FROM jobs LEFT JOIN leases ON leases.id = jobs.lease WHERE container IS NOT NULL;
ALTER TABLE jobs DROP COLUMN runs_since_boot;
ALTER TABLE jobs DROP COLUMN runs_since_ms;
ALTER TABLE jobs DROP COLUMN stopping_cause;
ALTER TABLE jobs DROP COLUMN stopping_ms;
ALTER TABLE jobs DROP COLUMN log_bytes;
CREATE TABLE fleet (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT;
",
    // What was done to the GPUs, and the layout that they are to have after the next boot; both JSON.
    "
CREATE TABLE history (number INTEGER PRIMARY KEY AUTOINCREMENT, document TEXT NOT NULL) STRICT;
CREATE TABLE layout (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), document TEXT NOT NULL) STRICT;
",
    // What somebody works on, so that a kerfd that starts meanwhile leaves the driver alone; JSON.
    "
CREATE TABLE maintenance (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), document TEXT NOT NULL) STRICT;
",
    // vGPUs that kerf made, by the fence that each has; JSON.
    "
CREATE TABLE vgpus (fence INTEGER PRIMARY KEY, document TEXT NOT NULL) STRICT;
",
    // What leases have used; the moment of the boot in which each began, the rest JSON.
    "
CREATE TABLE usage (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    lease TEXT NOT NULL UNIQUE,
    boot TEXT NOT NULL,
    began_ms INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
",
    // Whether several hosts keep a job. One of before this version is kept here alone.
    "
ALTER TABLE jobs ADD COLUMN shared INTEGER NOT NULL DEFAULT 0;
",
];

/// Pages of the journal with which SQLite brings it in itself, in the middle of a commit: kerfd does so before
/// ([`super::flush`]).
const JOURNAL_PAGES: u32 = 4_000;

/// Opens a file and brings its schema up to date.
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path).doing("open")?;
    prepare(&connection, "FULL")?;
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

/// Opens a file whose schema is up to date for commits that are not flushed.
pub fn open_quick(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path).doing("open once more")?;
    prepare(&connection, "NORMAL")?;
    Ok(connection)
}

/// What holds for each connection.
fn prepare(connection: &Connection, synchronous: &str) -> Result<(), StoreError> {
    connection
        .busy_timeout(Duration::from_secs(5))
        .doing("set its lock time")?;
    connection
        .pragma_update(None, "synchronous", synchronous)
        .doing("set its durability")?;
    connection
        .pragma_update(None, "wal_autocheckpoint", JOURNAL_PAGES)
        .doing("bound its journal")
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
