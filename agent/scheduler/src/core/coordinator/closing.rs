//! The end of an attempt: everything is released, and nothing follows before that is known.
//!
//! A member is gone by its owner's word; or, under `on_partition: stop`, by time: an owner that hears nothing
//! stops it after a time that is counted from no later than the last word that it can have heard.

use kerf_types::Moment;
use kerf_types::job::OnPartition;

use crate::core::io::Report;
use crate::core::job::{Job, Phase, Slot, SlotState};
use crate::core::register::Decision;
use crate::core::saved::{Change, Closing, Next, Outcome, SavedPhase};
use crate::core::{Core, Faults};

impl<F: Faults> Core<F> {
    /// Begins to close the attempt.
    pub(super) fn close(&mut self, now: Moment, job: &mut Job, next: Next, why: &str) {
        let started = job.phase == Phase::Going || job.inherited;
        if next == Next::Again {
            job.rounds = job.rounds.saturating_add(1);
        }
        job.reason = why.to_owned();
        for slot in &mut job.slots {
            if slot.state == SlotState::Later {
                // It was never asked for.
                slot.state = SlotState::Closed;
            }
        }
        job.enter(Phase::Closing(Closing { next, started }), now);
        self.save_job(job);
        if let Some(Decision::Open(attempt)) = self.decision(&job.row)
            && attempt == job.row.attempt
        {
            self.propose(now, job, Decision::Aborted(attempt));
        }
        self.closing_tick(now, job);
    }

    /// Asks for what is left, and goes on when nothing is.
    pub(in crate::core) fn closing_tick(&mut self, now: Moment, job: &mut Job) {
        let Phase::Closing(closing) = job.phase.clone() else {
            return;
        };
        let decision = self.decision(&job.row);
        if self.keeper.is_pending(job.row.job) {
            return self.send_due(now, job);
        }
        if matches!(decision, Some(Decision::Open(_))) {
            // Not before it is aborted for good: the answer comes.
            return;
        }
        if closing.started {
            for member in 0..job.slots.len() {
                let by_time = job
                    .slots
                    .get(member)
                    .and_then(|slot| self.gone_at(job, slot));
                if by_time.is_some_and(|gone| gone <= now)
                    && let Some(slot) = job.slots.get_mut(member)
                {
                    slot.state = SlotState::Closed;
                }
            }
        }
        let waited = !closing.started && now >= job.since.after(self.settings.release_wait);
        let done = waited || F::SKIP_CLOSE || job.all(|state| *state == SlotState::Closed);
        if !done {
            return self.send_due(now, job);
        }
        if waited {
            // The last try; whoever does not hear it lets go by itself.
            self.send_due(now, job);
        }
        match decision {
            Some(Decision::Committed(attempt)) => {
                self.propose(now, job, Decision::Closed(attempt));
            }
            Some(Decision::Aborted(_) | Decision::Closed(_)) => {
                self.proceed(now, job, closing.next)
            }
            Some(Decision::Open(_)) | None => {}
        }
    }

    /// When a member is gone although nobody says so; `None` where only its owner can say it.
    pub(super) fn gone_at(&self, job: &Job, slot: &Slot) -> Option<Moment> {
        let settings = &self.settings;
        let stops = job.row.spec.on_partition == OnPartition::Stop && slot.host != self.id;
        if !stops || !settings.close_by_time || slot.state == SlotState::Closed {
            return None;
        }
        if F::CLOSE_AT_ONCE {
            return Some(slot.kept);
        }
        let held = settings.stop_after.max(settings.ttl);
        let margin = match F::FORGET_MARGIN {
            true => Default::default(),
            false => settings.stop_margin,
        };
        let grace = std::time::Duration::from_secs(job.row.spec.checkpoint_grace_seconds);
        Some(slot.kept.after(held).after(grace).after(margin))
    }

    /// The attempt is closed: the next one, or the end.
    fn proceed(&mut self, now: Moment, job: &mut Job, next: Next) {
        let pause = match next {
            Next::End(outcome) => return self.end(now, job, outcome),
            Next::Again => job.rounds,
            Next::Restart => {
                job.row.restarts = job.row.restarts.saturating_add(1);
                job.row.restarts
            }
        };
        job.row.attempt = job.row.attempt.next();
        job.row.phase = SavedPhase::Open;
        job.row.gang = None;
        job.slots.clear();
        job.in_line = None;
        job.retry_at = now.after(self.pause(pause));
        job.waiting = false;
        job.inherited = false;
        job.enter(Phase::Open, now);
        self.save_job(job);
        self.propose(now, job, Decision::Open(job.row.attempt));
    }

    fn end(&mut self, now: Moment, job: &mut Job, outcome: Outcome) {
        let id = job.row.job;
        if let (true, Some(decision)) = (job.row.term.is_shared(), self.decision(&job.row)) {
            // Each keeper says that it has ended, once it knows: this one too.
            return self.propose_shared(now, job, decision, true);
        }
        self.register.forget(id);
        self.outbox.save(Change::EndJob(id, outcome.clone()));
        self.outbox.forget_reports(id);
        self.outbox.report(Report {
            job: id,
            attempt: job.row.attempt,
            state: outcome.state,
            settled: true,
            exit_code: outcome.exit_code,
            reason: outcome.reason,
            restarts: job.row.restarts,
            hosts: job.slots.iter().map(|slot| slot.host).collect(),
            explanation: job.explanation.clone(),
        });
    }
}
