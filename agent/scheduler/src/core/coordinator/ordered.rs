//! Asking in order, for a job that owners have refused again and again: the submitting host's side of turns.
//!
//! Asked all at once, gangs that need the same hosts can keep each other out for ever, each with a part. So after
//! [`Settings::ordered_after`](crate::Settings::ordered_after) refusals in a row, or where it has found no room for
//! [`Settings::ordered_age`](crate::Settings::ordered_age), a job asks one host after the other, in the order of their ids,
//! and its asks wait for their turn at the owner. Who waits at a host holds only what is on
//! hosts before it, and waits only for older jobs, for younger ones that are told to give way, and for what runs:
//! so there is no circle, and the oldest job waits for nothing but what is decided.
//!
//! Where the fleet as it is has no room, a job that was refused before is placed as if no job held anything, and lines up there: what
//! becomes free goes to it, and not to whoever hears of it first. All of that is bounded in time, by
//! [`Settings::ordered_wait`](crate::Settings::ordered_wait) and the owner's own bounds: it gathers what becomes free within
//! that. To make room for a job that needs what runs for hours is not its business.

use std::sync::Arc;

use kerf_planner::Pick;
use kerf_types::host_record::{Amount, Occupancy};
use kerf_types::{HostId, HostRecord, JobId, Moment, Timestamp, Turn};

use crate::core::job::{Job, Phase, Slot, SlotState};
use crate::core::saved::Next;
use crate::core::settings::CLOCK_DRIFT;
use crate::core::{Core, Faults};
use crate::explain::Explanation;
use crate::fleet::Fleet;
use crate::place::{SaidNo, Wish, place};

impl<F: Faults> Core<F> {
    /// The time by which a job that is submitted now stands in the order: this host's own, or just after the latest that it
    /// has heard of, as in a hybrid logical clock.
    pub(super) fn stamp(&mut self, own: Timestamp) -> Timestamp {
        let drift = u64::try_from(CLOCK_DRIFT.as_millis()).unwrap_or(u64::MAX);
        let believed = self.latest_stamp.0 <= own.0.saturating_add(drift);
        let after = self.latest_stamp.0.saturating_add(1);
        let stamp = Timestamp(if believed { own.0.max(after) } else { own.0 });
        self.latest_stamp = self.latest_stamp.max(stamp);
        stamp
    }

    /// Another host's job was submitted then.
    pub(in crate::core) fn heard_stamp(&mut self, turn: Option<Turn>) {
        if let Some(turn) = turn {
            self.latest_stamp = self.latest_stamp.max(turn.submitted);
        }
    }

    /// What is said of a job's turn when its devices are asked for.
    pub(super) fn turn_of(job: &Job) -> Turn {
        Turn {
            submitted: job.row.submitted,
            priority: job.row.spec.priority,
            waits: job.ordered,
        }
    }

    /// Whether a job that the fleet has room for asks in order.
    pub(super) fn is_due_in_order(&self, now: Moment, job: &Job) -> bool {
        !F::NEVER_ORDERED && (self.is_aged(now, job) || job.rounds >= self.settings.ordered_after)
    }

    /// Whether a job that the fleet has no room for waits in line: it was there first once, and another was quicker, or it
    /// has looked on for long.
    fn is_due_in_line(&self, now: Moment, job: &Job) -> bool {
        !F::NEVER_ORDERED && (self.is_aged(now, job) || job.rounds >= self.settings.lined_after)
    }

    fn is_aged(&self, now: Moment, job: &Job) -> bool {
        let waits = job.waits_since;
        waits.is_some_and(|since| since.after(self.settings.ordered_age) <= now)
    }

