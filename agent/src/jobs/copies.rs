//! Copies of jobs that have not ended, beside those of leases in the run folder.
//!
//! A store that was lost or put back to an earlier state is made good from them: a job that was accepted or
//! runs is not forgotten with it. The folder is emptied by a reboot, which ends every container too.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use kerf_types::job::JobState;
use kerf_types::{JobId, ParseError, Timestamp};
use serde::{Deserialize, Serialize};

use crate::files::{self, Durability};
use crate::launcher::{Submitter, UserIds};
use crate::process::BootMoment;
use crate::store::{JobRow, StopCause, Stopping};

/// Version of the documents. One of another version is not read: the store has the job as well.
const VERSION: u32 = 1;

/// The folder of the copies.
#[derive(Debug)]
pub(super) struct Copies {
    folder: PathBuf,
}

impl Copies {
    /// The folder, made for root alone: specs hold what jobs keep secret.
    pub(super) fn new(run_dir: &Path) -> Self {
        let folder = run_dir.join("jobs");
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        if let Err(error) = made {
            tracing::warn!(%error, path = %folder.display(), "no folder for copies of jobs");
        }
        Self { folder }
    }

    /// Writes the copy of a job. The store has it already, so a failure is told and no more.
    pub(super) fn keep(&self, row: &JobRow) {
        if row.state.is_final() {
            // It stays as it is until nothing of the job is left: its container may be there still.
            return;
        }
        let written = serde_json::to_vec(&Document::from(row))
            .map_err(std::io::Error::other)
            .and_then(|text| files::replace(&self.path(row.id), &text, Durability::Volatile));
        if let Err(error) = written {
            tracing::warn!(job.id = %row.id, %error, "copy of a job not written");
        }
    }

    /// Takes a copy away.
    pub(super) fn forget(&self, id: JobId) {
        if let Err(error) = files::remove(&self.path(id)) {
            tracing::warn!(job.id = %id, %error, "copy of a job not removed");
        }
    }

    /// All copies that can be read.
    pub(super) fn read(&self) -> Vec<JobRow> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        let texts = entries
            .flatten()
            .filter_map(|entry| std::fs::read(entry.path()).ok());
        texts
            .filter_map(|text| {
                let document: Document = serde_json::from_slice(&text).ok()?;
                document.try_into().ok()
            })
            .collect()
    }

    fn path(&self, id: JobId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

/// Whether a copy tells more than what the store knows of the job.
pub(super) fn is_newer(copy: &JobRow, known: Option<&JobRow>) -> bool {
    let progress = |row: &JobRow| {
        let state = match row.state {
            JobState::Pending => 0,
            JobState::Starting => 1,
            _ => 2,
        };
        (row.restarts, state, row.stopping.is_some())
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
    runs_since: Option<(String, u64)>,
    stopping: Option<(String, String, u64)>,
}

impl From<&JobRow> for Document {
    fn from(row: &JobRow) -> Self {
        let at = |time: &BootMoment| (time.boot_id.clone(), time.ms);
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
            runs_since: row.runs_since.as_ref().map(at),
            stopping: row.stopping.as_ref().map(|stopping| {
                let (boot_id, ms) = at(&stopping.deadline);
                (stopping.cause.as_str().to_owned(), boot_id, ms)
            }),
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
        let stopping = match document.stopping {
            Some((cause, boot_id, ms)) => Some(Stopping {
                cause: StopCause::named(&cause).ok_or_else(|| wrong("a cause", &cause))?,
                deadline: BootMoment { boot_id, ms },
            }),
            None => None,
        };
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
            runs_since: document
                .runs_since
                .map(|(boot_id, ms)| BootMoment { boot_id, ms }),
            stopping,
            log_bytes: 0,
        })
    }
}
