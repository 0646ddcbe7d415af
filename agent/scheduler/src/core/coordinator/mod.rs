//! The submitting host's side: jobs from their submission to their end.
//!
//! It owns when an attempt begins, is decided and is over. Each decision is in the job's register and durable
//! before anybody hears of it.

mod closing;
mod gang;
mod hear;
mod placing;
mod report;
mod time;

use kerf_types::job::JobState;
use kerf_types::peer::{Attempt, Body, Term};
use kerf_types::{HostId, JobId, Moment};

use super::job::{Job, Phase, Slot, SlotState, Submitted};
use super::register::{Decision, Proposed, Settled};
use super::saved::{Change, JobRow, Next, Outcome, SavedPhase};
use super::{Core, Faults};
use crate::fleet::Liveness;

impl<F: Faults> Core<F> {
    pub(super) fn submit(&mut self, now: Moment, id: JobId, submitted: Submitted) {
        let Submitted {
            spec,
            spec_hash,
            by,
        } = submitted;
        if self.jobs.contains_key(&id) || !self.keepers(id).is_empty() {
            return;
        }
        let row = JobRow {
            job: id,
            spec,
            spec_hash,
            by,
            attempt: Attempt::FIRST,
            phase: SavedPhase::Open,
            members: Vec::new(),
            gang: None,
            restarts: 0,
            refused_starts: 0,
            cancelled: false,
            term: Term::NONE,
        };
        let mut job = Job::new(row, now);
        if let Some(set) = self.choose_keepers() {
            job.row.term = Term::FIRST;
            job.reason = "its keepers are asked to take it".to_owned();
            self.save_job(&job);
            self.found(now, &job, set);
        } else {
            let opened = self.register.open(id);
            self.proposed(opened);
            self.save_job(&job);
        }
        self.jobs.insert(id, job);
    }

    pub(super) fn cancel(&mut self, now: Moment, id: JobId) {
        if !self.jobs.contains_key(&id) {
            return self.cancel_elsewhere(id);
        }
        self.with_job(id, |core, job| {
            let again = std::mem::replace(&mut job.row.cancelled, true);
            let end = Next::End(cancelled());
            match &mut job.phase {
                // What was proposed cannot be taken back; its answer is waited for.
                Phase::Deciding => core.save_job(job),
                Phase::Closing(closing) if again && matches!(closing.next, Next::End(_)) => {}
                Phase::Closing(closing) => {
                    closing.next = end;
                    core.save_job(job);
                }
                Phase::Open | Phase::Reserving | Phase::Confirming | Phase::Going => {
                    core.close(now, job, end, "its end was asked for");
                }
            }
        });
    }

    /// Goes on with a job that was saved.
    pub(super) fn take_up(&mut self, now: Moment, row: JobRow) {
        if !row.term.is_shared() && self.register.get(row.job).is_none() {
            // Both are written together, so one that is missing cannot be read: it goes on from what the row says.
            let attempt = row.attempt;
            let decision = match &row.phase {
                SavedPhase::Open | SavedPhase::Reserving => Decision::Open(attempt),
                SavedPhase::Going => Decision::Committed(attempt),
                SavedPhase::Closing(closing) if closing.started => Decision::Committed(attempt),
                SavedPhase::Closing(_) => Decision::Aborted(attempt),
            };
            let restored = self.register.restore(row.job, decision);
            self.proposed(restored);
        }
        let decided = self.decision(&row);
        let mut job = Job::new(row, now);
        job.reason = "its host began anew".to_owned();
        for member in &job.row.members {
            let mut slot = Slot::new(member.host, now, Vec::new(), Default::default());
            slot.grant = member.grant;
            slot.state = match (&member.exit, &job.row.phase) {
                (Some(exit), _) => SlotState::Ended(exit.clone()),
                (None, SavedPhase::Going) => SlotState::Starting,
                (None, _) => SlotState::Held,
            };
            job.slots.push(slot);
        }
        let committed = decided == Some(Decision::Committed(job.row.attempt));
        match job.row.phase.clone() {
            SavedPhase::Open => {}
            SavedPhase::Going => job.phase = Phase::Going,
            SavedPhase::Closing(closing) => job.phase = Phase::Closing(closing),
            SavedPhase::Reserving if committed => {
                job.phase = Phase::Confirming;
                // Of a job that several keep, another one may have gone further in between.
                job.inherited = job.row.term.is_shared();
            }
            SavedPhase::Reserving => {
                // Nobody can have started, and what was held meanwhile may be gone: a new attempt is
                // simpler than to find out.
                self.close(now, &mut job, Next::Again, "its host began anew");
            }
        }
        let id = job.row.job;
        let cancelled = job.row.cancelled;
        self.jobs.insert(id, job);
        if cancelled {
            // It was asked for before the crash, which may have come before anything followed from it.
            self.cancel(now, id);
        }
    }

