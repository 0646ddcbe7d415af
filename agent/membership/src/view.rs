//! The view: every other host that this one knows, in which state, with its newest record.
//!
//! ```text
//!            heard of            no answer             time is up
//! (unknown) ──Joined──► alive ──Suspect──► suspect ──Down──► down ──AgedOut──► (unknown)
//!                         ▲ └────────Alive───┘ └───says goodbye: Left──► left ──AgedOut──┘
//!                         └───────── Returned, in a later life ──┴──────────┘
//! ```
//!
//! Of one that is down or has left an operator's word makes an unknown one at once: Removed.
//!
//! It owns the states and what changes between them. It never decides that a host is dead: SWIM does.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::{HostId, HostName};

use crate::record::Stored;
use crate::wire::{Known, OLDEST_VERSION};
use crate::{Change, Identity, Moment, State};

/// One other host.
#[derive(Debug)]
pub(crate) struct Entry {
    pub identity: Identity,
    pub state: State,
    /// When it came into this state.
    pub since: Moment,
    /// When a datagram of this life last came from it directly.
    pub heard: Option<Moment>,
    /// The newest layout that it reads, as its datagrams say.
    pub reads: u8,
    pub record: Option<Stored>,
}

impl Entry {
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Alive | State::Suspect)
    }

    /// Whether it said goodbye in this life.
    pub fn said_goodbye(&self) -> bool {
        let life = self.identity.life.incarnation;
        self.record
            .as_ref()
            .is_some_and(|stored| stored.record.left && stored.record.stamp.incarnation == life)
    }

    /// What the digest says of it: nothing once it is gone.
    pub fn known(&self) -> Option<Known> {
        let record = self.record.as_ref().map(|stored| &stored.record);
        self.is_active().then(|| Known {
            host: self.identity.host,
            life: self.identity.life,
            stamp: record.map(|record| record.stamp),
            payload_bytes: record.map_or(0, |record| record.payload.len()),
        })
    }
}

/// All other hosts.
#[derive(Debug, Default)]
pub(crate) struct View {
    hosts: BTreeMap<HostId, Entry>,
    /// Names with the living hosts that carry them, this one included.
    names: BTreeMap<HostName, BTreeSet<HostId>>,
}

impl View {
    pub fn get(&self, host: HostId) -> Option<&Entry> {
        self.hosts.get(&host)
    }

    pub fn get_mut(&mut self, host: HostId) -> Option<&mut Entry> {
        self.hosts.get_mut(&host)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.hosts.values()
    }

    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// A host that lives in this life, as SWIM says. Returns what changed by that.
    pub fn up(&mut self, identity: &Identity, now: Moment) -> Option<Change> {
        let Some(entry) = self.hosts.get_mut(&identity.host) else {
            let entry = Entry {
                identity: identity.clone(),
                state: State::Alive,
                since: now,
                heard: None,
                reads: OLDEST_VERSION,
                record: None,
            };
            self.hosts.insert(identity.host, entry);
            return Some(Change::Joined);
        };
        let restarted = entry.identity.life.incarnation < identity.life.incarnation;
        let was_active = entry.is_active();
        entry.take_identity(identity);
        if was_active && !restarted {
            return None;
        }
        entry.enter(State::Alive, now);
        Some(Change::Returned)
    }

    /// A known host carries another identity now; whether it lives comes apart from that.
    pub fn rename(&mut self, identity: &Identity, now: Moment) -> Option<Change> {
        let is_active = self.get(identity.host).is_some_and(Entry::is_active);
        if is_active {
            return self.up(identity, now);
        }
        if let Some(entry) = self.hosts.get_mut(&identity.host) {
            entry.take_identity(identity);
        }
        None
    }

    /// SWIM's word that a host is down.
    pub fn down(&mut self, host: HostId, now: Moment) -> Option<Change> {
        let entry = self.hosts.get_mut(&host)?;
        let (state, change) = if entry.said_goodbye() {
            (State::Left, Change::Left)
        } else {
            (State::Down, Change::Down)
        };
        if entry.state == state || entry.state == State::Left {
            return None;
        }
        entry.enter(state, now);
        Some(change)
    }

    /// SWIM's word on whether a living host is suspected.
    pub fn suspect(&mut self, host: HostId, suspected: bool, now: Moment) -> Option<Change> {
        let entry = self.hosts.get_mut(&host)?;
        let (from, to, change) = if suspected {
            (State::Alive, State::Suspect, Change::Suspect)
        } else {
            (State::Suspect, State::Alive, Change::Alive)
        };
        if entry.state != from {
            return None;
        }
        entry.enter(to, now);
        Some(change)
    }

    /// Forgets a host that has been gone since `since`; not one that came back meanwhile.
    pub fn forget(&mut self, host: HostId, since: Moment) -> bool {
        let entry = self.hosts.get(&host);
        let is_due = entry.is_some_and(|entry| !entry.is_active() && entry.since == since);
        is_due && self.hosts.remove(&host).is_some()
    }

    /// Removes a host that is gone, whenever that was.
    pub fn remove_gone(&mut self, host: HostId) -> bool {
        let is_gone = self.get(host).is_some_and(|entry| !entry.is_active());
        is_gone && self.hosts.remove(&host).is_some()
    }

    /// Notes that a living host carries a name. Returns all that carry it, if it is new among several.
    pub fn carry_name(&mut self, name: &HostName, host: HostId) -> Option<Vec<HostId>> {
        let hosts = self.names.entry(name.clone()).or_default();
        let is_new = hosts.insert(host);
        (is_new && hosts.len() > 1).then(|| hosts.iter().copied().collect())
    }

    /// Notes that a host is gone or carries another name.
    pub fn drop_name(&mut self, name: &HostName, host: HostId) {
        if let Some(hosts) = self.names.get_mut(name) {
            hosts.remove(&host);
            if hosts.is_empty() {
                self.names.remove(name);
            }
        }
    }
}

impl Entry {
    fn enter(&mut self, state: State, now: Moment) {
        self.state = state;
        self.since = now;
    }

    fn take_identity(&mut self, identity: &Identity) {
        if self.identity.life != identity.life {
            self.heard = None;
            self.reads = OLDEST_VERSION;
        }
        self.identity = identity.clone();
    }
}
