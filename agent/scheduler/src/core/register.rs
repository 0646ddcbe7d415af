//! The register of a job: the one place where its attempts are decided.
//!
//! ```text
//!   Open(n) ──► Committed(n) ──► Closed(n) ──► Open(n+1)
//!      └──────► Aborted(n) ─────────────────────────▲
//! ```
//! A proposal is a compare-and-set, and its answer comes later, as [`Settled`]: with one replica (r = 1, at the
//! submitting host) when the write is durable, with three when a majority has voted. The core knows no more
//! of a register than this.

use std::collections::BTreeMap;

use kerf_types::JobId;
use kerf_types::peer::Attempt;

use super::saved::Change;

/// What a register holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// The attempt may be decided either way.
    Open(Attempt),
    /// It happens. Nothing but its end can follow.
    Committed(Attempt),
    /// It does not happen.
    Aborted(Attempt),
    /// It happened and is over: all its members are released, or fenced by time.
    Closed(Attempt),
}

impl Decision {
    /// The attempt that it is about.
    pub fn attempt(self) -> Attempt {
        match self {
            Self::Open(attempt)
            | Self::Committed(attempt)
            | Self::Aborted(attempt)
            | Self::Closed(attempt) => attempt,
        }
    }

    /// Whether `next` may follow.
    pub fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Open(a), Self::Committed(b) | Self::Aborted(b))
            | (Self::Committed(a), Self::Closed(b)) => a == b,
            (Self::Aborted(a) | Self::Closed(a), Self::Open(b)) => b == a.next(),
            _ => false,
        }
    }
}

/// The answer to a proposal: what the register holds now, whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The job.
    pub job: JobId,
    /// What its register holds.
    pub decision: Decision,
}

/// What a proposal makes happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// To be written; the answer is held back until it is.
    pub change: Option<Change>,
    /// The answer.
    pub settled: Settled,
}

/// Registers with one replica, here.
#[derive(Debug, Clone, Default)]
pub struct LocalRegister {
    values: BTreeMap<JobId, Decision>,
}

impl LocalRegister {
    /// The registers as they were saved.
    pub fn new(values: BTreeMap<JobId, Decision>) -> Self {
        Self { values }
    }

    /// What a register holds.
    pub fn get(&self, job: JobId) -> Option<Decision> {
        self.values.get(&job).copied()
    }

    /// Makes a register.
    pub fn open(&mut self, job: JobId) -> Proposed {
        let decision = self.get(job).unwrap_or(Decision::Open(Attempt::FIRST));
        self.set(job, decision)
    }

    /// Makes the register of a job that has lost it.
    pub fn restore(&mut self, job: JobId, decision: Decision) -> Proposed {
        self.set(job, decision)
    }

    /// Compare-and-set: `next` if the register holds `expected` and may become `next`, else no change.
    pub fn propose(&mut self, job: JobId, expected: Decision, next: Decision) -> Proposed {
        let held = self.get(job).unwrap_or(expected);
        if held == expected && held.may_become(next) {
            return self.set(job, next);
        }
        Proposed {
            change: None,
            settled: Settled {
                job,
                decision: held,
            },
        }
    }

    /// Forgets the register of a job that has ended.
    pub fn forget(&mut self, job: JobId) {
        self.values.remove(&job);
    }

    fn set(&mut self, job: JobId, decision: Decision) -> Proposed {
        self.values.insert(job, decision);
        Proposed {
            change: Some(Change::PutDecision(job, decision)),
            settled: Settled { job, decision },
        }
    }
}
