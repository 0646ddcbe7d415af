//! What the starts and ends of members mean for their job.
//!
//! Owners tell them in any order, and each counts once: the attempt is over with the first that says so.

use kerf_types::Moment;
use kerf_types::job::{JobState, RestartPolicy};
use kerf_types::peer::Exit;

use super::cancelled;
use crate::core::job::{Job, Phase, Slot, SlotState};
use crate::core::saved::{Next, Outcome};
use crate::core::settings::START_TRIES;
use crate::core::{Core, Faults};
use crate::fleet::Liveness;

impl<F: Faults> Core<F> {
    pub(super) fn on_started(&mut self, now: Moment, job: &mut Job, member: usize) {
        let Some(slot) = job.slots.get_mut(member) else {
            return;
        };
        if job.phase == Phase::Going && slot.state == SlotState::Starting {
            slot.state = SlotState::Running;
            self.look_at_starts(now, job);
            if job.all(|state| *state == SlotState::Running) {
                job.row.refused_starts = 0;
                job.reason = match job.slots.as_slice() {
                    [only] => self.told(only.host, "runs it", "its container runs"),
                    _ => "all members run".to_owned(),
                };
            }
        }
    }

    pub(super) fn on_not_started(
        &mut self,
        now: Moment,
        job: &mut Job,
        member: usize,
        reason: String,
        lasting: bool,
    ) {
        let Some(slot) = job.slots.get_mut(member) else {
            return;
        };
        if job.phase != Phase::Going || slot.state != SlotState::Starting {
            return;
        }
        let host = slot.host;
        slot.state = SlotState::NotStarted(reason.clone());
        let alone = self.settings.alone;
        if !alone {
            job.avoid(host, now, &reason, None);
        }
        job.row.refused_starts = job.row.refused_starts.saturating_add(u32::from(lasting));
        job.reason = self.told(host, "did not start it", &reason);
        self.look_at_starts(now, job);
    }

    /// What it means that a member was not started, once every other one has said whether it was: where none ran, the
    /// job is placed again as if nothing had been.
    pub(super) fn look_at_starts(&mut self, now: Moment, job: &mut Job) {
        let is_refused = |slot: &Slot| matches!(slot.state, SlotState::NotStarted(_));
        let ran = |slot: &Slot| matches!(slot.state, SlotState::Running | SlotState::Ended(_));
        let there = |host| self.fleet.liveness(host) == Liveness::Alive;
        let open = |slot: &Slot| slot.state == SlotState::Starting && there(slot.host);
        // Once one ran, the others change nothing more.
        let waits = job.slots.iter().any(open) && !job.slots.iter().any(ran);
        let over = job.phase != Phase::Going || waits;
        if over || !job.slots.iter().any(is_refused) {
            return;
        }
        let why = job.reason.clone();
        let failed = Outcome {
            state: JobState::Failed,
            exit_code: None,
            reason: why.clone(),
        };
        let nobody = !job.slots.iter().any(ran);
        let refused = job.row.refused_starts;
        let alone = self.settings.alone;
        let hopeless = refused >= START_TRIES || (refused > 0 && alone);
        let next = if nobody && !hopeless {
            // Nothing of it ever ran, so this is no restart.
            Next::Again
        } else {
            after(job, true, failed)
        };
        self.close(now, job, next, &why);
    }

    pub(super) fn on_ended(&mut self, now: Moment, job: &mut Job, member: usize, exit: Exit) {
        let Some(slot) = job.slots.get_mut(member) else {
            return;
        };
        if job.phase == Phase::Confirming && job.inherited {
            slot.state = SlotState::Ended(exit);
            self.save_job(job);
            return self.look_at_confirmed(now, job);
        }
        if job.phase != Phase::Going {
            if matches!(job.phase, Phase::Closing(_)) {
                // Its owner keeps the end until it is told that it is known.
                slot.next_send = now;
                self.closing_tick(now, job);
            }
            return;
        }
        if !slot.state.may_live() {
            return;
        }
        slot.state = SlotState::Ended(exit);
        self.save_job(job);
        self.look_at_starts(now, job);
        self.look_at_ends(now, job);
    }

    /// What the ends of members mean for the job.
    pub(super) fn look_at_ends(&mut self, now: Moment, job: &mut Job) {
        if job.phase != Phase::Going {
            return;
        }
        let mut ends = job.slots.iter().filter_map(|slot| match &slot.state {
            SlotState::Ended(exit) => Some((slot.host, exit.clone())),
            _ => None,
        });
        let bad = ends.find(|(_, exit)| exit.code != Some(0));
        if let Some((host, exit)) = bad {
            let state = if exit.code.is_some() || exit.timed_out {
                JobState::Failed
            } else {
                JobState::Lost
            };
            let why = self.told(host, "ended it", &exit.reason);
            let outcome = Outcome {
                state,
                exit_code: exit.code,
                reason: why.clone(),
            };
            let next = if exit.timed_out && !job.row.cancelled {
                // Its time is over, however often it may be started.
                Next::End(outcome)
            } else {
                after(job, true, outcome)
            };
            return self.close(now, job, next, &why);
        }
        if job.all(|state| matches!(state, SlotState::Ended(_))) {
            let why = match job.slots.as_slice() {
                [only] => self.told(only.host, "ended it", "exit code 0"),
                _ => "all members ended with 0".to_owned(),
            };
            let outcome = Outcome {
                state: JobState::Succeeded,
                exit_code: Some(0),
                reason: why.clone(),
            };
            let next = after(job, false, outcome);
            self.close(now, job, next, &why);
        }
    }
}

/// What follows an attempt that ran, by the job's restart policy.
pub(super) fn after(job: &Job, failed: bool, outcome: Outcome) -> Next {
    if job.row.cancelled {
        return Next::End(cancelled());
    }
    match job.row.spec.restart {
        RestartPolicy::Always => Next::Restart,
        RestartPolicy::OnFailure { max } if failed && job.row.restarts < max => Next::Restart,
        RestartPolicy::Never | RestartPolicy::OnFailure { .. } => Next::End(outcome),
    }
}
