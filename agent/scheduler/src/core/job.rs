//! A job as the host holds it that it was submitted to: the saved row, and what a crash may forget.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_planner::Pick;
use kerf_types::host_record::RecordVersion;
use kerf_types::job::JobSpec;
use kerf_types::peer::{By, Exit, Grant, SpecHash, Tag};
use kerf_types::{HostId, Moment};

use super::io::Report;
use super::saved::{Closing, JobRow, SavedMember, SavedPhase};
use crate::explain::Explanation;
use crate::place::SaidNo;

/// What is submitted.
#[derive(Debug, Clone)]
pub(super) struct Submitted {
    pub spec: Arc<JobSpec>,
    pub spec_hash: SpecHash,
    pub by: By,
}

/// A job that goes on.
#[derive(Debug)]
pub(super) struct Job {
    pub row: JobRow,
    pub phase: Phase,
    /// Its members in this attempt.
    pub slots: Vec<Slot>,
    /// When the phase began.
    pub since: Moment,
    /// When it is placed again, while it is open.
    pub retry_at: Moment,
    /// When it was last placed, or could not be.
    pub last_try: Moment,
    /// Whether it waits for the fleet to change, and not for a pause to pass.
    pub waiting: bool,
    /// Attempts in a row that owners have refused.
    pub rounds: u32,
    /// Hosts that said no.
    pub avoid: BTreeMap<HostId, SaidNo>,
    /// Why it is where it is.
    pub reason: String,
    pub explanation: Option<Arc<Explanation>>,
    pub reported: Option<Report>,
    /// Whether a member of this attempt was seen to run, or to have ended. A slot that is closed tells no more.
    pub ran: bool,
    /// Whether it was taken over in the middle of a decided attempt: members may have been started.
    pub inherited: bool,
}

/// How far the attempt is. See the diagram of the parent module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Reserving,
    Deciding,
    Confirming,
    Going,
    Closing(Closing),
}

/// One member of the attempt.
#[derive(Debug)]
pub(super) struct Slot {
    pub host: HostId,
    pub grant: Option<Grant>,
    pub state: SlotState,
    /// When the question that is open is sent again.
    pub next_send: Moment,
    /// When its owner was last heard of.
    pub heard: Moment,
    /// The owner's own time of holding it counts from no later than this.
    pub kept: Moment,
    /// What the planner expected, and in which state of the host.
    pub picks: Vec<Pick>,
    pub planned_on: RecordVersion,
}

/// How far a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SlotState {
    /// Its reservation is asked for.
    Asked,
    /// It is held.
    Held,
    /// It is held for the decided attempt.
    Confirmed,
    /// Its start is ordered.
    Starting,
    /// It runs.
    Running,
    /// It has ended.
    Ended(Exit),
    /// Its owner would not start it.
    NotStarted(String),
    /// Nothing of it is left.
    Closed,
}

impl SlotState {
    /// Whether a container may be alive.
    pub fn may_live(&self) -> bool {
        matches!(self, Self::Starting | Self::Running)
    }
}

impl Slot {
    pub fn new(host: HostId, now: Moment, picks: Vec<Pick>, planned_on: RecordVersion) -> Self {
        Self {
            host,
            grant: None,
            state: SlotState::Asked,
            next_send: now,
            heard: now,
            kept: now,
            picks,
            planned_on,
        }
    }
}

impl Job {
    /// Leaves a host out for a while. See [`SaidNo::seen`].
    pub fn avoid(&mut self, host: HostId, when: Moment, reason: &str, seen: Option<RecordVersion>) {
        let reason = reason.to_owned();
        self.avoid.insert(host, SaidNo { when, reason, seen });
    }

    pub fn new(row: JobRow, now: Moment) -> Self {
        Self {
            row,
            phase: Phase::Open,
            slots: Vec::new(),
            since: now,
            retry_at: now,
            last_try: now,
            waiting: false,
            rounds: 0,
            avoid: BTreeMap::new(),
            reason: "submitted".to_owned(),
            explanation: None,
            reported: None,
            ran: false,
            inherited: false,
        }
    }

    pub fn tag(&self, member: usize) -> Tag {
        Tag {
            job: self.row.job,
            attempt: self.row.attempt,
            member: u32::try_from(member).unwrap_or(u32::MAX),
        }
    }

    pub fn enter(&mut self, phase: Phase, now: Moment) {
        self.phase = phase;
        self.since = now;
        for slot in &mut self.slots {
            slot.next_send = now;
        }
    }

    /// The members as they are saved.
    pub fn saved_members(&self) -> Vec<SavedMember> {
        let saved = |slot: &Slot| SavedMember {
            host: slot.host,
            grant: slot.grant,
            exit: match &slot.state {
                SlotState::Ended(exit) => Some(exit.clone()),
                _ => None,
            },
        };
        self.slots.iter().map(saved).collect()
    }

    /// The row as it is saved.
    pub fn saved_row(&self) -> JobRow {
        let mut row = self.row.clone();
        row.members = self.saved_members();
        row.phase = match &self.phase {
            Phase::Open => SavedPhase::Open,
            Phase::Reserving | Phase::Deciding | Phase::Confirming => SavedPhase::Reserving,
            Phase::Going => SavedPhase::Going,
            Phase::Closing(closing) => SavedPhase::Closing(closing.clone()),
        };
        row
    }

    pub fn all(&self, is: impl Fn(&SlotState) -> bool) -> bool {
        self.slots.iter().all(|slot| is(&slot.state))
    }
}
