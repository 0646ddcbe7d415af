//! Hosts that an operator removed: a tombstone each, so that nobody's old word brings them back.
//!
//! A tombstone names a host and the life that it was dead in. Word of that life or an earlier one is not believed,
//! and the host is not asked any more whether it lives. A later life, which only the host itself begins, is a
//! newcomer as any other: what must never come back has to lose its certificate. Tombstones travel like fresh records,
//! and whoever is found by anti-entropy to hold a forgotten host for living gets its tombstone.

use std::collections::BTreeMap;

use kerf_types::HostId;

use super::Core;
use crate::wire::Message;
use crate::{DropReason, Faults, Identity, Life, Moment, Output, Stamp};

/// Tombstones that are kept; the oldest go first. Without one a host comes back only by the word of somebody who has
/// been cut off since before it died, and then dies once more.
const MOST: usize = 1_024;

/// How long each is kept: as long as SWIM remembers the dead.
const KEEP_MS: u64 = 24 * 60 * 60 * 1_000;

/// How often each host passes one on. Nothing repairs what this misses but time, so it is more than for records.
const TIMES: u8 = 4;

/// How many fit in a datagram with room to spare: 16 bytes of id and at most 15 of life each.
const IN_ONE: usize = 32;

/// Why a host cannot be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForgetError {
    /// It is this host.
    #[error("a host cannot forget itself")]
    Myself,
    /// It is a living member.
    #[error("the host lives: stop its kerfd first")]
    Alive,
    /// No such host is known.
    #[error("no such host is known")]
    Unknown,
}

#[derive(Debug)]
struct Tombstone {
    life: Life,
    since: Moment,
    left: u8,
}

/// The tombstones.
#[derive(Debug, Default)]
pub(super) struct Forgotten(BTreeMap<HostId, Tombstone>);

impl Forgotten {
    /// Keeps one, and says whether it was news.
    fn keep(&mut self, host: HostId, life: Life, now: Moment) -> bool {
        self.0.retain(|_, stone| now.since(stone.since) < KEEP_MS);
        if self.0.get(&host).is_some_and(|stone| stone.life >= life) {
            return false;
        }
        if self.0.len() >= MOST && !self.0.contains_key(&host) {
            let oldest = self.0.iter().min_by_key(|(_, stone)| stone.since);
            if let Some(oldest) = oldest.map(|(host, _)| *host) {
                self.0.remove(&oldest);
            }
        }
        let stone = Tombstone {
            life,
            since: now,
            left: TIMES,
        };
        self.0.insert(host, stone);
        true
    }
}

impl<F: Faults> Core<F> {
    /// Whether a host may be forgotten: only one that is known and gone.
    pub fn may_forget(&self, host: HostId) -> Result<(), ForgetError> {
        if host == self.me().host {
            return Err(ForgetError::Myself);
        }
        match self.view.get(host) {
            None => Err(ForgetError::Unknown),
            Some(entry) if entry.is_active() => Err(ForgetError::Alive),
            Some(_) => Ok(()),
        }
    }

    /// How many hosts this one was told to forget and still remembers it.
    pub fn tombstones(&self) -> usize {
        self.forgotten.0.len()
    }

    pub(super) fn forget_for_good(&mut self, host: HostId, out: &mut Vec<Output>) {
        if self.may_forget(host).is_ok()
            && let Some(entry) = self.view.get(host)
        {
            let life = entry.identity.life;
            self.bury(host, life, out);
        }
    }

    /// Others had these forgotten. One that lives here is left alone: should it be dead, that comes out, and then it
    /// is forgotten at once.
    pub(super) fn forgotten_came(
        &mut self,
        hosts: &[(HostId, Life)],
        out: &mut Vec<Output>,
    ) -> Result<(), DropReason> {
        let me = self.me().host;
        if hosts.iter().any(|(host, _)| *host == me) {
            return Err(DropReason::OwnName);
        }
        for (host, life) in hosts {
            // A life that this host never heard of could be made up to keep a future one out.
            let known = self.swim.find(*host).map(|member| member.id().life);
            if known.is_none_or(|known| *life <= known) {
                self.bury(*host, *life, out);
            }
        }
        Ok(())
    }

    fn bury(&mut self, host: HostId, life: Life, out: &mut Vec<Output>) {
        if F::NO_TOMBSTONES {
            return self.remove(host, out);
        }
        if self.forgotten.keep(host, life, self.now) {
            self.set_news();
        }
        self.forget_if_told(host, out);
    }

    /// Removes a host that is gone from the view, if it was told to be forgotten in this life.
    pub(super) fn forget_if_told(&mut self, host: HostId, out: &mut Vec<Output>) {
        let entry = self.view.get(host);
        let is_told = entry.is_some_and(|entry| self.is_forgotten(&entry.identity));
        if is_told {
            self.remove(host, out);
        }
    }

    fn remove(&mut self, host: HostId, out: &mut Vec<Output>) {
        if self.view.remove_gone(host) {
            self.drop_clashes(host);
            out.push(Output::Removed { host });
        }
    }

    /// Whether word of this life of a host is word of one that is forgotten.
    pub(super) fn is_forgotten(&self, identity: &Identity) -> bool {
        self.is_forgotten_in(identity.host, identity.life)
    }

    pub(super) fn is_forgotten_in(&self, host: HostId, life: Life) -> bool {
        let stone = self.forgotten.0.get(&host);
        stone.is_some_and(|stone| life <= stone.life && self.now.since(stone.since) < KEEP_MS)
    }

    /// A peer that holds forgotten hosts for living was cut off when they were: it gets their tombstones.
    pub(super) fn remind_of_forgotten(
        &mut self,
        peer: HostId,
        hosts: &[(Option<Stamp>, HostId)],
        out: &mut Vec<Output>,
    ) {
        let stones = hosts.iter().filter_map(|(_, host)| {
            let stone = self.forgotten.0.get(host)?;
            self.view
                .get(*host)
                .is_none()
                .then_some((*host, stone.life))
        });
        let stones: Vec<(HostId, Life)> = stones.take(IN_ONE).collect();
        if !stones.is_empty() {
            self.send_to_host(peer, &Message::Forgotten(stones), out);
        }
    }

    /// Passes tombstones on; true while there are more to be passed on.
    pub(super) fn tell_forgotten(&mut self, out: &mut Vec<Output>) -> bool {
        let hot = self.forgotten.0.iter().filter(|(_, stone)| stone.left > 0);
        let hosts: Vec<(HostId, Life)> = hot.take(IN_ONE).map(|(h, s)| (*h, s.life)).collect();
        if hosts.is_empty() {
            return false;
        }
        let peers = self.some_peers(self.timing.push_peers);
        for (host, _) in &hosts {
            if let Some(stone) = self.forgotten.0.get_mut(host).filter(|_| !peers.is_empty()) {
                stone.left -= 1;
            }
        }
        let message = Message::Forgotten(hosts);
        for peer in &peers {
            self.send_to_host(*peer, &message, out);
        }
        !peers.is_empty() && self.forgotten.0.values().any(|stone| stone.left > 0)
    }
}
