//! Members of jobs that run or ran on this host, as rows: what kerfd must know of a container to take it up
//! again, and how the last ones ended.

mod document;
#[cfg(test)]
mod tests;

use kerf_types::job::JobSpec;
use kerf_types::peer::{Exit, Grant, Tag, Term};
use kerf_types::{HostId, JobId, Timestamp};
use rusqlite::Row;

pub use document::RunDocument;

use super::jobs::{JobStore, Stopping};
use super::{Doing, StoreError};
use crate::launcher::Submitter;
use crate::process::BootMoment;

/// One member on this host. Of several attempts at it the newest is kept: it begins when the one before is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Which.
    pub tag: Tag,
    /// The host that the job was submitted to; `None` for this one.
    pub coordinator: Option<HostId>,
    /// In which term that host coordinates it.
    pub term: Term,
    /// Hosts of which one goes on with the job when that one is dead: kept here, so that a host that has lost what its
    /// scheduler knew speaks to them.
    pub keepers: Vec<HostId>,
    /// Whose job it is.
    pub submitter: Submitter,
    /// The canonical `kerf.v1.JobSpec` document; empty once it has ended.
    pub spec: String,
    /// Its container in kerf's namespace.
    pub container: String,
    /// What it was granted. A job without accelerators has a grant that no lease stands behind.
    pub grant: Grant,
    /// Where it is.
    pub state: RunState,
    /// When its container started.
    pub started: Option<Timestamp>,
    /// Since when its container runs, for its time limit.
    pub runs_since: Option<BootMoment>,
    /// Why its container is being ended and until when it may end by itself.
    pub stopping: Option<Stopping>,
    /// What its logs took of the disk when it ended.
    pub log_bytes: u64,
}

/// Where a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// Its container is being made.
    Starting,
    /// Its container runs.
    Running,
    /// Its container has ended.
    Ended(Exit),
    /// It was not made.
    NotStarted,
}

/// The key of a member's row.
pub type RunKey = (JobId, u32);

/// Every member that the store has.
#[derive(Debug, Default)]
pub struct RunRows {
    /// Those that can be read, with the description of those that go on.
    pub rows: Vec<(RunRow, Option<JobSpec>)>,
    /// Those that cannot, each with what is wrong.
    pub unreadable: Vec<(String, String)>,
}

/// What is kept of members that have ended: the newest, up to each of these bounds.
#[derive(Debug, Clone, Copy)]
pub struct KeptRuns {
    /// How many.
    pub runs: u32,
    /// What their logs take of the disk.
    pub log_bytes: u64,
}

impl RunRow {
    /// Its key.
    pub fn key(&self) -> RunKey {
        (self.tag.job, self.tag.member)
    }

    /// Whether its container may be alive.
    pub fn is_active(&self) -> bool {
        matches!(self.state, RunState::Starting | RunState::Running)
    }
}

impl JobStore {
    /// Every member. One that cannot be read does not hide the others.
    pub fn runs(&self) -> Result<RunRows, StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT job, document FROM runs ORDER BY job, member")
            .doing("read members of jobs")?;
        let texts = statement
            .query_map([], |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?)))
            .doing("read members of jobs")?;
        let mut runs = RunRows::default();
        for text in texts {
            let (job, text): (String, String) = text.doing("read members of jobs")?;
            match RunDocument::read(&text) {
                Ok(run) => runs.rows.push(run),
                Err(error) => runs.unreadable.push((job, crate::errors::chain(&error))),
            }
        }
        Ok(runs)
    }

    /// Writes a member, new or changed. One that ends gets the next number of ends.
    pub fn put_run(&mut self, run: &RunRow) -> Result<(), StoreError> {
        let number = if run.is_active() {
            "NULL"
        } else {
            "(SELECT coalesce(max(end_number), 0) + 1 FROM runs)"
        };
        let query = format!(
            "INSERT INTO runs (job, member, document, log_bytes, end_number) VALUES (?1, ?2, ?3, ?4, {number}) \
             ON CONFLICT (job, member) DO UPDATE SET document = excluded.document, \
             log_bytes = excluded.log_bytes, end_number = excluded.end_number"
        );
        let values = (
            run.tag.job.to_string(),
            run.tag.member,
            RunDocument::text(run),
            run.log_bytes.cast_signed(),
        );
        let _turn = self.turns.take();
        self.connection
            .prepare_cached(&query)
            .and_then(|mut statement| statement.execute(values))
            .doing("write a member of a job")?;
        Ok(())
    }

    /// Forgets ended members beyond what is kept, those that ended first before all others; returns the forgotten
    /// ones. The one that ended last always stays: somebody may just ask.
    pub fn prune_runs(&mut self, keep: KeptRuns) -> Result<Vec<RunKey>, StoreError> {
        let mut statement = self
            .connection
            .prepare(
                "DELETE FROM runs WHERE (job, member) IN (SELECT job, member FROM (SELECT job, member, \
                 row_number() OVER newest AS place, sum(log_bytes) OVER newest AS logs \
                 FROM runs WHERE end_number IS NOT NULL \
                 WINDOW newest AS (ORDER BY end_number DESC)) \
                 WHERE place > ?1 OR (place > 1 AND logs > ?2)) RETURNING job, member",
            )
            .doing("forget old members")?;
        let keys = statement
            .query_map((keep.runs, keep.log_bytes.cast_signed()), |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?))
            })
            .doing("forget old members")?;
        let mut forgotten = Vec::new();
        for key in keys {
            let (job, member) = key.doing("forget old members")?;
            forgotten.extend(job.parse().ok().map(|job: JobId| (job, member)));
        }
        Ok(forgotten)
    }
}
