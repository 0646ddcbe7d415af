//! Jobs as rows, over a connection of their own: jobs come and go without waiting for a driver call that
//! the owner of the first connection is in.

mod placed;
mod row;
#[cfg(test)]
mod tests;

use std::path::Path;

use kerf_types::JobId;
use rusqlite::{Connection, params_from_iter};

pub use row::{JobRow, Placed, StopCause, Stopping};

use super::turns::Turns;
use super::{Doing, Store, StoreError, schema};

/// The jobs' part of the store.
#[derive(Debug)]
pub struct JobStore {
    pub(super) connection: Connection,
    /// Shared with the part of the store that the host's owner writes to.
    pub(super) turns: Turns,
}

/// Every job that the store has.
#[derive(Debug, Default)]
pub struct JobRows {
    /// In the order of submission.
    pub rows: Vec<JobRow>,
    /// Ids of rows that cannot be read, each with what is wrong.
    pub unreadable: Vec<(String, String)>,
}

/// What is kept of jobs that have ended: the newest, up to each of these bounds.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// How many.
    pub jobs: u32,
    /// What their specs take of the store and of kerfd's memory.
    pub spec_bytes: u64,
}

impl Store {
    /// A second connection, for jobs.
    pub fn jobs(&self) -> Result<JobStore, StoreError> {
        let path = self.connection.path().unwrap_or_default();
        Ok(JobStore {
            connection: schema::open(Path::new(path))?,
            turns: self.turns.clone(),
        })
    }
}

impl JobStore {
    /// Every job. One that cannot be read does not hide the others.
    pub fn all(&self) -> Result<JobRows, StoreError> {
        let query = format!(
            "SELECT {} FROM jobs ORDER BY submitted_ms, id",
            row::COLUMNS.join(", ")
        );
        let mut statement = self.connection.prepare(&query).doing("read jobs")?;
        let rows = statement
            .query_map([], |row| {
                Ok(row::read(row).map_err(|error| {
                    let id: String = row.get("id").unwrap_or_default();
                    (id, crate::errors::chain(&error))
                }))
            })
            .doing("read jobs")?;
        let mut jobs = JobRows::default();
        for row in rows {
            match row.doing("read jobs")? {
                Ok(job) => jobs.rows.push(job),
                Err(unreadable) => jobs.unreadable.push(unreadable),
            }
        }
        Ok(jobs)
    }

    /// Writes a job, new or changed. One that ends gets the next number of ends.
    pub fn put_job(&mut self, job: &JobRow) -> Result<(), StoreError> {
        let _turn = self.turns.take();
        let transaction = self.connection.transaction().doing("write a job")?;
        put(&transaction, job)?;
        transaction.commit().doing("write a job")
    }

    /// Forgets ended jobs beyond what is kept, those that ended first before all others, whatever the clock
    /// said then; returns the forgotten ones. The one that ended last always stays: somebody may just ask.
    pub fn prune_jobs(&mut self, keep: Kept) -> Result<Vec<JobId>, StoreError> {
        let mut statement = self
            .connection
            .prepare(
                "DELETE FROM jobs WHERE id IN (SELECT id FROM (SELECT id, \
                 row_number() OVER newest AS place, sum(length(spec)) OVER newest AS specs FROM jobs WHERE end_number IS NOT NULL \
                 WINDOW newest AS (ORDER BY end_number DESC)) \
                 WHERE place > ?1 OR (place > 1 AND specs > ?2)) RETURNING id",
            )
            .doing("forget old jobs")?;
        let bounds = (keep.jobs, keep.spec_bytes.cast_signed());
        let ids = statement
            .query_map(bounds, |row| row.get::<_, String>(0))
            .doing("forget old jobs")?;
        let mut forgotten = Vec::new();
        for id in ids {
            // A row whose very id cannot be read was never shown to anybody.
            forgotten.extend(id.doing("forget old jobs")?.parse::<JobId>().ok());
        }
        Ok(forgotten)
    }
}

/// Writes a job within a transaction.
pub(super) fn put(connection: &Connection, job: &JobRow) -> Result<(), StoreError> {
    let values: Vec<String> = (1..=row::COLUMNS.len())
        .map(|number| format!("?{number}"))
        .collect();
    let updates: Vec<String> = row::COLUMNS
        .iter()
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    let query = format!(
        "INSERT INTO jobs ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}",
        row::COLUMNS.join(", "),
        values.join(", "),
        updates.join(", ")
    );
    connection
        .prepare_cached(&query)
        .and_then(|mut statement| statement.execute(params_from_iter(job.columns())))
        .doing("write a job")?;
    if job.state.is_final() {
        connection
            .execute(
                "UPDATE jobs SET end_number = (SELECT coalesce(max(end_number), 0) + 1 FROM jobs) \
                 WHERE id = ?1 AND end_number IS NULL",
                [job.id.to_string()],
            )
            .doing("write a job")?;
    }
    Ok(())
}
