//! What the submitting host does with what owners answer.

use kerf_types::job::JobState;
use kerf_types::peer::{Body, Exit, Grant, Tag};
use kerf_types::{HostId, HostRecord, Moment};

use super::runs::after;
use crate::core::job::{Job, Phase, SlotState};
use crate::core::saved::{Next, Outcome};
use crate::core::{Core, Faults};

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
                Body::Waiting { behind, reason } => core.on_waiting(job, member, behind, &reason),
                Body::Wound { by } => core.on_wound(now, job, member, by),
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
        } else if job.ordered {
            Self::next_host(now, job);
            self.send_due(now, job);
        }
    }

    fn on_refused(&mut self, now: Moment, job: &mut Job, member: usize, reason: &str) {
        let held = matches!(job.phase, Phase::Reserving | Phase::Confirming);
        let Some(host) = job.slots.get(member).filter(|_| held).map(|slot| slot.host) else {
            return;
        };
        let known = self.fleet.get(host);
        let seen = known.map(|known| known.model.record().version);
        // One that would not even let it wait is left out, whatever its record tells.
        let seen = seen.filter(|_| !job.ordered);
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
    pub(super) fn look_at_confirmed(&mut self, now: Moment, job: &mut Job) {
        let inherited = job.inherited;
        let is_ready = |state: &SlotState| {
            *state == SlotState::Confirmed || (inherited && matches!(state, SlotState::Ended(_)))
        };
        if F::SKIP_BARRIER || job.all(is_ready) {
            self.go(now, job);
        }
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

/// Whether the sender of this has something that must be given back.
fn holds_something(body: &Body) -> bool {
    matches!(
        body,
        Body::Reserved(_) | Body::Confirmed | Body::Started | Body::Alive { .. } | Body::Ended(_)
    )
}
