//! What a keeper does that does not coordinate: it watches who does, and takes over when that one is silent.

use kerf_register::{Input as ToRegister, Replica, Want};
use kerf_types::peer::{Body, Tag, Term};
use kerf_types::{HostId, JobId, Moment};

use super::{Keeper, Purpose, Watched};
use crate::core::io::Output;
use crate::core::kept::KeeperMessage;
use crate::core::outbox::Held;
use crate::core::saved::Change;
use crate::core::{Core, Faults};
use crate::fleet::Liveness;

/// How often keepers are named to an owner: as one message in six is lost either way, all of them are once in a hundred
/// million times.
const VOUCHED: u32 = 10;

impl Keeper {
    /// Whether the keepers of a job are to be named to the owners once more, and counts it.
    fn vouches(&mut self, job: JobId, term: Term, generation: u32) -> bool {
        let Some(watched) = self.watched.get_mut(&job) else {
            return false;
        };
        if (watched.vouched.0, watched.vouched.1) != (term, generation) {
            watched.vouched = (term, generation, 0);
        }
        watched.vouched.2 += 1;
        watched.vouched.2 <= VOUCHED
    }
}

impl<F: Faults> Core<F> {
    pub(in crate::core) fn on_keeper(&mut self, now: Moment, from: HostId, message: KeeperMessage) {
        if self.settings.store_epoch == 0 {
            // It keeps no jobs with others.
            return;
        }
        match message {
            KeeperMessage::Register(message) => {
                if let Some(message) = self.believed(message) {
                    self.step_registers(now, ToRegister::Message { from, message });
                }
            }
            KeeperMessage::Lead { job, term, sent } => self.on_lead(now, from, job, term, sent),
            KeeperMessage::Heed { job, term, sent } => self.on_heed(now, from, job, term, sent),
            KeeperMessage::Cancel { job } => {
                if self.has_kept(job, from) {
                    self.cancel(now, job);
                }
            }
        }
    }

    pub(in crate::core) fn keeper_tick(&mut self, now: Moment) {
        let wakes = self.keeper.registers.next_wakeup();
        if wakes.is_some_and(|wakeup| wakeup <= now) {
            self.step_registers(now, ToRegister::Wake);
        }
        self.lead_tick(now);
        self.doubt_oneself(now);
        let due = self.keeper.watched.iter().filter(|(job, watched)| {
            let at = self.takes_over_at(**job, watched);
            at.is_some_and(|at| at <= now)
        });
        let due: Vec<JobId> = due.map(|(job, _)| *job).collect();
        for job in due {
            self.take_over(now, job);
        }
    }

    /// A host that sees no majority of the keepers is cut off itself. It does not count the silence: else it would take jobs
    /// away from coordinators that are well, as soon as it is heard again.
    fn doubt_oneself(&mut self, now: Moment) {
        let (me, fleet) = (self.id, &self.fleet);
        let sees = |one: &Replica| one.host == me || fleet.liveness(one.host) == Liveness::Alive;
        for (job, watched) in &mut self.keeper.watched {
            let row = self.keeper.registers.row(*job);
            let accepted = row.and_then(|row| row.accepted.as_ref());
            if accepted.is_some_and(|accepted| !accepted.state.config.has_quorum(sees)) {
                watched.heard = now;
            }
        }
    }

    /// When this host takes a job over if its coordinator is not heard of before.
    pub(in crate::core) fn takes_over_at(&self, job: JobId, watched: &Watched) -> Option<Moment> {
        let row = self.keeper.registers.row(job)?;
        let accepted = row.accepted.as_ref().filter(|_| !row.is_over)?;
        let leads = self.jobs.contains_key(&job) || self.keeper.unsure.contains_key(&job);
        if watched.trying || leads || F::NEVER_TAKE_OVER {
            return None;
        }
        let config = &accepted.state.config;
        let voters = config.voters();
        let rank = voters.iter().position(|one| one.host == self.id)?;
        let coordinator = accepted.state.value.coordinator;
        if coordinator == self.id {
            // It was agreed on, and forgotten in a crash before anything came of it.
            return Some(watched.heard);
        }
        let settings = &self.settings;
        let times = match self.fleet.liveness(coordinator) {
            Liveness::Alive => 3,
            Liveness::Down | Liveness::Left => 1,
        };
        // One after the other, so that they are not in each other's way.
        let rank = u32::try_from(rank).unwrap_or(u32::MAX);
        let wait = settings.take_over_after.saturating_mul(times);
        let turn = settings.lead_every.saturating_mul(rank);
        Some(watched.heard.after(wait).after(turn))
    }