    /// When an attempt has taken too long to reserve. An owner that has put the ask into its line says so again and again: one
    /// that is silent is not waited for longer than any.
    pub(super) fn reserve_ends(&self, job: &Job) -> Moment {
        let settings = &self.settings;
        if !job.ordered {
            return job.since.after(settings.reserve_wait);
        }
        let asked = job
            .slots
            .iter()
            .filter(|slot| slot.state == SlotState::Asked);
        let silent = asked
            .map(|slot| slot.heard.after(settings.reserve_wait))
            .min();
        let end = job.since.after(settings.ordered_wait);
        silent.map_or(end, |silent| silent.min(end))
    }

    /// It has.
    pub(super) fn reserve_late(&mut self, now: Moment, job: &mut Job) {
        let most = self.settings.reserve_wait;
        let mut asked = job
            .slots
            .iter()
            .filter(|slot| slot.state == SlotState::Asked);
        let waits = job.ordered && asked.clone().all(|slot| now < slot.heard.after(most));
        match asked.next().filter(|_| waits) {
            Some(slot) => {
                let host = self.name_of(slot.host);
                let why = format!("its turn at {host} did not come in time");
                self.close(now, job, Next::Again, &why);
            }
            None => self.give_up(now, job, "did not answer in time"),
        }
    }

    /// Reserves at these hosts: at all of them at once, or at one after the other.
    pub(super) fn reserve_at(
        &mut self,
        now: Moment,
        job: &mut Job,
        members: Vec<(HostId, Vec<Pick>)>,
        ordered: bool,
    ) {
        job.waiting = false;
        job.ordered = ordered;
        job.slots.clear();
        for (host, picks) in members {
            let known = self.fleet.get(host);
            let version = known.map(|host| host.model.record().version);
            let mut slot = Slot::new(host, now, picks, version.unwrap_or_default());
            if job.ordered {
                slot.state = SlotState::Later;
            }
            job.slots.push(slot);
        }
        job.row.gang = self.gang_of(job).map(Arc::new);
        job.enter(Phase::Reserving, now);
        Self::next_host(now, job);
        self.save_job(job);
        self.send_due(now, job);
    }

    /// Where everything that was asked for is held, the next host's turn has come.
    pub(super) fn next_host(now: Moment, job: &mut Job) {
        if !job.all(|state| matches!(state, SlotState::Held | SlotState::Later)) {
            return;
        }
        let later = job
            .slots
            .iter()
            .filter(|slot| slot.state == SlotState::Later);
        let Some(next) = later.map(|slot| slot.host).min() else {
            return;
        };
        for slot in job.slots.iter_mut().filter(|slot| slot.host == next) {
            slot.state = SlotState::Asked;
            slot.next_send = now;
            slot.heard = now;
        }
    }

    /// Places a job that the fleet has no room for as if no job held anything, where its time to wait in line has come.
    /// Why there is no room stays what is told of it.
    pub(super) fn line_up(
        &mut self,
        now: Moment,
        job: &mut Job,
        why: Explanation,
    ) -> Option<Explanation> {
        job.waits_since = job.waits_since.or(Some(now));
        if !self.is_due_in_line(now, job) || now < job.no_line_before {
            return Some(why);
        }
        // Who is not there, or would not start it, is left out as ever; who has no room is who is waited for.
        let mut avoid = job.avoid.clone();
        avoid.retain(|_, said| said.seen.is_none());
        let mut fleet = emptied(&self.fleet);
        let wish = Wish {
            spec: &job.row.spec,
            local: self.id,
            now,
            stale_after: self.settings.stale_after,
            avoid: &avoid,
            claims: &[],
        };
        let Ok(placement) = place(&mut fleet, &wish, &mut self.rng) else {
            // Not again at each change of the fleet: all of it is rebuilt for this.
            job.no_line_before = now.after(self.settings.backoff_most);
            return Some(why);
        };
        job.reason = why.summary();
        job.explanation = Some(Arc::new(why));
        // What it expects to get is another's now, so it is no claim on what is free.
        let members = placement.members.into_iter();
        let members = members.map(|(host, _)| (host, Vec::new())).collect();
        self.reserve_at(now, job, members, true);
        job.in_line = Some(placement.explanation);
        None
    }