    /// Takes a job out of the table while it is worked on: it comes back unless it has ended.
    pub(super) fn with_job(&mut self, id: JobId, work: impl FnOnce(&mut Self, &mut Job)) {
        let Some(mut job) = self.jobs.remove(&id) else {
            return;
        };
        work(self, &mut job);
        if !self.is_over(&job) {
            self.report_change(&mut job);
            self.jobs.insert(id, job);
        }
    }

    /// A job has ended once its register is gone.
    fn is_over(&self, job: &Job) -> bool {
        if job.row.term.is_shared() {
            // Its end is its register's, and takes it away.
            return false;
        }
        self.register.get(job.row.job).is_none()
    }

    /// What the register of a job holds, as far as it has answered.
    pub(super) fn decision(&self, row: &JobRow) -> Option<Decision> {
        if row.term.is_shared() {
            return self.keeper.decision(row.job);
        }
        self.register.get(row.job)
    }

    pub(super) fn save_job(&mut self, job: &Job) {
        self.outbox.save(Change::PutJob(Box::new(job.saved_row())));
    }

    fn proposed(&mut self, proposed: Proposed) {
        if let Some(change) = proposed.change.filter(|_| !F::DECIDE_UNSAVED) {
            self.outbox.save(change);
        }
        self.outbox.settle(proposed.settled);
    }

    fn propose(&mut self, now: Moment, job: &Job, next: Decision) {
        if job.row.term.is_shared() {
            return self.propose_shared(now, job, next, false);
        }
        let id = job.row.job;
        if let Some(held) = self.register.get(id) {
            let proposed = self.register.propose(id, held, next);
            self.proposed(proposed);
        }
    }

    /// A register has answered.
    pub(super) fn settled(&mut self, now: Moment, settled: Settled) {
        self.with_job(settled.job, |core, job| {
            if settled.decision.attempt() != job.row.attempt {
                return;
            }
            match (&job.phase, settled.decision) {
                (Phase::Deciding, Decision::Committed(_)) if job.row.cancelled => {
                    let end = Next::End(cancelled());
                    core.close(now, job, end, "its end was asked for");
                }
                (Phase::Deciding, Decision::Committed(_)) => {
                    job.enter(Phase::Confirming, now);
                    core.send_due(now, job);
                }
                (Phase::Deciding, _) => {
                    core.close(now, job, Next::Again, "the attempt was aborted");
                }
                (Phase::Closing(_), Decision::Open(attempt)) => {
                    // Its end was asked for while this attempt was being opened.
                    core.propose(now, job, Decision::Aborted(attempt));
                }
                (Phase::Closing(_), _) => core.closing_tick(now, job),
                (Phase::Open, _) if job.row.term.is_shared() => {
                    job.reason = "submitted".to_owned();
                }
                _ => {}
            }
        });
    }

    /// The fleet looks different: jobs that wait for that are tried again soon.
    pub(super) fn fleet_changed(&mut self, now: Moment) {
        for job in self.jobs.values_mut().filter(|job| job.waiting) {
            let soon = job.last_try.after(self.settings.backoff_first).max(now);
            job.retry_at = job.retry_at.min(soon);
        }
    }

    /// A host is there again, or not.
    pub(super) fn peer_changed(&mut self, now: Moment, host: HostId, liveness: Liveness) {
        let ids: Vec<JobId> = self.jobs.keys().copied().collect();
        for id in ids {
            let concerned = self.jobs.get(&id).is_some_and(|job| {
                job.phase == Phase::Going && job.slots.iter().any(|slot| slot.host == host)
            });
            if !concerned {
                continue;
            }
            self.with_job(id, |core, job| {
                if liveness != Liveness::Alive {
                    return;
                }
                for (member, slot) in job.slots.iter().enumerate() {
                    if slot.host == host && slot.state.may_live() {
                        let (tag, term) = (job.tag(member), job.row.term);
                        core.outbox.send_as(host, tag, term, Body::Query);
                    }
                }
                core.send_due(now, job);
            });
        }
    }
}

pub(super) fn cancelled() -> Outcome {
    Outcome {
        state: JobState::Cancelled,
        exit_code: None,
        reason: "cancelled".to_owned(),
    }
}