    pub(super) fn take_over(&mut self, now: Moment, job: JobId) {
        let row = self.keeper.registers.row(job);
        let Some(accepted) = row.and_then(|row| row.accepted.clone()) else {
            return;
        };
        if let Some(watched) = self.keeper.watched.get_mut(&job) {
            watched.trying = true;
        }
        let era = accepted.state.config.era();
        let value = accepted.state.value.taken_over(self.id, era);
        let want = Want::Set {
            expected: accepted.state.origin,
            value,
            retire: false,
        };
        self.want(now, job, Purpose::TakeOver, want);
    }

    /// The replica here holds something else than before.
    pub(super) fn replica_changed(&mut self, now: Moment, job: JobId) {
        let Some(row) = self.keeper.registers.row(job) else {
            self.keeper.watched.remove(&job);
            return;
        };
        if row.is_over {
            self.keeper.watched.remove(&job);
            return;
        }
        let watched = self.keeper.watched.entry(job);
        watched.or_insert_with(|| Watched::new(now)).heard = now;
        self.tell_forced(job);
        self.vouch(job);
    }

    /// Names the keepers of a job to the owners of its members where they are others than at first: a coordinator that no
    /// owner was told of is followed for the word of a keeper that was.
    pub(super) fn vouch(&mut self, job: JobId) {
        let Some(keepers) = self.changed_keepers(job).filter(|_| !F::NEVER_VOUCH) else {
            return;
        };
        let row = self.keeper.registers.row(job);
        let Some(state) = row.and_then(|row| Some(&row.accepted.as_ref()?.state)) else {
            return;
        };
        let (kept, generation) = (&state.value, state.config.generation);
        let (term, attempt) = (kept.term, kept.decision.attempt());
        let members = (0..).zip(&kept.row.members);
        let members: Vec<(u32, HostId)> = members.map(|(at, one)| (at, one.host)).collect();
        if !self.keeper.vouches(job, term, generation) {
            return;
        }
        for (member, host) in members {
            let tag = Tag {
                job,
                attempt,
                member,
            };
            let body = Body::Keepers(keepers.clone());
            self.outbox.send_as(host, tag, term, body);
        }
    }

    /// Another host coordinates the job: what was known of it as coordinator goes.
    pub(super) fn step_down(&mut self, now: Moment, job: JobId, to: HostId) {
        self.keeper.standing.remove(&job);
        let unsure = self.keeper.unsure.remove(&job);
        let stood = self.jobs.remove(&job);
        let cancelled = unsure.is_some_and(|row| row.cancelled)
            || stood.is_some_and(|stood| stood.row.cancelled);
        self.outbox.save(Change::LeaveJob(job));
        self.outbox.hold(Held::Out(Output::Handed { job, to }));
        if let Some(watched) = self.keeper.watched.get_mut(&job) {
            watched.heard = now;
        }
        if cancelled {
            // Asked for while it coordinated alone in its own eyes: whoever does now has not heard of it.
            self.cancel_elsewhere(job);
        }
    }

    /// Whether a host keeps a job, or did before others were taken for it.
    pub(super) fn has_kept(&self, job: JobId, host: HostId) -> bool {
        let row = self.keeper.registers.row(job);
        let accepted = row.and_then(|row| row.accepted.as_ref());
        let named = accepted.map(|accepted| accepted.state.config.named());
        named.is_some_and(|named| named.iter().any(|one| one.host == host))
    }

    /// Somebody wants a job to end that another host coordinates: it is told, and whoever takes over remembers.
    pub(in crate::core) fn cancel_elsewhere(&mut self, job: JobId) {
        let Some(to) = self.keeper.kept(job).map(|kept| kept.coordinator) else {
            return;
        };
        if let Some(watched) = self.keeper.watched.get_mut(&job) {
            watched.cancelled = true;
        }
        if to != self.id {
            self.tell_keeper(to, KeeperMessage::Cancel { job });
        }
    }
}
