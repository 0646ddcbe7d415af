//! Suspicion: a host that did not answer gets a fair chance before it is held for dead.
//!
//! SWIM spreads a suspicion and waits. On a network that loses a fifth of all datagrams that is not enough: the
//! suspect may hear of it late, and its refutation may not come back in time. So whoever suspects a host tells
//! it directly, several times, and the suspect answers directly; a suspect that was heard since is given more
//! time; and after a pause of this host itself every clock of suspicion starts again, since it was this host
//! that did not listen. (The idea of asking one's own health first is Lifeguard's: Dadgar, Phillips and Currey,
//! "Lifeguard: local health awareness for more accurate failure detection", 2018.)

use foca::{State as SwimState, Timer};
use kerf_types::HostId;

use super::Core;
use crate::timers::Task;
use crate::wire::{Delta, Message, Peer};
use crate::{DropReason, Faults, Identity, Life, Moment, Output, State};

/// A timer that is so late was held up with this host, by a pause of the machine or of the process.
const LATE_MS: u64 = 1_000;

/// How often a suspicion is looked at, and the suspect told again, that has more time than the shortest.
const LOOK_EVERY_MS: u64 = 500;

/// How often a suspect is told again within its time.
const REMINDERS: u8 = 4;

/// How often a suspect that is heard gets more time. After that a host that can speak and cannot listen is down.
const MORE_TIME: u8 = 3;

/// A suspicion of our own, or one that this host helps to settle.
#[derive(Debug)]
pub(super) struct Suspicion {
    life: Life,
    refutation: u16,
    since: Moment,
    more_time: u8,
    /// The worst that this host was while it lasted: one that hears a third of all gets well between two failures.
    unwell: u8,
}

impl<F: Faults> Core<F> {
    /// This host got no answer: the suspect is told at once, and again while its time runs.
    pub(super) fn begin_suspicion(
        &mut self,
        suspect: &Identity,
        refutation: u16,
        out: &mut Vec<Output>,
    ) {
        // SWIM sets its timer also when the probe was of an earlier life, or was refuted meanwhile.
        let (host, life) = (suspect.host, suspect.life);
        let is_so = self.swim.find(host).is_some_and(|member| {
            member.id() == suspect
                && member.incarnation() == refutation
                && member.state() == SwimState::Suspect
        });
        if !is_so {
            return;
        }
        let was_suspect = self.is_suspect(host);
        let change = self.view.suspect(host, true, self.now);
        self.changed(host, change, out);
        let is_ours = self.suspicions.contains_key(&host);
        if was_suspect && !is_ours {
            self.confirm(suspect, refutation);
        }
        if F::NO_SECOND_CHANCE {
            return;
        }
        let since = self.now;
        let known = self.suspicions.get(&host);
        if known.is_some_and(|s| s.life == life && s.refutation == refutation) {
            return;
        }
        let suspicion = Suspicion {
            life,
            refutation,
            since,
            more_time: MORE_TIME,
            unwell: self.health_score(),
        };
        self.suspicions.insert(host, suspicion);
        self.remind(host, REMINDERS, out);
    }

    /// All suspects get so much more time.
    pub(super) fn give_suspects(&mut self, ms: u64) {
        for suspicion in self.suspicions.values_mut() {
            suspicion.since = suspicion.since.plus(ms);
        }
    }

    /// Tells a suspect of the suspicion.
    pub(super) fn remind(&mut self, host: HostId, left: u8, out: &mut Vec<Output>) {
        let Some(suspicion) = self.suspicions.get(&host) else {
            return;
        };
        let message = Message::Suspected(host, suspicion.life, suspicion.refutation);
        self.send_to_host(host, &message, out);
        if let Some(left) = left.checked_sub(1) {
            let wait = self.timing.suspicion_ms / u64::from(REMINDERS + 1);
            self.timers
                .set(self.now.plus(wait), Task::Notice(host, left));
        }
    }

    /// This host is suspected: it says that it lives, to everybody by SWIM and to `peer` directly.
    pub(super) fn suspected(
        &mut self,
        peer: HostId,
        refutation: u16,
        out: &mut Vec<Output>,
    ) -> Result<(), DropReason> {
        self.may_answer()?;
        let me = self.me().clone();
        let suspect = Peer::new(me.clone(), refutation, SwimState::Suspect);
        let before = self.swim.refutation;
        let outcome = self.swim.apply(vec![suspect], true);
        self.look_at_refutation(before);
        self.absorb(outcome, out);
        let alive = Peer::new(me, self.swim.refutation, SwimState::Alive);
        let delta = Delta {
            members: vec![alive],
            ..Delta::default()
        };
        self.send_to_host(peer, &Message::Delta(delta), out);
        Ok(())
    }

    /// Lets the end of a suspicion through once its time is up, which grows while this host is unwell and
    /// shrinks with each other that got no answer either.
    fn when_due(
        &mut self,
        timer: Timer<Identity>,
        (since, life, refutation): (Moment, Life, u16),
        out: &mut Vec<Output>,
    ) -> Option<Timer<Identity>> {
        let Timer::ChangeSuspectToDown { member_id, .. } = &timer else {
            return Some(timer);
        };
        let score = self.health_score();
        let suspicion = self.suspicions.get_mut(&member_id.host);
        let unwell = suspicion.map_or(score, |suspicion| {
            suspicion.unwell = suspicion.unwell.max(score);
            suspicion.unwell
        });
        let time = self.suspicion_time(member_id.host, life, refutation);
        let time = time.saturating_mul(u64::from(unwell) + 1);
        let left = time.saturating_sub(self.now.since(since));
        if left == 0 {
            return Some(timer);
        }
        let host = member_id.host;
        let at = self.now.plus(left.min(LOOK_EVERY_MS));
        self.timers.set(at, Task::Swim(timer));
        self.remind(host, 0, out);
        None
    }

    /// Brings the view to what SWIM thinks of these hosts.
    pub(super) fn look_at_suspects(&mut self, hosts: &[HostId], out: &mut Vec<Output>) {
        for host in hosts {
            let state = self.view.get(*host).map(|entry| entry.state);
            if !matches!(state, Some(State::Alive | State::Suspect)) {
                continue;
            }
            let is_suspect = self.swim.is_suspect(*host);
            let change = self.view.suspect(*host, is_suspect, self.now);
            self.changed(*host, change, out);
        }
    }

    /// Lets a timer of SWIM through, unless it would declare somebody down who deserves more time.
    pub(super) fn last_chance(
        &mut self,
        due: Moment,
        timer: Timer<Identity>,
        out: &mut Vec<Output>,
    ) -> Option<Timer<Identity>> {
        let Timer::ChangeSuspectToDown { member_id, .. } = &timer else {
            return Some(timer);
        };
        let host = member_id.host;
        let Some(suspicion) = self.suspicions.get_mut(&host) else {
            return Some(timer);
        };
        let since = suspicion.since;
        let heard = self.view.get(host).and_then(|entry| entry.heard);
        let was_heard = heard.is_some_and(|heard| heard > since);
        let was_late = self.now.since(due) > LATE_MS;
        let suspicion_of = (since, suspicion.life, suspicion.refutation);
        let gives_time = (was_late || was_heard) && suspicion.more_time > 0;
        if !gives_time {
            return self.when_due(timer, suspicion_of, out);
        }
        suspicion.more_time -= 1;
        suspicion.since = self.now;
        self.timers
            .set(self.now.plus(self.timing.suspicion_ms), Task::Swim(timer));
        self.remind(host, REMINDERS, out);
        None
    }
}
