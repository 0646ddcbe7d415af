//! What follows from what a register has answered.

use kerf_register::{Answer, Ballot, Ending, State};
use kerf_types::{JobId, Moment};

use super::{Purpose, Standing, Watched};
use crate::core::io::{Output, Report};
use crate::core::job::{Job, Phase, Slot, SlotState};
use crate::core::kept::Kept;
use crate::core::outbox::Held;
use crate::core::register::{Decision, Settled};
use crate::core::saved::{Change, JobRow, SavedPhase};
use crate::core::{Core, Faults};

impl<F: Faults> Core<F> {
    pub(in crate::core) fn answered(&mut self, now: Moment, answer: Answer<JobId, Kept>) {
        let Some(wanted) = self.keeper.wants.remove(&answer.number) else {
            return;
        };
        let job = answer.key;
        let Some(state) = answer.state else {
            return self.refused(now, job, wanted.what);
        };
        if state.is_retired {
            // That it is over was said before.
            return;
        }
        let by_force = wanted.what == Purpose::Force;
        if by_force || (wanted.what != Purpose::TakeOver && Self::is_outranked(&state)) {
            return self.forced(now, job, wanted.since, *state);
        }
        match wanted.what {
            Purpose::Found | Purpose::Decide | Purpose::Ask => {
                self.stands(now, job, wanted.since, *state);
            }
            Purpose::TakeOver => {
                if let Some(watched) = self.keeper.watched.get_mut(&job) {
                    watched.trying = false;
                    // Another one was faster; or what was known here was old, and the next try knows better.
                    if state.value.coordinator != self.id {
                        watched.heard = watched.heard.max(wanted.since);
                    }
                }
                if answer.ending == Ending::Done {
                    self.become_coordinator(now, state.origin, state.value, wanted.since);
                }
            }
            Purpose::Exchange => {
                if let Some(standing) = self.keeper.standing.get_mut(&job) {
                    standing.exchanging = false;
                }
            }
            // Handled above.
            Purpose::Force => {}
        }
    }

    fn refused(&mut self, now: Moment, job: JobId, what: Purpose) {
        if let Some(watched) = self.keeper.watched.get_mut(&job) {
            watched.trying = false;
            watched.heard = now;
        }
        if let Some(standing) = self.keeper.standing.get_mut(&job) {
            match what {
                Purpose::Exchange => standing.exchanging = false,
                _ => standing.pending = false,
            }
        }
    }

    /// A majority has said what the register holds.
    pub(super) fn stands(&mut self, now: Moment, job: JobId, since: Moment, state: State<Kept>) {
        let Kept {
            decision,
            term,
            coordinator,
            ..
        } = state.value;
        if let Some(row) = self.keeper.unsure.remove(&job) {
            if coordinator != self.id || term != row.term {
                self.keeper.unsure.insert(job, row);
                return self.step_down(now, job, coordinator);
            }
            return self.resume(now, row, state, since);
        }
        let Some(standing) = self.keeper.standing.get_mut(&job) else {
            return;
        };
        standing.pending = false;
        if coordinator != self.id || term != standing.term {
            return self.step_down(now, job, coordinator);
        }
        standing.origin = state.origin;
        standing.decision = decision;
        standing.base = standing.base.max(since);
        self.settled(now, Settled { job, decision });
    }

