//! A member as one JSON text: the same in the store and in its copy in the run folder.

use kerf_types::job::JobSpec;
use kerf_types::peer::{Attempt, Exit, Grant, Tag, Term};
use kerf_types::{Fence, ParseError, Timestamp};
use serde::{Deserialize, Serialize};

use super::{RunRow, RunState};
use crate::launcher::{Submitter, UserIds};
use crate::process::BootMoment;
use crate::store::StoreError;
use crate::store::jobs::{StopCause, Stopping};

/// Version of the documents. A later version of kerf reads this one.
const VERSION: u32 = 1;

/// The document.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunDocument {
    version: u32,
    job: String,
    attempt: u32,
    member: u32,
    coordinator: Option<String>,
    #[serde(default)]
    term: u32,
    #[serde(default)]
    keepers: Vec<String>,
    uid: u32,
    gid: u32,
    admin: bool,
    spec: String,
    container: String,
    lease: String,
    fence: u64,
    state: String,
    exit_code: Option<i32>,
    timed_out: bool,
    reason: String,
    started_ms: Option<u64>,
    /// Boot and milliseconds in it.
    runs_since: Option<(String, u64)>,
    /// Cause, boot and milliseconds in it.
    stopping: Option<(String, String, u64)>,
    log_bytes: u64,
}

impl RunDocument {
    /// The text of a row.
    pub fn text(row: &RunRow) -> String {
        // Strings and numbers always have a JSON form.
        serde_json::to_string(&Self::from(row)).unwrap_or_default()
    }

    /// Reads a text, with the description of a member that goes on.
    pub fn read(text: &str) -> Result<(RunRow, Option<JobSpec>), StoreError> {
        let bad = |why: String| StoreError::Row {
            what: "member of a job",
            why,
        };
        let document: Self = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        let row = RunRow::try_from(document).map_err(|error| bad(error.to_string()))?;
        let spec = if row.is_active() {
            let parsed = kerf_api::json::job::parse(&row.spec);
            Some(parsed.map_err(|error| bad(crate::errors::chain(&error)))?)
        } else {
            None
        };
        Ok((row, spec))
    }
}

impl From<&RunRow> for RunDocument {
    fn from(row: &RunRow) -> Self {
        let at = |time: &BootMoment| (time.boot_id.clone(), time.ms);
        let (state, exit) = match &row.state {
            RunState::Starting => ("starting", None),
            RunState::Running => ("running", None),
            RunState::Ended(exit) => ("ended", Some(exit)),
            RunState::NotStarted => ("not-started", None),
        };
        Self {
            version: VERSION,
            job: row.tag.job.to_string(),
            attempt: row.tag.attempt.0,
            member: row.tag.member,
            coordinator: row.coordinator.map(|host| host.to_string()),
            term: row.term.0,
            keepers: row.keepers.iter().map(ToString::to_string).collect(),
            uid: row.submitter.ids.uid,
            gid: row.submitter.ids.gid,
            admin: row.submitter.admin,
            spec: row.spec.clone(),
            container: row.container.clone(),
            lease: row.grant.lease.to_string(),
            fence: row.grant.fence.0,
            state: state.to_owned(),
            exit_code: exit.and_then(|exit| exit.code),
            timed_out: exit.is_some_and(|exit| exit.timed_out),
            reason: exit.map(|exit| exit.reason.clone()).unwrap_or_default(),
            started_ms: row.started.map(|time| time.0),
            runs_since: row.runs_since.as_ref().map(at),
            stopping: row.stopping.as_ref().map(|stopping| {
                let (boot_id, ms) = at(&stopping.deadline);
                (stopping.cause.as_str().to_owned(), boot_id, ms)
            }),
            log_bytes: row.log_bytes,
        }
    }
}

impl TryFrom<RunDocument> for RunRow {
    type Error = ParseError;

    fn try_from(document: RunDocument) -> Result<Self, ParseError> {
        let wrong = |what, text: &str| ParseError::new(what, text, "one that this kerfd wrote");
        if document.version != VERSION {
            return Err(wrong("a version", &document.version.to_string()));
        }
        let state = match document.state.as_str() {
            "starting" => RunState::Starting,
            "running" => RunState::Running,
            "not-started" => RunState::NotStarted,
            "ended" => RunState::Ended(Exit {
                code: document.exit_code,
                timed_out: document.timed_out,
                reason: document.reason,
            }),
            other => return Err(wrong("a state", other)),
        };
        let stopping = match document.stopping {
            Some((cause, boot_id, ms)) => Some(Stopping {
                cause: StopCause::named(&cause).ok_or_else(|| wrong("a cause", &cause))?,
                deadline: BootMoment { boot_id, ms },
            }),
            None => None,
        };
        let coordinator = document.coordinator.map(|host| host.parse());
        Ok(Self {
            tag: Tag {
                job: document.job.parse()?,
                attempt: Attempt(document.attempt),
                member: document.member,
            },
            coordinator: coordinator.transpose()?,
            term: Term(document.term),
            keepers: document
                .keepers
                .iter()
                .map(|host| host.parse())
                .collect::<Result<_, _>>()?,
            submitter: Submitter {
                ids: UserIds {
                    uid: document.uid,
                    gid: document.gid,
                },
                admin: document.admin,
            },
            spec: document.spec,
            container: document.container,
            grant: Grant {
                lease: document.lease.parse()?,
                fence: Fence(document.fence),
            },
            state,
            started: document.started_ms.map(Timestamp),
            runs_since: document
                .runs_since
                .map(|(boot_id, ms)| BootMoment { boot_id, ms }),
            stopping,
            log_bytes: document.log_bytes,
        })
    }
}
