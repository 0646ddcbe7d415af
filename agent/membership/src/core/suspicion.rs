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
        let change = self.view.suspect(host, true, self.now);
        self.changed(host, change, out);
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
        };
        self.suspicions.insert(host, suspicion);
        self.remind(host, REMINDERS, out);
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
        let outcome = self.swim.apply(vec![suspect], true);
        self.absorb(outcome, out);
        let alive = Peer::new(me, self.swim.refutation, SwimState::Alive);
        let delta = Delta {
            members: vec![alive],
            ..Delta::default()
        };
        self.send_to_host(peer, &Message::Delta(delta), out);
        Ok(())
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
        if !(was_late || was_heard) || suspicion.more_time == 0 {
            return Some(timer);
        }
        suspicion.more_time -= 1;
        suspicion.since = self.now;
        self.timers
            .set(self.now.plus(self.timing.suspicion_ms), Task::Swim(timer));
        self.remind(host, REMINDERS, out);
        None
    }
}
