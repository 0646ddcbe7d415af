//! What the scheduler's core remembers over a crash, as rows.
//!
//! A batch of changes is one transaction, together with the jobs that end with it: no crash leaves a job that the
//! core has forgotten and people still see running.

mod document;
#[cfg(test)]
mod tests;

use kerf_scheduler::Saved;
use kerf_scheduler::core::Change;
use rusqlite::{Connection, Row};

use super::jobs::{self, JobRow, JobStore};
use super::{Doing, StoreError};
pub use document::{KEEPER_LIMIT, keeper_text, read_keeper};
use document::{Kind, Stored};

/// What was saved, and what of it cannot be read.
#[derive(Debug, Default)]
pub struct SavedRows {
    /// The rows.
    pub saved: Saved,
    /// Rows that cannot be read: what they are of, with what is wrong.
    pub unreadable: Vec<Unreadable>,
}

impl SavedRows {
    /// Takes in a row as it stands in the store, or notes that it cannot be read.
    pub fn add(&mut self, row: FleetRow) {
        let FleetRow { kind, key, text } = row;
        match document::read(&kind, &key, &text) {
            Ok(stored) => stored.add_to(&mut self.saved),
            Err(why) => self.unreadable.push(Unreadable { kind, key, why }),
        }
    }
}

/// A row as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetRow {
    /// What it is: a job, its register or a replica of it, a member, or what is known of attempts.
    pub kind: String,
    /// Its key among those of its kind.
    pub key: String,
    /// The document.
    pub text: String,
}

impl FleetRow {
    /// The row that a change writes; `None` for one that takes rows away.
    pub fn of(change: &Change) -> Option<Self> {
        let stored = match change {
            Change::PutJob(row) => Stored::Job(row.clone()),
            Change::PutDecision(job, decision) => Stored::Decision(*job, *decision),
            Change::PutMember(row) => Stored::Member(row.clone()),
            Change::PutMemory(job, memory) => Stored::Memory(*job, memory.clone()),
            Change::PutRegister(job, row) => Stored::Register(*job, row.clone()),
            Change::EndJob(..)
            | Change::LeaveJob(_)
            | Change::DropMember(_)
            | Change::DropMemory(_)
            | Change::DropRegister(_) => return None,
        };
        Some(Self {
            kind: stored.kind().as_str().to_owned(),
            key: stored.key(),
            text: stored.text(),
        })
    }
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What it is: a job, its register or a replica of it, a member, or what is known of attempts.
    pub kind: String,
    /// Its key: the job's id, and for a member what follows it.
    pub key: String,
    /// What is wrong.
    pub why: String,
}

impl Unreadable {
    /// The job that it is of.
    pub fn job(&self) -> &str {
        self.key.split('/').next().unwrap_or_default()
    }
}

impl JobStore {
    /// Everything that the core has saved. A row that cannot be read does not hide the others.
    pub fn saved(&self) -> Result<SavedRows, StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT kind, key, document FROM fleet")
            .doing("read what the scheduler knows")?;
        let rows = statement
            .query_map([], |row: &Row<'_>| {
                Ok(FleetRow {
                    kind: row.get(0)?,
                    key: row.get(1)?,
                    text: row.get(2)?,
                })
            })
            .doing("read what the scheduler knows")?;
        let mut all = SavedRows::default();
        for row in rows {
            all.add(row.doing("read what the scheduler knows")?);
        }
        Ok(all)
    }

    /// Makes all changes and writes these jobs, or does nothing.
    pub fn save(&mut self, changes: &[Change], ended: &[JobRow]) -> Result<(), StoreError> {
        let doing = "write what the scheduler knows";
        let _turn = self.turns.take();
        let transaction = self.connection.transaction().doing(doing)?;
        for change in changes {
            make(&transaction, change).doing(doing)?;
        }
        for job in ended {
            jobs::put(&transaction, job)?;
        }
        transaction.commit().doing(doing)
    }
}

fn make(connection: &Connection, change: &Change) -> rusqlite::Result<()> {
    if let Some(row) = FleetRow::of(change) {
        let query = "INSERT INTO fleet (kind, key, document) VALUES (?1, ?2, ?3) \
                     ON CONFLICT (kind, key) DO UPDATE SET document = excluded.document";
        let mut statement = connection.prepare_cached(query)?;
        statement.execute((row.kind, row.key, row.text))?;
    }
    let drop_row = |kind: Kind, key: String| {
        let query = "DELETE FROM fleet WHERE kind = ?1 AND key = ?2";
        let mut statement = connection.prepare_cached(query)?;
        statement.execute((kind.as_str(), key)).map(drop)
    };
    match change {
        Change::EndJob(job, _) => {
            drop_row(Kind::Job, job.to_string())?;
            drop_row(Kind::Decision, job.to_string())
        }
        Change::DropMember(tag) => drop_row(Kind::Member, document::tag_key(*tag)),
        Change::DropMemory(job) => drop_row(Kind::Memory, job.to_string()),
        Change::DropRegister(job) => drop_row(Kind::Register, job.to_string()),
        Change::LeaveJob(job) => drop_row(Kind::Job, job.to_string()),
        Change::PutJob(_)
        | Change::PutDecision(..)
        | Change::PutMember(_)
        | Change::PutMemory(..)
        | Change::PutRegister(..) => Ok(()),
    }
}
