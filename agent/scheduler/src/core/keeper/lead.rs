//! A coordinator's authority: it asks its keepers whether they follow, and speaks to owners only while a majority lately did.

use std::collections::BTreeSet;

use kerf_register::{Replica, Want};
use kerf_types::peer::Term;
use kerf_types::{HostId, JobId, Moment};

use super::{Purpose, Standing};
use crate::core::io::Output;
use crate::core::kept::KeeperMessage;
use crate::core::outbox::Held;
use crate::core::{Core, Faults};

impl<F: Faults> Core<F> {
    /// Whether this host may speak to owners for a job of this term.
    pub(in crate::core) fn may_speak(&self, now: Moment, job: JobId, term: Term) -> bool {
        if !term.is_shared() || F::SPEAK_WITHOUT_AUTHORITY {
            return true;
        }
        let standing = self.keeper.standing.get(&job);
        let until = standing.and_then(|standing| self.authority(job, standing));
        until.is_some_and(|until| now < until)
    }

    /// Until when it may. It counts from when keepers were *asked*: whoever replaces this host was agreed on later.
    fn authority(&self, job: JobId, standing: &Standing) -> Option<Moment> {
        let config = &self
            .keeper
            .registers
            .row(job)?
            .accepted
            .as_ref()?
            .state
            .config;
        let followed = |asked: Moment| {
            config.has_quorum(|one| {
                one.host == self.id
                    || standing
                        .follows
                        .get(&one.host)
                        .is_some_and(|when| *when >= asked)
            })
        };
        let asked: BTreeSet<Moment> = standing.follows.values().copied().collect();
        let last = asked.into_iter().rev().find(|asked| followed(*asked));
        let base = last.unwrap_or(standing.base).max(standing.base);
        (base > Moment(0)).then(|| base.after(self.settings.authority))
    }

    /// Asks the keepers of each job that this host coordinates, in time.
    pub(super) fn lead_tick(&mut self, now: Moment) {
        let due = self.keeper.standing.iter();
        let due = due.filter(|(_, standing)| standing.next_lead <= now);
        let due: Vec<JobId> = due.map(|(job, _)| *job).collect();
        for job in due {
            let Some(standing) = self.keeper.standing.get_mut(&job) else {
                continue;
            };
            standing.next_lead = now.after(self.settings.lead_every);
            let term = standing.term;
            for to in self.keepers(job) {
                if to != self.id {
                    let sent = now;
                    self.tell_keeper(to, KeeperMessage::Lead { job, term, sent });
                }
            }
            self.exchange_silent(now, job);
            self.tell_waiting(now, job);
        }
    }

    /// The keepers of a job that owners know others of.
    pub(in crate::core) fn changed_keepers(&self, job: JobId) -> Option<Vec<HostId>> {
        let row = self.keeper.registers.row(job)?;
        let generation = row.accepted.as_ref()?.state.config.generation;
        (generation > 0).then(|| self.keepers(job))
    }

    pub(super) fn tell_keeper(&mut self, to: HostId, message: KeeperMessage) {
        let message = Box::new(message);
        self.outbox
            .hold(Held::Out(Output::ToKeeper { to, message }));
    }

    /// A coordinator asks whether this host follows.
    pub(super) fn on_lead(
        &mut self,
        now: Moment,
        from: HostId,
        job: JobId,
        term: Term,
        sent: Moment,
    ) {
        let Some(row) = self.keeper.registers.row(job) else {
            return;
        };
        let (Some(accepted), false) = (&row.accepted, row.is_over) else {
            return;
        };
        let kept = &accepted.state.value;
        let known = kept.term;
        if !self.has_kept(job, from) {
            // Nobody follows a stranger; a keeper that is new is known once the register says so.
            return;
        }
        let follows = term > known || (term == known && kept.coordinator == from);
        if follows && let Some(watched) = self.keeper.watched.get_mut(&job) {
            watched.heard = now;
            if watched.cancelled {
                // What was said of it before may have been lost.
                self.tell_keeper(from, KeeperMessage::Cancel { job });
            }
            self.vouch(job);
        }
        let term = if F::HEED_ANYBODY {
            term
        } else {
            known.max(term)
        };
        self.tell_keeper(from, KeeperMessage::Heed { job, term, sent });
    }

    /// A keeper says whom it follows.
    pub(super) fn on_heed(
        &mut self,
        now: Moment,
        from: HostId,
        job: JobId,
        term: Term,
        sent: Moment,
    ) {
        let Some(standing) = self.keeper.standing.get_mut(&job) else {
            return;
        };
        if term > standing.term {
            // It was replaced, or is about to be: the register knows.
            if !std::mem::replace(&mut standing.pending, true) {
                self.want(now, job, Purpose::Ask, Want::Read);
            }
            return;
        }
        if term == standing.term && sent <= now {
            let follows = standing.follows.entry(from).or_insert(sent);
            *follows = sent.max(*follows);
        }
    }

    /// Says of a job whose register has no majority whom it waits for.
    fn tell_waiting(&mut self, now: Moment, job: JobId) {
        let Some(waiting) = self.register_waits(now, job) else {
            return;
        };
        let silent = waiting.silent.iter().chain(&waiting.dead);
        let silent: Vec<String> = silent.map(|one| self.name_of(one.host)).collect();
        let silent = silent.join(", ");
        self.with_job(job, |_, job| {
            job.reason = format!(
                "a majority of its keepers is needed, and {silent} are silent (if they are gone for good: kerf force)"
            );
        });
    }

    /// Has another host stand for a keeper that is gone.
    fn exchange_silent(&mut self, now: Moment, job: JobId) {
        let Some(standing) = self.keeper.standing.get(&job) else {
            return;
        };
        if standing.exchanging || standing.pending || standing.base == Moment(0) {
            return;
        }
        let row = self.keeper.registers.row(job);
        let Some(accepted) = row.and_then(|row| row.accepted.as_ref()) else {
            return;
        };
        let config = accepted.state.config.clone();
        let after = self.settings.exchange_after;
        let silent = |one: &&Replica| {
            let heard = standing.follows.get(&one.host).copied();
            let heard = heard.unwrap_or(standing.base).max(standing.base);
            one.host != self.id && !self.is_there(**one) && now >= heard.after(after)
        };
        let Some(out) = config.set.iter().find(silent).copied() else {
            return;
        };
        let known: Vec<HostId> = config.named().iter().map(|one| one.host).collect();
        let Some(into) = self.candidates(&known).first().copied() else {
            return;
        };
        if let Some(standing) = self.keeper.standing.get_mut(&job) {
            standing.exchanging = true;
        }
        self.want(now, job, Purpose::Exchange, Want::Exchange { out, into });
    }
}
