//! What the register of a job holds that several hosts keep: enough for each of them to go on with it.

use kerf_types::HostId;
use kerf_types::peer::{Attempt, Term};

use super::register::Decision;
use super::saved::{Closing, JobRow, Next, Outcome, SavedPhase};

/// What the keepers of a job agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The job as its coordinator knew it at the last decision, with the members of that attempt.
    pub row: JobRow,
    /// What was decided.
    pub decision: Decision,
    /// Which coordinator it has, counted up.
    pub term: Term,
    /// Who that is.
    pub coordinator: HostId,
}

impl Kept {
    /// A job that was submitted just now.
    pub(super) fn submitted(row: JobRow, by: HostId) -> Self {
        Self {
            decision: Decision::Open(Attempt::FIRST),
            term: row.term,
            row,
            coordinator: by,
        }
    }

    /// The same under another coordinator. An attempt that is not decided is over with that: nobody but the one before
    /// knows who holds what for it. `era` says how often the register was forced.
    pub(super) fn taken_over(&self, by: HostId, era: u32) -> Self {
        let mut next = self.clone();
        next.term = self.term.next().max(Term::least_after(era));
        next.row.term = next.term;
        next.coordinator = by;
        if let Decision::Open(attempt) = self.decision {
            next.decision = Decision::Aborted(attempt);
            next.row.attempt = attempt;
            next.row.phase = SavedPhase::Closing(Closing {
                next: Next::Again,
                started: false,
            });
        }
        next
    }

    /// What follows an attempt that is over.
    pub(super) fn closing(&self) -> Closing {
        match &self.row.phase {
            SavedPhase::Closing(closing) => closing.clone(),
            SavedPhase::Open | SavedPhase::Reserving | SavedPhase::Going => Closing {
                next: Next::Again,
                started: false,
            },
        }
    }

    /// How a job ended that was retired.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.row.phase {
            SavedPhase::Closing(Closing {
                next: Next::End(outcome),
                ..
            }) => Some(outcome),
            _ => None,
        }
    }
}

/// What the keepers of a job say to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeeperMessage {
    /// About the register.
    Register(Box<kerf_register::Message<kerf_types::JobId, Kept>>),
    /// The coordinator is there, and asks whether it still is it.
    Lead {
        /// The job.
        job: kerf_types::JobId,
        /// Its term.
        term: Term,
        /// The coordinator's clock when it asked; the answer hands it back.
        sent: kerf_types::Moment,
    },
    /// The highest term that this keeper has accepted.
    Heed {
        /// The job.
        job: kerf_types::JobId,
        /// The term: a higher one than was asked with means that the asker was replaced.
        term: Term,
        /// What the asker's clock said.
        sent: kerf_types::Moment,
    },
    /// Somebody wants the job to end.
    Cancel {
        /// The job.
        job: kerf_types::JobId,
    },
}
