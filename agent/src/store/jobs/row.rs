//! A job as a row: its columns and nothing else. Who changes what in it is the business of `jobs`.

use kerf_types::job::JobState;
use kerf_types::peer::Attempt;
use kerf_types::{HostId, JobId, LeaseId, ParseError, Timestamp};
use rusqlite::types::FromSql;
use rusqlite::{Row, ToSql};

use crate::launcher::{Submitter, UserIds};
use crate::process::BootMoment;
use crate::store::{Doing, StoreError};

/// A job as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// Who submitted it.
    pub submitter: Submitter,
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
    /// Its container in kerf's namespace, where its only member is on this host.
    pub container: Option<String>,
    /// Its lease, likewise.
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
    /// Whether several hosts keep it: then it is never begun anew for what this one has lost.
    pub is_shared: bool,
    /// Where its members are, or were when it ended.
    pub placed: Option<Placed>,
    /// What was said of each host when it was last placed or could not be: a `kerf.v1.Explanation` document.
    pub explanation: Option<String>,
}

/// Where the members of a job are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The attempt that put them there.
    pub attempt: Attempt,
    /// The host of each member in their order, with its name.
    pub hosts: Vec<(HostId, String)>,
}

/// An end that kerfd has begun to bring about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopping {
    /// Why.
    pub cause: StopCause,
    /// When the container is killed.
    pub deadline: BootMoment,
}

/// Why kerfd ends a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// Somebody asked for it.
    Cancel,
    /// Its time limit has passed.
    TimeLimit,
}

impl StopCause {
    const ALL: [Self; 2] = [Self::Cancel, Self::TimeLimit];

    /// Its name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::TimeLimit => "time_limit",
        }
    }

    /// The cause of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == name)
    }
}

/// The columns in the order of [`JobRow::columns`] and of [`read`].
pub(super) const COLUMNS: [&str; 19] = [
    "id",
    "uid",
    "gid",
    "admin",
    "spec",
    "spec_hash",
    "state",
    "reason",
    "exit_code",
    "container",
    "lease",
    "submitted_ms",
    "started_ms",
    "ended_ms",
    "restarts",
    "cancel_requested",
    "shared",
    "placed",
    "explanation",
];

impl JobRow {
    /// The user who submitted it.
    pub fn uid(&self) -> u32 {
        self.submitter.ids.uid
    }

    /// The values of the columns.
    pub(super) fn columns(&self) -> [Box<dyn ToSql>; 19] {
        let ms = |time: Option<Timestamp>| time.map(|time| time.0.cast_signed());
        [
            Box::new(self.id.to_string()),
            Box::new(self.submitter.ids.uid),
            Box::new(self.submitter.ids.gid),
            Box::new(self.submitter.admin),
            Box::new(self.spec.clone()),
            Box::new(self.spec_hash.clone()),
            Box::new(self.state.as_str()),
            Box::new(self.reason.clone()),
            Box::new(self.exit_code),
            Box::new(self.container.clone()),
            Box::new(self.lease.map(|lease| lease.to_string())),
            Box::new(self.submitted.0.cast_signed()),
            Box::new(ms(self.started)),
            Box::new(ms(self.ended)),
            Box::new(self.restarts),
            Box::new(self.cancel_requested),
            Box::new(self.is_shared),
            Box::new(self.placed.as_ref().map(Placed::text)),
            Box::new(self.explanation.clone()),
        ]
    }
}

/// Reads a row of [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> Result<JobRow, StoreError> {
    let unknown = |what: &str, text: String| bad(format!("{what} {text:?}"));
    let parsed = |error: ParseError| bad(error.to_string());
    let state: String = column(row, "state")?;
    let known = |state: &str| JobState::ALL.into_iter().find(|one| one.as_str() == state);
    let lease: Option<String> = column(row, "lease")?;
    let id: String = column(row, "id")?;
    Ok(JobRow {
        id: id.parse().map_err(parsed)?,
        submitter: Submitter {
            ids: UserIds {
                uid: column(row, "uid")?,
                gid: column(row, "gid")?,
            },
            admin: column(row, "admin")?,
        },
        spec: column(row, "spec")?,
        spec_hash: column(row, "spec_hash")?,
        state: known(&state).ok_or_else(|| unknown("state", state))?,
        reason: column(row, "reason")?,
        exit_code: column(row, "exit_code")?,
        container: column(row, "container")?,
        lease: lease
            .map(|lease| lease.parse())
            .transpose()
            .map_err(parsed)?,
        submitted: Timestamp(number(row, "submitted_ms")?.unwrap_or_default()),
        started: number(row, "started_ms")?.map(Timestamp),
        ended: number(row, "ended_ms")?.map(Timestamp),
        restarts: column(row, "restarts")?,
        cancel_requested: column(row, "cancel_requested")?,
        is_shared: column(row, "shared")?,
        placed: column::<Option<String>>(row, "placed")?
            .map(|text| Placed::read(&text))
            .transpose()?,
        explanation: column(row, "explanation")?,
    })
}

fn column<T: FromSql>(row: &Row<'_>, name: &str) -> Result<T, StoreError> {
    row.get(name).doing("read a job")
}

/// SQLite's integers are signed; what is kept here as one never was negative.
fn number(row: &Row<'_>, name: &str) -> Result<Option<u64>, StoreError> {
    Ok(column::<Option<i64>>(row, name)?.map(i64::cast_unsigned))
}

pub(super) fn bad(why: String) -> StoreError {
    StoreError::Row { what: "job", why }
}
