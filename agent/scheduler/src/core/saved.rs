//! What a core remembers over a crash: rows, and the changes to them. The driver stores them as they are and
//! hands them back; it never reads a meaning into them, except that an ended job goes to the history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kerf_types::job::{JobSpec, JobState, OnPartition};
use kerf_types::peer::{Attempt, By, Exit, Grant, SpecHash, Tag, Term};
use kerf_types::{Gang, HostId, JobId, Moment, Timestamp};

use super::kept::Kept;
use super::register::Decision;

/// Everything that was saved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    /// Jobs that were submitted here and have not ended.
    pub jobs: BTreeMap<JobId, JobRow>,
    /// Their registers.
    pub decisions: BTreeMap<JobId, Decision>,
    /// Members that this host holds.
    pub members: BTreeMap<Tag, MemberRow>,
    /// What this host knows of attempts.
    pub memories: BTreeMap<JobId, Memory>,
    /// Its replicas of the registers of jobs that several hosts keep.
    pub registers: BTreeMap<JobId, RegisterRow>,
}

/// A replica of a job's register.
pub type RegisterRow = kerf_register::Row<Kept>;

/// One change to what is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A job is so.
    PutJob(Box<JobRow>),
    /// Its register is so.
    PutDecision(JobId, Decision),
    /// It has ended, and so: row and register go.
    EndJob(JobId, Outcome),
    /// A member is so.
    PutMember(Box<MemberRow>),
    /// A member is gone.
    DropMember(Tag),
    /// Attempts of a job are known so far.
    PutMemory(JobId, Memory),
    /// They are forgotten.
    DropMemory(JobId),
    /// A replica of a job's register is so.
    PutRegister(JobId, Box<RegisterRow>),
    /// It is forgotten.
    DropRegister(JobId),
    /// Another host coordinates the job now: what this one knew of it as coordinator goes.
    LeaveJob(JobId),
}

/// A job that was submitted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its id.
    pub job: JobId,
    /// Its description.
    pub spec: Arc<JobSpec>,
    /// Hash of the description.
    pub spec_hash: SpecHash,
    /// Whose it is.
    pub by: By,
    /// When it was submitted, as its turn counts it; 0 where nobody wrote that down, so that such a job is older than those
    /// of which it is known.
    pub submitted: Timestamp,
    /// The attempt that goes on.
    pub attempt: Attempt,
    /// How far it is.
    pub phase: SavedPhase,
    /// Its members in this attempt; empty before it is placed.
    pub members: Vec<SavedMember>,
    /// Where they can be reached, as each of them is told: saved, since a host may come to have another address and
    /// every member has to be told the same. `None` before they are placed, and where a host has no such address.
    pub gang: Option<Arc<Gang>>,
    /// Restarts so far, as the restart policy counts them.
    pub restarts: u32,
    /// Starts in a row that an owner has refused.
    pub refused_starts: u32,
    /// Whether its end was asked for.
    pub cancelled: bool,
    /// The term in which this host coordinates it; [`Term::NONE`] where it alone keeps it.
    pub term: Term,
}

/// How far an attempt is. Between `Reserving` and `Going` the register says whether it is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SavedPhase {
    /// Nothing is held.
    Open,
    /// Owners were, or are about to be, asked.
    Reserving,
    /// All have confirmed: members are started.
    Going,
    /// Everything of it is being released.
    Closing(Closing),
}

/// An attempt that is being closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// What comes after it.
    pub next: Next,
    /// Whether a member may have been started: then each must be known to be gone before anything follows.
    pub started: bool,
}

/// What comes after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Another one: this one never ran.
    Again,
    /// Another one, which the restart policy counts.
    Restart,
    /// The end.
    End(Outcome),
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// A final state.
    pub state: JobState,
    /// Exit code, where one was seen.
    pub exit_code: Option<i32>,
    /// Why.
    pub reason: String,
}

/// One member of an attempt, as the submitting host knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedMember {
    /// Where.
    pub host: HostId,
    /// What its owner promised.
    pub grant: Option<Grant>,
    /// How it ended.
    pub exit: Option<Exit>,
}

/// A member that this host holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// Which.
    pub tag: Tag,
    /// Who coordinates the job.
    pub coordinator: HostId,
    /// In which term.
    pub term: Term,
    /// Hash of its description.
    pub spec_hash: SpecHash,
    /// Its lease.
    pub grant: Grant,
    /// How far it is.
    pub phase: MemberPhase,
    /// When this host knows that it was last wanted.
    pub heard: Moment,
    /// How long it is held after that.
    pub ttl: Duration,
    /// What happens to it in a partition.
    pub on_partition: OnPartition,
    /// Time between the signals when it is stopped.
    pub grace: Duration,
}

/// How far a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberPhase {
    /// Its devices are held.
    Reserved,
    /// They are held for a decided attempt.
    Confirmed,
    /// Its container was, or is about to be, started.
    Starting,
    /// Its container runs.
    Running,
    /// Its container has ended, and the submitting host has not said that it knows.
    Ended(Exit),
    /// Its lease is being released.
    Releasing,
}

/// What a host knows of the attempts at a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The host whose job it is: another one that names the same id speaks of another job, unless it is a keeper and
    /// has taken over.
    pub coordinator: HostId,
    /// In which term.
    pub term: Term,
    /// Those that may take over.
    pub keepers: Vec<HostId>,
    /// The highest that it has heard of: lower ones are over.
    pub highest: Attempt,
    /// Members of that attempt that are over here.
    pub closed: BTreeSet<u32>,
}

impl Saved {
    /// Makes one change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::PutJob(row) => {
                self.jobs.insert(row.job, JobRow::clone(row));
            }
            Change::PutDecision(job, decision) => {
                self.decisions.insert(*job, *decision);
            }
            Change::EndJob(job, _) => {
                self.jobs.remove(job);
                self.decisions.remove(job);
            }
            Change::PutMember(row) => {
                self.members.insert(row.tag, MemberRow::clone(row));
            }
            Change::DropMember(tag) => {
                self.members.remove(tag);
            }
            Change::PutMemory(job, memory) => {
                self.memories.insert(*job, memory.clone());
            }
            Change::DropMemory(job) => {
                self.memories.remove(job);
            }
            Change::PutRegister(job, row) => {
                self.registers.insert(*job, RegisterRow::clone(row));
            }
            Change::DropRegister(job) => {
                self.registers.remove(job);
            }
            Change::LeaveJob(job) => {
                self.jobs.remove(job);
            }
        }
    }
}