    /// This host still coordinates what it did before it began anew.
    pub(super) fn resume(
        &mut self,
        now: Moment,
        mut row: JobRow,
        state: State<Kept>,
        since: Moment,
    ) {
        let job = row.job;
        let watched = self.keeper.watched.get(&job);
        // Asked for while nobody here knew who coordinates it.
        row.cancelled |= watched.is_some_and(|watched| watched.cancelled);
        let decision = state.value.decision;
        if let Some(home) = self.home_of(job).filter(|home| *home != self.id) {
            // It may have died before this was heard.
            let row = Box::new(row.clone());
            self.outbox.hold(Held::Out(Output::Took { row, home }));
        }
        let mut standing = Standing::new(state.origin, decision, row.term, now);
        standing.base = since;
        standing.pending = false;
        self.keeper.standing.insert(job, standing);
        let is_of_it = decision.attempt() == row.attempt;
        if matches!(decision, Decision::Committed(_)) && is_of_it {
            // What it wrote down since is more than what was agreed on.
            return self.take_up(now, row);
        }
        // Else from what was agreed on: nothing of another attempt can have been started.
        let told = state.value.closing();
        let mut agreed = state.value.row;
        agreed.cancelled |= row.cancelled;
        agreed.attempt = decision.attempt();
        let (own, agreed_on) = match (row.phase, decision) {
            (SavedPhase::Closing(closing), _) if is_of_it => (Some(closing), true),
            (_, Decision::Aborted(_) | Decision::Closed(_)) => (Some(told), true),
            (_, Decision::Open(_)) => (None, true),
            (_, Decision::Committed(_)) => (None, false),
        };
        if agreed_on {
            agreed.members.clear();
        }
        agreed.phase = own.map_or(SavedPhase::Reserving, SavedPhase::Closing);
        self.take_up(now, agreed);
        // What was to be decided when it died may never have reached the register.
        self.settled(now, Settled { job, decision });
    }

    /// A majority has agreed that this host coordinates the job from now on.
    pub(super) fn become_coordinator(
        &mut self,
        now: Moment,
        origin: Ballot,
        kept: Kept,
        since: Moment,
    ) {
        let id = kept.row.job;
        let mut standing = Standing::new(origin, kept.decision, kept.term, now);
        standing.base = since;
        standing.pending = false;
        self.keeper.standing.insert(id, standing);
        let watched = self.keeper.watched.get(&id);
        let cancelled = watched.is_some_and(|watched: &Watched| watched.cancelled);
        let closing = kept.closing();
        let mut job = Job::new(kept.row, now);
        job.row.attempt = kept.decision.attempt();
        job.row.cancelled |= cancelled;
        job.reason =
            "the host that coordinated it is silent, and this one has taken over".to_owned();
        if let Decision::Committed(_) = kept.decision {
            let silent = if F::TRUST_SILENCE {
                now
            } else {
                now.after(self.settings.authority)
            };
            for member in &job.row.members {
                let mut slot = Slot::new(member.host, now, Vec::new(), Default::default());
                slot.grant = member.grant;
                slot.state = match &member.exit {
                    Some(exit) => SlotState::Ended(exit.clone()),
                    None => SlotState::Held,
                };
                slot.kept = silent;
                job.slots.push(slot);
            }
            job.inherited = true;
            job.enter(Phase::Confirming, now);
            if F::START_UNCONFIRMED {
                self.go(now, &mut job);
            }
        } else {
            job.enter(Phase::Closing(closing), now);
        }
        self.save_job(&job);
        if let Some(home) = self.home_of(id) {
            let row = Box::new(job.saved_row());
            self.outbox.hold(Held::Out(Output::Took { row, home }));
        }
        let cancelled = job.row.cancelled;
        self.jobs.insert(id, job);
        if cancelled {
            self.cancel(now, id);
        }
        self.with_job(id, |core, job| match job.phase {
            Phase::Closing(_) => core.closing_tick(now, job),
            _ => core.send_due(now, job),
        });
    }

    /// The register was retired: the job has ended, whoever ended it. Each keeper says so, since one of them is where it
    /// was submitted.
    pub(in crate::core) fn over(&mut self, job: JobId, last: &Kept) {
        self.keeper.standing.remove(&job);
        self.keeper.watched.remove(&job);
        self.keeper.unsure.remove(&job);
        let known = self.jobs.remove(&job);
        let Some(outcome) = last.outcome().cloned() else {
            return;
        };
        self.outbox.save(Change::EndJob(job, outcome.clone()));
        self.outbox.forget_reports(job);
        self.outbox.report(Report {
            job,
            attempt: last.row.attempt,
            state: outcome.state,
            settled: true,
            exit_code: outcome.exit_code,
            reason: outcome.reason,
            restarts: last.row.restarts,
            hosts: last.row.members.iter().map(|member| member.host).collect(),
            explanation: known.and_then(|known| known.explanation),
        });
    }
}
