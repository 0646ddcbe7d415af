//! Confirmations: a suspect that several hosts got no answer from has less time than one that a single host accuses.
//!
//! Whoever gets no answer from a host that is suspected already says so, and that is passed on like a fresh record.
//! It shortens a suspicion from [`crate::Timing::lone_suspicion_ms`] to [`crate::Timing::suspicion_ms`] and never
//! below, so that one who lies about it gains nothing over a fleet that knows no confirmations.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::HostId;

use super::Core;
use crate::timers::Task;
use crate::view::Entry;
use crate::wire::{Confirm, Message};
use crate::{DropReason, Faults, Identity, Life, Output};

/// More confirmations than this change nothing; Lifeguard's own number.
const ENOUGH: usize = 3;

/// Suspects whose confirmations are kept. More at one time is a split or a lie, and they count as not confirmed.
const MOST_SUSPECTS: usize = 64;

/// Confirmations that are passed on at one time, each in a datagram of its own.
const AT_ONCE: usize = 2;

#[derive(Debug)]
struct Confirmed {
    life: Life,
    refutation: u16,
    by: BTreeSet<HostId>,
}

/// Who got no answer from a suspect, and what is still to be passed on.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    suspects: BTreeMap<HostId, Confirmed>,
    hot: BTreeMap<Confirm, u8>,
}

impl Confirms {
    /// The suspect is none any more.
    pub fn settle(&mut self, host: HostId) {
        if self.suspects.remove(&host).is_some() {
            self.hot.retain(|confirm, _| confirm.suspect != host);
        }
    }

    fn count(&self, host: HostId, life: Life, refutation: u16, but: HostId) -> usize {
        let kept = self.suspects.get(&host);
        let kept = kept.filter(|kept| kept.life == life && kept.refutation == refutation);
        kept.map_or(0, |kept| kept.by.iter().filter(|by| **by != but).count())
    }

    /// Takes one, and says whether it was news.
    fn take(&mut self, confirm: &Confirm) -> bool {
        let at = (confirm.life, confirm.refutation);
        let kept = self.suspects.get(&confirm.suspect);
        let is_later = kept.is_some_and(|kept| (kept.life, kept.refutation) < at);
        if kept.is_none() && self.suspects.len() >= MOST_SUSPECTS {
            return false;
        }
        if kept.is_none() || is_later {
            self.settle(confirm.suspect);
            let fresh = Confirmed {
                life: confirm.life,
                refutation: confirm.refutation,
                by: BTreeSet::new(),
            };
            self.suspects.insert(confirm.suspect, fresh);
        }
        let Some(kept) = self.suspects.get_mut(&confirm.suspect) else {
            return false;
        };
        let is_of_it = (kept.life, kept.refutation) == at;
        is_of_it && kept.by.len() <= ENOUGH && kept.by.insert(confirm.accuser)
    }
}

impl<F: Faults> Core<F> {
    /// This host got no answer from one that it knew to be suspected.
    pub(super) fn confirm(&mut self, suspect: &Identity, refutation: u16) {
        let confirm = Confirm {
            accuser: self.me().host,
            suspect: suspect.host,
            life: suspect.life,
            refutation,
        };
        self.pass_on(confirm);
    }

    /// Another did not. It counts if both are living members and the suspicion is one that this host knows of.
    pub(super) fn confirmed(&mut self, confirm: Confirm) -> Result<(), DropReason> {
        let me = self.me().host;
        if confirm.suspect == me || confirm.accuser == me || confirm.suspect == confirm.accuser {
            return Err(DropReason::OwnName);
        }
        let accuser = self.view.get(confirm.accuser);
        let suspect = self.view.get(confirm.suspect);
        let is_known = suspect.is_some_and(|s| s.is_active() && s.identity.life == confirm.life);
        if !is_known || !accuser.is_some_and(Entry::is_active) {
            return Err(DropReason::Stranger);
        }
        self.pass_on(confirm);
        Ok(())
    }

    fn pass_on(&mut self, confirm: Confirm) {
        if self.confirms.take(&confirm) {
            self.confirms.hot.insert(confirm, self.timing.pushes.max(1));
            self.set_news();
        }
    }

    /// Sets the task that passes news on.
    pub(super) fn set_news(&mut self) {
        if !self.news_is_set {
            self.news_is_set = true;
            let at = self.now.plus(self.timing.push_ms);
            self.timers.set(at, Task::News);
        }
    }

    /// Passes on who confirmed a suspicion, and who is forgotten, to a few random peers each.
    pub(super) fn tell_news(&mut self, out: &mut Vec<Output>) {
        self.news_is_set = false;
        let confirms: Vec<Confirm> = self.confirms.hot.keys().take(AT_ONCE).copied().collect();
        for confirm in confirms {
            for peer in self.some_peers(self.timing.push_peers) {
                if peer != confirm.suspect {
                    self.send_to_host(peer, &Message::Confirm(confirm), out);
                }
            }
            if let Some(left) = self.confirms.hot.get_mut(&confirm) {
                *left -= 1;
                if *left == 0 {
                    self.confirms.hot.remove(&confirm);
                }
            }
        }
        let more = self.tell_forgotten(out);
        if more || !self.confirms.hot.is_empty() {
            self.set_news();
        }
    }

    /// How long a suspect of ours has, by how many others got no answer from it: from the time of a lone accuser
    /// down to the shortest, in Lifeguard's steps of a logarithm, log(n + 1) / log(4) in percent.
    pub(super) fn suspicion_time(&self, host: HostId, life: Life, refutation: u16) -> u64 {
        const SHORTER_PERCENT: [u64; ENOUGH + 1] = [0, 50, 79, 100];
        let count = self.confirms.count(host, life, refutation, self.me().host);
        let longest = self.timing.lone_suspicion_ms.max(self.timing.suspicion_ms);
        // In a fleet of two or three nobody is left who could confirm.
        if self.view.iter().filter(|entry| entry.is_active()).count() < 3 {
            return self.timing.suspicion_ms;
        }
        let percent = SHORTER_PERCENT
            .get(count.min(ENOUGH))
            .copied()
            .unwrap_or(100);
        longest - (longest - self.timing.suspicion_ms) * percent / 100
    }
}
