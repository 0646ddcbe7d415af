//! A job as the host that it was submitted to remembers it, and its register.

use std::sync::Arc;

use kerf_api::json::job;
use kerf_scheduler::core::{Closing, Decision, JobRow, Next, Outcome, SavedMember, SavedPhase};
use kerf_types::job::JobState;
use kerf_types::peer::{Attempt, By, SpecHash, Term};
use kerf_types::{Gang, GangHost, HostId, JobId, Timestamp};
use serde::{Deserialize, Serialize};

use super::parts::{ExitDocument, grant_text, parse, read_grant};

#[derive(Serialize, Deserialize)]
pub(super) struct JobDocument {
    spec: String,
    uid: u32,
    gid: u32,
    admin: bool,
    /// Absent in what an older kerf wrote.
    #[serde(default)]
    submitted_ms: u64,
    attempt: u32,
    phase: String,
    closing: Option<ClosingDocument>,
    members: Vec<SavedMemberDocument>,
    /// Came later: a row of before has none.
    #[serde(default)]
    gang: Option<GangDocument>,
    restarts: u32,
    refused_starts: u32,
    cancelled: bool,
    /// 0 where this host alone keeps the job, as in rows of releases that knew nothing else.
    #[serde(default)]
    term: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ClosingDocument {
    started: bool,
    /// `again`, `restart` or `end`.
    next: String,
    outcome: Option<OutcomeDocument>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct OutcomeDocument {
    state: String,
    exit_code: Option<i32>,
    reason: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedMemberDocument {
    host: String,
    grant: Option<(String, u64)>,
    exit: Option<ExitDocument>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct GangDocument {
    /// Addresses, each with the number of its members.
    hosts: Vec<(String, u32)>,
    master_port: u16,
}

#[derive(Serialize, Deserialize)]
pub(super) struct DecisionDocument {
    decision: String,
    attempt: u32,
}

impl From<&Outcome> for OutcomeDocument {
    fn from(outcome: &Outcome) -> Self {
        Self {
            state: outcome.state.as_str().to_owned(),
            exit_code: outcome.exit_code,
            reason: outcome.reason.clone(),
        }
    }
}

impl OutcomeDocument {
    pub fn read(self) -> Result<Outcome, String> {
        let state = JobState::ALL
            .into_iter()
            .find(|one| one.as_str() == self.state);
        Ok(Outcome {
            state: state.ok_or_else(|| format!("{:?} is no state", self.state))?,
            exit_code: self.exit_code,
            reason: self.reason,
        })
    }
}

impl From<&Gang> for GangDocument {
    fn from(gang: &Gang) -> Self {
        let hosts = gang.hosts().iter();
        Self {
            hosts: hosts
                .map(|host| (host.address.clone(), host.members))
                .collect(),
            master_port: gang.master_port(),
        }
    }
}

impl GangDocument {
    pub fn read(self) -> Result<Gang, String> {
        let hosts = self.hosts.into_iter();
        let hosts = hosts.map(|(address, members)| GangHost { address, members });
        Gang::try_new(hosts.collect(), self.master_port).map_err(|error| error.to_string())
    }
}

impl From<&Closing> for ClosingDocument {
    fn from(closing: &Closing) -> Self {
        let (next, outcome) = match &closing.next {
            Next::Again => ("again", None),
            Next::Restart => ("restart", None),
            Next::End(outcome) => ("end", Some(outcome)),
        };
        Self {
            started: closing.started,
            next: next.to_owned(),
            outcome: outcome.map(Into::into),
        }
    }
}

impl ClosingDocument {
    pub fn read(self) -> Result<Closing, String> {
        let next = match (self.next.as_str(), self.outcome) {
            ("again", None) => Next::Again,
            ("restart", None) => Next::Restart,
            ("end", Some(outcome)) => Next::End(outcome.read()?),
            (other, _) => return Err(format!("{other:?} is nothing that follows an attempt")),
        };
        Ok(Closing {
            next,
            started: self.started,
        })
    }
}

impl From<&JobRow> for JobDocument {
    fn from(row: &JobRow) -> Self {
        let (phase, closing) = match &row.phase {
            SavedPhase::Open => ("open", None),
            SavedPhase::Reserving => ("reserving", None),
            SavedPhase::Going => ("going", None),
            SavedPhase::Closing(closing) => ("closing", Some(closing)),
        };
        let member = |member: &SavedMember| SavedMemberDocument {
            host: member.host.to_string(),
            grant: member.grant.map(grant_text),
            exit: member.exit.as_ref().map(Into::into),
        };
        Self {
            spec: job::canonical_json(&row.spec),
            uid: row.by.uid,
            gid: row.by.gid,
            admin: row.by.admin,
            submitted_ms: row.submitted.0,
            attempt: row.attempt.0,
            phase: phase.to_owned(),
            closing: closing.map(Into::into),
            members: row.members.iter().map(member).collect(),
            gang: row.gang.as_deref().map(Into::into),
            restarts: row.restarts,
            refused_starts: row.refused_starts,
            cancelled: row.cancelled,
            term: row.term.0,
        }
    }
}

impl JobDocument {
    /// Nobody is an admin of another host.
    pub fn is_sent(&mut self) {
        self.admin = false;
    }

    pub fn read(self, id: JobId) -> Result<JobRow, String> {
        let spec = job::parse(&self.spec).map_err(|error| crate::errors::chain(&error))?;
        let phase = match (self.phase.as_str(), self.closing) {
            ("open", None) => SavedPhase::Open,
            ("reserving", None) => SavedPhase::Reserving,
            ("going", None) => SavedPhase::Going,
            ("closing", Some(closing)) => SavedPhase::Closing(closing.read()?),
            (other, _) => return Err(format!("{other:?} is no phase of a job")),
        };
        let member = |member: SavedMemberDocument| -> Result<SavedMember, String> {
            Ok(SavedMember {
                host: parse::<HostId>(&member.host)?,
                grant: member.grant.map(read_grant).transpose()?,
                exit: member.exit.map(Into::into),
            })
        };
        Ok(JobRow {
            job: id,
            spec_hash: SpecHash(job::spec_hash(&spec)),
            spec: Arc::new(spec),
            by: By {
                uid: self.uid,
                gid: self.gid,
                admin: self.admin,
            },
            submitted: Timestamp(self.submitted_ms),
            attempt: Attempt(self.attempt),
            phase,
            members: self
                .members
                .into_iter()
                .map(member)
                .collect::<Result<_, _>>()?,
            gang: self.gang.map(GangDocument::read).transpose()?.map(Arc::new),
            restarts: self.restarts,
            refused_starts: self.refused_starts,
            cancelled: self.cancelled,
            term: Term(self.term),
        })
    }
}

impl From<&Decision> for DecisionDocument {
    fn from(decision: &Decision) -> Self {
        let word = match decision {
            Decision::Open(_) => "open",
            Decision::Committed(_) => "committed",
            Decision::Aborted(_) => "aborted",
            Decision::Closed(_) => "closed",
        };
        Self {
            decision: word.to_owned(),
            attempt: decision.attempt().0,
        }
    }
}

impl DecisionDocument {
    pub fn read(self) -> Result<Decision, String> {
        let attempt = Attempt(self.attempt);
        match self.decision.as_str() {
            "open" => Ok(Decision::Open(attempt)),
            "committed" => Ok(Decision::Committed(attempt)),
            "aborted" => Ok(Decision::Aborted(attempt)),
            "closed" => Ok(Decision::Closed(attempt)),
            other => Err(format!("{other:?} is no decision")),
        }
    }
}
