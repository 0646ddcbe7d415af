//! What the submitting host does with what owners answer.

use kerf_types::job::{JobState, RestartPolicy};
use kerf_types::peer::{Body, Exit, Grant, Tag};
use kerf_types::{HostId, HostRecord, Moment};

use super::cancelled;
use crate::core::job::{Job, Phase, Slot, SlotState};
use crate::core::saved::{Next, Outcome};
use crate::core::settings::START_TRIES;
use crate::core::{Core, Faults};
use crate::fleet::Liveness;

impl<F: Faults> Core<F> {
    pub(in crate::core) fn on_answer(&mut self, now: Moment, from: HostId, tag: Tag, body: Body) {
        let slot_of = |job: &Job| {
            let member = usize::try_from(tag.member).ok()?;
            let slot = job.slots.get(member)?;
            (job.row.attempt == tag.attempt && slot.host == from).then_some(member)
        };
        let slot = self.jobs.get(&tag.job).and_then(slot_of);
        if let Body::Refused {
            record: Some(record),
            ..
        } = &body
        {
            self.learn_from(now, from, record);
        }
        let Some(member) = slot else {
            // It comes late, or nobody here knows the job any more: whatever is held is given back. Of a job that this host
            // keeps and does not coordinate, another one says what becomes of it.
            let kept = !self.keepers(tag.job).is_empty();
            let known = self.jobs.get(&tag.job);
            if let Some(job) = known.filter(|job| job.row.attempt > tag.attempt && kept) {
                let term = job.row.term;
                if holds_something(&body) {
                    self.outbox.send_as(from, tag, term, Body::Release);
                }
            } else if !kept && holds_something(&body) {
                self.outbox.send(from, tag, Body::Release);
            }
            return;
        };
        self.with_job(tag.job, |core, job| {
            if let Some(slot) = job.slots.get_mut(member) {
                slot.heard = now;
            }
            match body {
                Body::Reserved(grant) => core.on_reserved(now, job, member, grant),
                Body::Refused { reason, .. } => core.on_refused(now, job, member, &reason),
                Body::Confirmed => core.on_confirmed(now, job, member),
                Body::Started => core.on_started(now, job, member),
                Body::StartRefused { reason, lasting } => {
                    core.on_not_started(now, job, member, reason, lasting);
                }
                Body::Released => core.on_released(now, job, member),
                Body::Alive { sent } => core.on_alive(now, job, member, sent),
                Body::Ended(exit) => core.on_ended(now, job, member, exit),
                // Only owners are told these, and they were dealt with before.
                Body::Reserve { .. }
                | Body::Confirm(_)
                | Body::Start { .. }
                | Body::Release
                | Body::Keep { .. }
                | Body::Keepers(_)
                | Body::Query => {}
            }
        });
    }

    /// A host speaks for itself alone.
    fn learn_from(&mut self, now: Moment, from: HostId, record: &HostRecord) {
        if record.id == from {
            self.learn(now, record.clone().into());
        }
    }

    fn on_reserved(&mut self, now: Moment, job: &mut Job, member: usize, grant: Grant) {
        let Some(slot) = job.slots.get_mut(member) else {
            return;
        };
        if job.phase != Phase::Reserving {
            // An owner that has lost its store takes an old question for a new one. What it promises now is not what
            // it had, of which nothing is left there.
            if slot.grant.is_some_and(|known| known != grant) {
                let (host, term) = (slot.host, job.row.term);
                let tag = job.tag(member);
                self.outbox.send_as(host, tag, term, Body::Release);
            }
            return;
        }
        slot.kept = slot.kept.max(now);
        slot.grant = Some(grant);
        slot.state = SlotState::Held;
        if job.all(|state| *state == SlotState::Held) {
            self.decide(now, job);
        }
    }

    fn on_refused(&mut self, now: Moment, job: &mut Job, member: usize, reason: &str) {
        let held = matches!(job.phase, Phase::Reserving | Phase::Confirming);
        let Some(host) = job.slots.get(member).filter(|_| held).map(|slot| slot.host) else {
            return;
        };
        let known = self.fleet.get(host);
        let seen = known.map(|known| known.model.record().version);
        job.avoid(host, now, reason, seen);
        if let Some(slot) = job.slots.get_mut(member).filter(|_| !job.inherited) {
            slot.state = SlotState::Closed;
        }
        let why = self.told(host, "refused", reason);
        let next = self.after_refusal(job, &why);
        self.close(now, job, next, &why);
    }

