//! A coordinator's authority: it asks its keepers whether they follow, and speaks to owners only while a majority lately did.

use std::collections::BTreeSet;
use std::time::Duration;

use kerf_register::{Replica, Want};
use kerf_types::peer::Term;
use kerf_types::{HostId, JobId, Moment};

use super::{Asked, Purpose, Standing};
use crate::core::io::Output;
use crate::core::kept::KeeperMessage;
use crate::core::outbox::Held;
use crate::core::settings::LEAD_JOBS;
use crate::core::{Core, Faults};

/// Parts of the time between two askings over which the hosts that are asked are spread.
const SPREAD: u32 = 64;

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

    /// This host coordinates a job from now on.
    pub(super) fn stand(&mut self, now: Moment, job: JobId, standing: Standing) {
        self.keeper.standing.insert(job, standing);
        self.ask_keepers(now, job);
    }

    /// Has the keepers of a job asked, where this host coordinates it, each with its other jobs.
    pub(super) fn ask_keepers(&mut self, now: Moment, job: JobId) {
        if !self.keeper.standing.contains_key(&job) {
            return;
        }
        for host in self.others(job) {
            let wait = spread(host, self.settings.lead_every);
            let asked = self.keeper.asked.entry(host).or_insert_with(|| Asked {
                next: now.after(wait),
                jobs: BTreeSet::new(),
            });
            asked.jobs.insert(job);
        }
    }

    /// Whom this host asks about a job: its other keepers. Beside them the host that it was submitted to: that one may have
    /// lost what it kept, and waits for word then.
    fn others(&self, job: JobId) -> Vec<HostId> {
        let mut others: BTreeSet<HostId> = self.keepers(job).into_iter().collect();
        others.extend(self.home_of(job));
        others.remove(&self.id);
        others.into_iter().collect()
    }

    /// Asks the keepers of the jobs that this host coordinates, each in its time.
    pub(super) fn lead_tick(&mut self, now: Moment) {
        let due = self.keeper.asked.iter();
        let due = due.filter(|(_, asked)| asked.next <= now);
        let due: Vec<HostId> = due.map(|(host, _)| *host).collect();
        for host in due {
            self.lead(now, host);
        }
    }

    /// Asks one host about all the jobs that it keeps and that this one coordinates.
    fn lead(&mut self, now: Moment, to: HostId) {
        let Some(asked) = self.keeper.asked.remove(&to) else {
            return;
        };
        let (mut jobs, mut looked_at) = (Vec::new(), Vec::new());
        for job in asked.jobs {
            let standing = self.keeper.standing.get(&job);
            let others = self.others(job);
            let Some(standing) = standing.filter(|_| others.contains(&to)) else {
                continue;
            };
            jobs.push((job, standing.term));
            // Once in that time, however many hosts keep it.
            if others.first() == Some(&to) {
                looked_at.push(job);
            }
        }
        if jobs.is_empty() {
            return;
        }
        for part in jobs.chunks(LEAD_JOBS) {
            let (sent, jobs) = (now, part.to_vec());
            self.tell_keeper(to, KeeperMessage::Lead { sent, jobs });
        }
        let asked = Asked {
            next: now.after(self.settings.lead_every),
            jobs: jobs.into_iter().map(|(job, _)| job).collect(),
        };
        self.keeper.asked.insert(to, asked);
        for job in looked_at {
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
        sent: Moment,
        jobs: Vec<(JobId, Term)>,
    ) {
        let heeded = jobs.into_iter().filter_map(|(job, term)| {
            self.hear_of_left(now, from, job);
            let term = self.heed(now, from, job, term)?;
            Some((job, term))
        });
        let jobs: Vec<(JobId, Term)> = heeded.collect();
        if !jobs.is_empty() {
            self.tell_keeper(from, KeeperMessage::Heed { sent, jobs });
        }
    }

    /// Hears the coordinator of a job; the highest term that was accepted here.
    fn heed(&mut self, now: Moment, from: HostId, job: JobId, term: Term) -> Option<Term> {
        let row = self.keeper.registers.row(job)?;
        let kept = &row.accepted.as_ref().filter(|_| !row.is_over)?.state.value;
        let known = kept.term;
        if !self.has_kept(job, from) {
            // Nobody follows a stranger; a keeper that is new is known once the register says so.
            return None;
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
        let heeded = if F::HEED_ANYBODY {
            term
        } else {
            known.max(term)
        };
        Some(heeded)
    }

    /// A keeper says whom it follows.
    pub(super) fn on_heed(
        &mut self,
        now: Moment,
        from: HostId,
        sent: Moment,
        jobs: Vec<(JobId, Term)>,
    ) {
        for (job, term) in jobs {
            self.heeded(now, from, sent, job, term);
        }
    }

    fn heeded(&mut self, now: Moment, from: HostId, sent: Moment, job: JobId, term: Term) {
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

/// How long a host waits for its first asking, so that not all are asked in one moment.
fn spread(host: HostId, every: Duration) -> Duration {
    let part = u32::try_from(host.bits() % u128::from(SPREAD)).unwrap_or_default();
    every.saturating_mul(part) / SPREAD
}
