//! The hosts as one host sees them: the newest record of each, rebuilt once, and whether it is alive.
//!
//! Never decides who is alive: membership does, and tells it.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_types::{Ask, HostId, HostRecord, Moment};

use crate::effect::{Outcome, effect};
use crate::model::HostModel;

/// Whether a host is there, as membership says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Liveness {
    /// It answers.
    Alive,
    /// It does not.
    Down,
    /// It has said that it goes, or an operator has removed it.
    Left,
}

/// Outcomes that are kept for each host: asks are of few kinds.
const KEPT_OUTCOMES: usize = 8;

/// One host of the fleet.
#[derive(Debug, Clone)]
pub struct FleetHost {
    /// What it says of itself.
    pub model: Arc<HostModel>,
    /// When its record was last known to be its newest.
    pub heard: Moment,
    /// Whether it is there.
    pub liveness: Liveness,
    outcomes: Vec<(Ask, Outcome)>,
}

/// The hosts of the fleet.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    hosts: BTreeMap<HostId, FleetHost>,
    /// Hosts that membership has spoken of before their record came.
    early: BTreeMap<HostId, Liveness>,
}

impl Fleet {
    /// Takes a record in, heard of at `now`. Returns whether it says something new.
    pub fn learn(&mut self, record: Arc<HostRecord>, now: Moment) -> bool {
        let id = record.id;
        match self.hosts.get_mut(&id) {
            Some(host) if host.model.record().version > record.version => false,
            Some(host) if host.model.record().version == record.version => {
                host.heard = host.heard.max(now);
                false
            }
            Some(host) => {
                host.model = Arc::new(HostModel::new(record));
                host.heard = now;
                host.outcomes.clear();
                true
            }
            None => {
                let liveness = self.early.remove(&id).unwrap_or(Liveness::Alive);
                let host = FleetHost {
                    model: Arc::new(HostModel::new(record)),
                    heard: now,
                    liveness,
                    outcomes: Vec::new(),
                };
                self.hosts.insert(id, host);
                true
            }
        }
    }

    /// Takes a host for what `record` says, whatever it says of itself: for questions about a fleet that is not.
    pub(crate) fn suppose(&mut self, id: HostId, record: HostRecord) {
        if let Some(host) = self.hosts.get_mut(&id) {
            host.model = Arc::new(HostModel::new(Arc::new(record)));
            host.outcomes.clear();
        }
    }

    /// Notes that the record that is known of a host is still its newest.
    pub fn still_fresh(&mut self, id: HostId, now: Moment) {
        if let Some(host) = self.hosts.get_mut(&id) {
            host.heard = host.heard.max(now);
        }
    }

    /// Notes that a host is there or not. Returns whether that is new.
    pub fn note(&mut self, id: HostId, liveness: Liveness) -> bool {
        match self.hosts.get_mut(&id) {
            Some(host) => std::mem::replace(&mut host.liveness, liveness) != liveness,
            None => self.early.insert(id, liveness) != Some(liveness),
        }
    }

    /// Forgets a host.
    pub fn forget(&mut self, id: HostId) {
        self.hosts.remove(&id);
        self.early.remove(&id);
    }

    /// Whether a host is there; one that nobody has spoken of is not known to be gone.
    pub fn liveness(&self, id: HostId) -> Liveness {
        let known = self.hosts.get(&id).map(|host| host.liveness);
        known
            .or_else(|| self.early.get(&id).copied())
            .unwrap_or(Liveness::Alive)
    }

    /// One host.
    pub fn get(&self, id: HostId) -> Option<&FleetHost> {
        self.hosts.get(&id)
    }

    /// All hosts, by id.
    pub fn iter(&self) -> impl Iterator<Item = (HostId, &FleetHost)> {
        self.hosts.iter().map(|(id, host)| (*id, host))
    }

    /// How many hosts are known.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// What the ask does to a host as its record shows it; asked once for each record.
    pub(crate) fn outcome(&mut self, id: HostId, ask: &Ask) -> Option<Outcome> {
        let host = self.hosts.get_mut(&id)?;
        if let Some((_, known)) = host.outcomes.iter().find(|(known, _)| known == ask) {
            return Some(known.clone());
        }
        let outcome = effect(&host.model, ask);
        if host.outcomes.len() >= KEPT_OUTCOMES {
            drop(host.outcomes.remove(0));
        }
        host.outcomes.push((ask.clone(), outcome.clone()));
        Some(outcome)
    }
}
