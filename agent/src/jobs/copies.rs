//! Copies of jobs that have not ended, beside those of leases in the run folder.
//!
//! A store that was lost or put back to an earlier state is made good from them: a job that was accepted or
//! runs is not forgotten with it. The folder is emptied by a reboot, which ends every container too.

use std::path::{Path, PathBuf};

use kerf_types::job::JobState;
use kerf_types::{JobId, ParseError, Timestamp};
use serde::{Deserialize, Serialize};

use crate::files::CopyFolder;
use crate::launcher::{Submitter, UserIds};
use crate::store::{JobRow, Placed};

/// Version of the documents. One of another version is not read: the store has the job as well.
const VERSION: u32 = 1;

/// The folder of the copies.
#[derive(Debug)]
pub(super) struct Copies {
    folder: CopyFolder,
}

impl Copies {
    /// The folder, made for root alone: specs hold what jobs keep secret.
    pub(super) fn new(run_dir: &Path) -> Self {
        Self {
            folder: CopyFolder::new(run_dir.join("jobs")),
        }
    }

    /// Writes the copy of a job that has not ended.
    pub(super) fn keep(&self, row: &JobRow) {
        if row.state.is_final() {
            return;
        }
        // Strings and numbers always have a JSON form.
        let text = serde_json::to_vec(&Document::from(row)).unwrap_or_default();
        self.folder.keep(&name(row.id), &text);
    }

    /// Takes a copy away.
    pub(super) fn forget(&self, id: JobId) {
        self.folder.forget(&name(id));
    }

    /// All copies that can be read.
    pub(super) fn read(&self) -> Vec<JobRow> {
        let texts = self.folder.read().into_iter();
        texts
            .filter_map(|text| {
                let document: Document = serde_json::from_slice(&text).ok()?;
                document.try_into().ok()
            })
            .collect()
    }
}

fn name(id: JobId) -> PathBuf {
    format!("{id}.json").into()
}

/// Whether a copy tells more than what the store knows of the job.
pub(super) fn is_newer(copy: &JobRow, known: Option<&JobRow>) -> bool {
    let progress = |row: &JobRow| {
        let state = match row.state {
            JobState::Pending => 0,
            JobState::Starting => 1,
            _ => 2,
        };
        // That several hosts keep it comes before all else but its submission.
        (row.restarts, state, row.is_shared, row.cancel_requested)
    };
    known.is_none_or(|known| !known.state.is_final() && progress(copy) > progress(known))
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    version: u32,
    id: String,
    uid: u32,
    gid: u32,
    admin: bool,
    spec: String,
    spec_hash: String,
    state: String,
    reason: String,
    container: Option<String>,
    lease: Option<String>,
    submitted_ms: u64,
    started_ms: Option<u64>,
    restarts: u32,
    cancel_requested: bool,
    /// Absent in the copies of a kerf that kept each job alone.
    #[serde(default)]
    shared: bool,
    /// Attempt, and id and name of each member's host; absent in the copies of a kerf before the fleet.
    #[serde(default)]
    placed: Option<String>,
}

impl From<&JobRow> for Document {
    fn from(row: &JobRow) -> Self {
        Self {
            version: VERSION,
            id: row.id.to_string(),
            uid: row.submitter.ids.uid,
            gid: row.submitter.ids.gid,
            admin: row.submitter.admin,
            spec: row.spec.clone(),
            spec_hash: row.spec_hash.clone(),
            state: row.state.as_str().to_owned(),
            reason: row.reason.clone(),
            container: row.container.clone(),
            lease: row.lease.map(|lease| lease.to_string()),
            submitted_ms: row.submitted.0,
            started_ms: row.started.map(|time| time.0),
            restarts: row.restarts,
            cancel_requested: row.cancel_requested,
            shared: row.is_shared,
            placed: row.placed.as_ref().map(Placed::text),
        }
    }
}

impl TryFrom<Document> for JobRow {
    type Error = ParseError;

    fn try_from(document: Document) -> Result<Self, ParseError> {
        let wrong = |what, text: &str| ParseError::new(what, text, "one that this kerfd wrote");
        if document.version != VERSION {
            return Err(wrong("a version", &document.version.to_string()));
        }
        let mut states = JobState::ALL.into_iter();
        let state = states.find(|state| state.as_str() == document.state && !state.is_final());
        Ok(Self {
            id: document.id.parse()?,
            submitter: Submitter {
                ids: UserIds {
                    uid: document.uid,
                    gid: document.gid,
                },
                admin: document.admin,
            },
            spec: document.spec,
            spec_hash: document.spec_hash,
            state: state.ok_or_else(|| wrong("a state", &document.state))?,
            reason: document.reason,
            exit_code: None,
            container: document.container,
            lease: document.lease.map(|lease| lease.parse()).transpose()?,
            submitted: Timestamp(document.submitted_ms),
            started: document.started_ms.map(Timestamp),
            ended: None,
            restarts: document.restarts,
            cancel_requested: document.cancel_requested,
            is_shared: document.shared,
            placed: document
                .placed
                .map(|text| Placed::read(&text).map_err(|_| wrong("a place", &text)))
                .transpose()?,
            explanation: None,
        })
    }
}

#[cfg(test)]
mod tests;
