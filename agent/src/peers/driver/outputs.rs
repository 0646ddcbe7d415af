//! Carrying out what the core wants, and telling what it found.

use std::sync::Arc;
use std::time::Duration;

use kerf_membership::{Change, Input, Moment, Output, State};
use kerf_types::{HostId, HostName};

use super::Driver;
use crate::host::now;
use crate::peers::pull;
use crate::peers::roster::{Peer, find, liveness};
use crate::peers::shared::lock;
use crate::process::boot_ms;

/// Pulls at one time. The core asks for two, and for one more from each seed that welcomes it.
const PULLS: usize = 8;

/// Every state of a host, with its label.
const STATES: [(State, &str); 4] = [
    (State::Alive, "alive"),
    (State::Suspect, "suspect"),
    (State::Down, "down"),
    (State::Left, "left"),
];

impl Driver {
    /// Hands an input to the core and does what it wants.
    pub(super) fn step(&mut self, input: Input) {
        let mut outputs = Vec::new();
        self.core.step(Moment(boot_ms()), input, &mut outputs);
        for output in outputs {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send { to, bytes } => {
                if let Err(error) = self.wire.send(to, &bytes) {
                    tracing::debug!(to = %to, %error, "datagram not sent");
                    self.shared.metrics.peer_drops.inc(["unsent"]);
                }
            }
            Output::Pull { from, api, wanted } => {
                if self.pulls.len() >= PULLS {
                    return self.step(Input::PullFailed { from });
                }
                let pulled = pull::pull(Arc::clone(&self.shared), from, api, wanted);
                self.pulls.spawn(async move { (from, pulled.await) });
            }
            Output::Member { host, change } => self.member(host, change),
            Output::Record { host } => self.record(host),
            Output::AgedOut { host } => {
                self.outbox.forgotten(host);
                self.drop_host(host);
            }
            Output::Removed { host } => {
                self.removed(host);
                self.outbox.removed(host);
                self.drop_host(host);
            }
            Output::NameClash { name, hosts } => self.clash(name, &hosts),
        }
    }

    /// Nothing is known of a host any more.
    fn drop_host(&mut self, host: HostId) {
        self.records.forget(host);
        self.shared.links.forget(host);
        self.list_soon();
    }

    /// An operator had a host removed. The core has forgotten its name; the list has not yet.
    fn removed(&self, host: HostId) {
        let peers = self.shared.roster.borrow();
        let name = find(&peers, host).map(|peer| peer.identity.name.to_string());
        tracing::info!(peer.id = %host, peer.name = name, "peer was removed by an operator");
        let subject = name.unwrap_or_else(|| host.to_string());
        let text = format!("removed by an operator ({host})");
        self.shared.events.add("peer", &subject, &text);
    }

    fn member(&mut self, host: HostId, change: Change) {
        self.list_soon();
        let Some(member) = self.core.member(host, Moment(boot_ms())) else {
            return;
        };
        let name = member.identity.name.to_string();
        let at = member.identity.api;
        let state = match self.shared.is_revoked(host) {
            true => State::Down,
            false => member.state,
        };
        self.outbox.presence(host, liveness(state));
        let text = match change {
            // A suspect either says that it lives or is down soon: neither is worth an event by itself.
            Change::Suspect | Change::Alive => {
                tracing::debug!(peer.id = %host, peer.name = name, change = ?change, "peer");
                return;
            }
            Change::Joined => "joined",
            Change::Down => "down",
            Change::Left => "left",
            Change::Returned => "returned",
        };
        tracing::info!(peer.id = %host, peer.name = name, peer.address = %at, change = text, "peer");
        let text = format!("{text} ({host} at {at})");
        self.shared.events.add("peer", &name, &text);
    }

    fn record(&mut self, host: HostId) {
        self.list_soon();
        let now = Moment(boot_ms());
        let Some(member) = self.core.member(host, now) else {
            return;
        };
        // What says goodbye holds nothing new, and may hold nothing at all.
        let Some(record) = member.record.filter(|record| !record.left) else {
            return;
        };
        if self.shared.is_revoked(host) {
            return;
        }
        match self.records.take(member.identity, record) {
            Ok(record) => self.outbox.record(record),
            Err(doubt) => self.records.doubt(record, &doubt, now, &self.shared),
        }
    }

    fn clash(&self, name: HostName, hosts: &[HostId]) {
        let ids: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let hosts = ids.join(", ");
        tracing::warn!(peer.name = %name, hosts, "several hosts carry one name");
        let text = format!("several hosts carry this name: {hosts}");
        self.shared.events.add("peer", name.as_str(), &text);
        lock(&self.shared.clashes).entry(name).or_insert_with(now);
    }

    /// The records of those that answer are their newest, as far as anti-entropy knows.
    pub(super) fn tell_fresh(&mut self) {
        for member in self.core.members(Moment(boot_ms())) {
            let host = member.identity.host;
            if member.state == State::Alive && self.records.get(host).is_some() {
                self.outbox.fresh(host);
            }
        }
    }

    /// Makes the list of hosts that everybody sees, and brings the metrics to it.
    pub(super) fn list(&mut self, now: u64) {
        let now = Moment(now);
        let peers: Vec<Peer> = self
            .core
            .members(now)
            .filter(|member| !self.shared.is_revoked(member.identity.host))
            .map(|member| Peer {
                identity: member.identity.clone(),
                state: member.state,
                since: Duration::from_millis(now.since(member.since)),
                heard_ms: member.heard_ms,
                record_age_ms: member.record_age_ms,
                record: self.records.get(member.identity.host).cloned(),
            })
            .collect();
        for (state, label) in STATES {
            let count = peers.iter().filter(|peer| peer.state == state).count();
            self.shared.metrics.peers.set([label], count);
        }
        let living = peers.iter().filter(|peer| peer.is_living());
        let living = living.map(|peer| peer.identity.gossip).collect();
        self.flood.set_members(living);
        self.counts.add(&self.core, &self.shared.metrics);
        self.shared.roster.send_replace(Arc::new(peers));
    }
}
