//! Jobs as rows, over a connection of their own: jobs come and go without waiting for a driver call that
//! the owner of the first connection is in.

use std::path::Path;

use kerf_types::job::JobState;
use kerf_types::{JobId, LeaseId, Timestamp};
use rusqlite::{Connection, Row};

use super::{Doing, Store, StoreError, schema};

/// A job as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// Who submitted it.
    pub uid: u32,
    /// The canonical `kerf.v1.JobSpec` document.
    pub spec: String,
    /// Its SHA-256 in hex.
    pub spec_hash: String,
    /// State.
    pub state: JobState,
    /// Why it is in that state, for people.
    pub reason: String,
    /// Exit code of its container.
    pub exit_code: Option<i32>,
    /// Its container in kerf's namespace.
    pub container: Option<String>,
    /// Its lease.
    pub lease: Option<LeaseId>,
    /// When it was submitted.
    pub submitted: Timestamp,
    /// When its container started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How often it was started again.
    pub restarts: u32,
    /// Whether somebody asked for its end.
    pub cancel_requested: bool,
}

const COLUMNS: &str = "id, uid, spec, spec_hash, state, reason, exit_code, container, lease, \
                       submitted_ms, started_ms, ended_ms, restarts, cancel_requested";

/// The jobs' part of the store.
#[derive(Debug)]
pub struct JobStore {
    connection: Connection,
}

impl Store {
    /// A second connection, for jobs.
    pub fn jobs(&self) -> Result<JobStore, StoreError> {
        let path = self.connection.path().unwrap_or_default();
        Ok(JobStore {
            connection: schema::open(Path::new(path))?,
        })
    }
}

impl JobStore {
    /// Every job, in the order of submission.
    pub fn all(&self) -> Result<Vec<JobRow>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM jobs ORDER BY submitted_ms, id");
        let mut statement = self.connection.prepare(&query).doing("read jobs")?;
        let rows = statement
            .query_map([], |row| Ok(read(row)))
            .doing("read jobs")?;
        let mut jobs = Vec::new();
        for row in rows {
            match row.doing("read jobs")? {
                Ok(job) => jobs.push(job),
                Err(error) => {
                    let error = crate::errors::chain(&error);
                    tracing::error!(error, "unreadable job left out");
                }
            }
        }
        Ok(jobs)
    }

    /// Writes a job, new or changed.
    pub fn put_job(&mut self, job: &JobRow) -> Result<(), StoreError> {
        let query = format!(
            "INSERT OR REPLACE INTO jobs ({COLUMNS}) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
        );
        let ms = |time: Option<Timestamp>| time.map(|time| time.0.cast_signed());
        self.connection
            .execute(
                &query,
                (
                    job.id.to_string(),
                    job.uid,
                    &job.spec,
                    &job.spec_hash,
                    job.state.as_str(),
                    &job.reason,
                    job.exit_code,
                    &job.container,
                    job.lease.map(|lease| lease.to_string()),
                    job.submitted.0.cast_signed(),
                    ms(job.started),
                    ms(job.ended),
                    job.restarts,
                    job.cancel_requested,
                ),
            )
            .doing("write a job")?;
        Ok(())
    }

    /// Forgets ended jobs beyond the newest `keep`, so that the store does not grow for ever; returns the
    /// forgotten ones.
    pub fn prune_jobs(&mut self, keep: u32) -> Result<Vec<JobId>, StoreError> {
        let mut statement = self
            .connection
            .prepare(
                "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE ended_ms IS NOT NULL \
                 ORDER BY ended_ms DESC LIMIT -1 OFFSET ?1) RETURNING id",
            )
            .doing("forget old jobs")?;
        let ids = statement
            .query_map([keep], |row| row.get::<_, String>(0))
            .doing("forget old jobs")?;
        let bad = |error: kerf_types::ParseError| StoreError::Row {
            what: "job",
            why: error.to_string(),
        };
        ids.map(|id| id.doing("forget old jobs")?.parse().map_err(bad))
            .collect()
    }
}

fn read(row: &Row<'_>) -> Result<JobRow, StoreError> {
    let doing = "read a job";
    let bad = |why: String| StoreError::Row { what: "job", why };
    let time = |index: usize| -> Result<Option<Timestamp>, StoreError> {
        let ms: Option<i64> = row.get(index).doing(doing)?;
        Ok(ms.map(|ms| Timestamp(ms.cast_unsigned())))
    };
    let id: String = row.get(0).doing(doing)?;
    let state: String = row.get(4).doing(doing)?;
    let lease: Option<String> = row.get(8).doing(doing)?;
    Ok(JobRow {
        id: id
            .parse()
            .map_err(|error: kerf_types::ParseError| bad(error.to_string()))?,
        uid: row.get(1).doing(doing)?,
        spec: row.get(2).doing(doing)?,
        spec_hash: row.get(3).doing(doing)?,
        state: JobState::ALL
            .into_iter()
            .find(|known| known.as_str() == state)
            .ok_or_else(|| bad(format!("state {state:?}")))?,
        reason: row.get(5).doing(doing)?,
        exit_code: row.get(6).doing(doing)?,
        container: row.get(7).doing(doing)?,
        lease: lease
            .map(|lease| lease.parse())
            .transpose()
            .map_err(|error: kerf_types::ParseError| bad(error.to_string()))?,
        submitted: time(9)?.unwrap_or_default(),
        started: time(10)?,
        ended: time(11)?,
        restarts: row.get(12).doing(doing)?,
        cancel_requested: row.get(13).doing(doing)?,
    })
}