    /// What follows where an owner does not have its member any more. Whoever coordinated before may have seen it run, and
    /// then nothing but the restart policy starts it again.
    fn after_refusal(&self, job: &Job, why: &str) -> Next {
        if !job.inherited {
            return Next::Again;
        }
        let lost = Outcome {
            state: JobState::Lost,
            exit_code: None,
            reason: why.to_owned(),
        };
        after(job, true, lost)
    }

    fn on_confirmed(&mut self, now: Moment, job: &mut Job, member: usize) {
        let Some(slot) = job.slots.get_mut(member) else {
            return;
        };
        if job.phase != Phase::Confirming || slot.state != SlotState::Held {
            return;
        }
        slot.state = SlotState::Confirmed;
        self.look_at_confirmed(now, job);
    }

    /// Whether all have confirmed, or have run already under whoever coordinated before.
    fn look_at_confirmed(&mut self, now: Moment, job: &mut Job) {
        let inherited = job.inherited;
        let is_ready = |state: &SlotState| {
            *state == SlotState::Confirmed || (inherited && matches!(state, SlotState::Ended(_)))
        };
        if F::SKIP_BARRIER || job.all(is_ready) {
            self.go(now, job);
        }
    }

    fn on_started(&mut self, now: Moment, job: &mut Job, member: usize) {
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

    fn on_not_started(
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
    fn look_at_starts(&mut self, now: Moment, job: &mut Job) {
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

    fn on_released(&mut self, now: Moment, job: &mut Job, member: usize) {
        let Some(slot) = job.slots.get_mut(member) else {
            return;
        };
        let host = slot.host;
        match &job.phase {
            Phase::Closing(_) => {
                slot.state = SlotState::Closed;
                self.closing_tick(now, job);
            }
            Phase::Reserving | Phase::Confirming if slot.state != SlotState::Asked => {
                slot.state = SlotState::Closed;
                let why = format!("{} let its reservation go", self.name_of(host));
                job.avoid(host, now, "its reservation ended", None);
                let next = self.after_refusal(job, &why);
                self.close(now, job, next, &why);
            }
            // Its refusal was overtaken: what has run is kept as ended until it is released.
            Phase::Going if slot.state == SlotState::Starting => {
                let reason = "it was let go before it started".to_owned();
                self.on_not_started(now, job, member, reason, false);
            }
            Phase::Going if slot.state == SlotState::Running => {
                let exit = Exit {
                    code: None,
                    timed_out: false,
                    reason: format!("{} no longer has it", self.name_of(host)),
                };
                self.on_ended(now, job, member, exit);
            }
            _ => {}
        }
    }

    fn on_alive(&mut self, now: Moment, job: &mut Job, member: usize, sent: Moment) {
        let tag = job.tag(member);
        let Some(slot) = job.slots.get_mut(member) else {
            return;
        };
        match (&job.phase, &slot.state) {
            (Phase::Closing(_), _) => {
                slot.next_send = now;
                self.closing_tick(now, job);
            }
            (
                _,
                SlotState::Held | SlotState::Confirmed | SlotState::Starting | SlotState::Running,
            ) => {
                let (host, term) = (slot.host, job.row.term);
                if !self.may_speak(now, job.row.job, term) {
                    return;
                }
                slot.kept = slot.kept.max(now);
                if let Some(keepers) = self.changed_keepers(tag.job) {
                    self.outbox.send_as(host, tag, term, Body::Keepers(keepers));
                }
                self.outbox.send_as(host, tag, term, Body::Keep { sent });
            }
            _ => {}
        }
    }

    fn on_ended(&mut self, now: Moment, job: &mut Job, member: usize, exit: Exit) {
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

    /// What a host says of a job; of this host itself, which nobody needs to name, the words alone.
    pub(super) fn told(&self, host: HostId, does: &str, words: &str) -> String {
        if host == self.id {
            return words.to_owned();
        }
        format!("{} {does}: {words}", self.name_of(host))
    }

    /// What people call a host.
    pub(in crate::core) fn name_of(&self, host: HostId) -> String {
        let known = self.fleet.get(host);
        known.map_or_else(
            || host.to_string(),
            |host| host.model.record().name.to_string(),
        )
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

/// Whether the sender of this has something that must be given back.
fn holds_something(body: &Body) -> bool {
    matches!(
        body,
        Body::Reserved(_) | Body::Confirmed | Body::Started | Body::Alive { .. } | Body::Ended(_)
    )
}
