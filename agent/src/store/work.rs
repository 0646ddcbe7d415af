//! Work that was begun: the intent is written before the first driver call and removed after the last, so
//! that a kerfd that dies in between knows what to finish or to undo.

use kerf_types::{ParseError, SliceId};
use serde::{Deserialize, Serialize};

use super::{Doing, Store, StoreError};

/// One piece of begun work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A layout is being applied; after a crash it is planned again from what is there, and finished.
    Layout {
        /// Generation of the plan.
        generation: u64,
        /// The `kerf.v1.Layout` document.
        layout: String,
        /// Whether GPU resets were accepted.
        allow_reset: bool,
        /// MIG devices that may go although somebody uses them.
        #[serde(default)]
        force: Vec<String>,
        /// The same with the places of its plan, where these were known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        places: Option<String>,
        /// Its number in the history.
        #[serde(default)]
        history: Option<i64>,
    },
    /// A slice is being cut for a container; after a crash it is undone, since nobody has a lease for it.
    Cut {
        /// PCI address of the GPU.
        gpu: String,
        /// `start:size`.
        placement: String,
        /// The driver's profile id of the GPU instance.
        profile: u32,
        /// `start:size` in the GPU instance, where it is a part of one that is cut.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compute: Option<String>,
    },
    /// The MIG mode of an idle GPU is being changed for a container; after a crash it is taken back, unless
    /// somebody uses the GPU by then.
    Mode {
        /// PCI address of the GPU.
        gpu: String,
        /// The mode that it had.
        enabled: bool,
    },
    /// Virtual functions of a GPU are on for a vGPU that is being made, or was the last one; after a crash they are
    /// turned off, unless somebody uses them by then.
    Functions {
        /// PCI address of the GPU.
        gpu: String,
    },
}

impl Work {
    /// The slice that is being cut; `None` for a layout.
    pub fn slice(&self) -> Result<Option<SliceId>, ParseError> {
        let Self::Cut {
            gpu,
            placement,
            compute,
            ..
        } = self
        else {
            return Ok(None);
        };
        let compute = compute.as_ref().map(|part| part.parse());
        Ok(Some(SliceId {
            gpu: gpu.parse()?,
            placement: placement.parse()?,
            compute: compute.transpose()?,
        }))
    }
}

/// Begun work with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkRow {
    /// Its number in the store.
    pub number: i64,
    /// The work.
    pub work: Work,
}

impl Store {
    /// Writes down that work begins.
    pub fn begin_work(&mut self, work: &Work) -> Result<i64, StoreError> {
        let document = serde_json::to_string(work).map_err(|error| StoreError::Row {
            what: "piece of work",
            why: error.to_string(),
        })?;
        self.connection
            .execute("INSERT INTO work (document) VALUES (?1)", [document])
            .doing("write an intent")?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Writes down that work has ended, one way or the other.
    pub fn end_work(&mut self, number: i64) -> Result<(), StoreError> {
        self.connection
            .execute("DELETE FROM work WHERE number = ?1", [number])
            .doing("end an intent")?;
        Ok(())
    }

    /// Writes down that a layout is being applied, in place of any layout before it.
    pub fn begin_layout(&mut self, work: &Work) -> Result<i64, StoreError> {
        let earlier: Vec<i64> = self
            .open_work()?
            .into_iter()
            .filter(|row| matches!(row.work, Work::Layout { .. }))
            .map(|row| row.number)
            .collect();
        self.connection
            .execute_batch("BEGIN IMMEDIATE")
            .doing("begin a transaction")?;
        let outcome = earlier
            .iter()
            .try_for_each(|number| self.end_work(*number))
            .and_then(|()| self.begin_work(work));
        let end = if outcome.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        self.connection
            .execute_batch(end)
            .doing("end a transaction")?;
        outcome
    }

    /// Work that a kerfd before us did not end, oldest first. A row that cannot be read is left out: what it
    /// stood for shows in the hardware.
    pub fn open_work(&self) -> Result<Vec<WorkRow>, StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT number, document FROM work ORDER BY number")
            .doing("read intents")?;
        let rows = statement
            .query_map([], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
            })
            .doing("read intents")?;
        let mut work = Vec::new();
        for row in rows {
            let (number, document) = row.doing("read intents")?;
            match serde_json::from_str(&document) {
                Ok(found) => work.push(WorkRow {
                    number,
                    work: found,
                }),
                Err(error) => tracing::error!(number, %error, "unreadable intent left out"),
            }
        }
        Ok(work)
    }
}