    /// While a job waits in line the fleet changes: where there is room elsewhere by now it goes there, and else why there is none
    /// is told as it is now (I13).
    pub(super) fn look_again(&mut self, now: Moment, job: &mut Job) {
        if job.in_line.is_none() || now < job.last_try.after(self.settings.backoff_most) {
            return;
        }
        job.last_try = now;
        self.forget_old_noes(now, job);
        let mut avoid = job.avoid.clone();
        for slot in &job.slots {
            let reason = match slot.state {
                SlotState::Asked => "the job waits there for its turn",
                SlotState::Held => "the job has a reservation there, and waits for others",
                _ => continue,
            };
            let (when, reason) = (now, reason.to_owned());
            avoid.insert(
                slot.host,
                SaidNo {
                    when,
                    reason,
                    seen: None,
                },
            );
        }
        let claims = self.claims();
        let wish = Wish {
            spec: &job.row.spec,
            local: self.id,
            now,
            stale_after: self.settings.stale_after,
            avoid: &avoid,
            claims: &claims,
        };
        match place(&mut self.fleet, &wish, &mut self.rng) {
            Ok(_) => self.close(now, job, Next::Again, "there is room elsewhere by now"),
            Err(why) => job.explanation = Some(Arc::new(why)),
        }
    }

    /// A job that waited in line has all that it waited for: where it is placed is told, and no longer why it waits (I13).
    pub(super) fn tell_its_turn(job: &mut Job) {
        if let Some(placed) = job.in_line.take() {
            let told = job.explanation.as_deref();
            job.explanation = Some(Arc::new(placed.come_true(told)));
        }
    }

    /// An owner has put the ask into its line.
    pub(super) fn on_waiting(
        &self,
        job: &mut Job,
        member: usize,
        behind: Option<JobId>,
        reason: &str,
    ) {
        let Some(slot) = job.slots.get_mut(member) else {
            return;
        };
        if job.phase != Phase::Reserving || slot.state != SlotState::Asked {
            return;
        }
        // It is given nothing yet, so it is no claim on what is free.
        slot.picks.clear();
        let host = self.name_of(slot.host);
        job.reason = match behind {
            Some(other) => format!("waits its turn at {host} behind job {other}: {reason}"),
            None => format!("it is its turn at {host}, and waits there: {reason}"),
        };
    }

    /// An older job waits for what is reserved for this one. A decided attempt never gives way: it starts, and the
    /// older job waits for its end.
    pub(super) fn on_wound(&mut self, now: Moment, job: &mut Job, member: usize, by: JobId) {
        let decided = job.phase != Phase::Reserving;
        let closing = matches!(job.phase, Phase::Closing(_) | Phase::Open);
        if closing || (decided && !F::WOUND_DECIDED) {
            return;
        }
        let Some(slot) = job.slots.get(member) else {
            return;
        };
        let host = self.name_of(slot.host);
        let why = format!("it gave way at {host} to job {by}, whose turn is before");
        self.close(now, job, Next::Again, &why);
    }
}

/// The fleet as it would be if no job held anything. What is used by something that kerf does not know stays used.
fn emptied(fleet: &Fleet) -> Fleet {
    let mut empty = fleet.clone();
    let hosts: Vec<(HostId, HostRecord)> = fleet
        .iter()
        .map(|(id, host)| (id, HostRecord::clone(host.model.record())))
        .collect();
    for (id, mut record) in hosts {
        let free = |amount: &mut Amount| amount.free = amount.total;
        free(&mut record.cpu_milli);
        free(&mut record.memory_bytes);
        record.job_labels.clear();
        record.jobs = 0;
        for gpu in &mut record.gpus {
            let slices = gpu.slices.iter_mut().map(|slice| &mut slice.occupancy);
            for occupancy in slices.chain([&mut gpu.occupancy]) {
                if *occupancy == Occupancy::Leased {
                    *occupancy = Occupancy::Free;
                }
            }
        }
        empty.suppose(id, record);
    }
    empty
}
