//! What this host knows of the fleet, for people and programs to read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kerf_membership::State;
use kerf_types::{HostId, HostRecord, Timestamp};

use super::own::Own;
use crate::peers::Peer;

/// One picture of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FleetView {
    /// This host first, the others in the order of name and id.
    pub nodes: Vec<Node>,
    /// Whether this host listens to peers at all.
    pub listens: bool,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: HostId,
    /// Its name; two hosts may carry the same.
    pub name: String,
    /// Whether it is this host.
    pub here: bool,
    /// Where its peers reach it, `host:port`; empty for a host that runs alone.
    pub address: String,
    /// Whether it answers.
    pub presence: Presence,
    /// Since when that is so, by this host's clock.
    pub since: Timestamp,
    /// What it says of itself; `None` until its record has come.
    pub record: Option<Arc<HostRecord>>,
    /// Time since it published that record, as far as the hosts that passed it on could tell.
    pub record_age: Option<Duration>,
}

/// Whether a host is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// It answers.
    Alive,
    /// Somebody got no answer from it; it may still say that it lives.
    Suspect,
    /// It does not answer.
    Down,
    /// It has said goodbye.
    Left,
}

impl Presence {
    /// The word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Left => "left",
        }
    }
}

/// What is seen: this host itself, and what membership knows of the others.
///
/// `before` is what was seen last: whoever is as before is so since then, whatever two clocks make of it.
pub(super) fn see(
    own: &Own,
    address: Option<SocketAddr>,
    peers: &[Peer],
    before: &FleetView,
) -> FleetView {
    let now = crate::host::now();
    let who = own.who();
    let here = Node {
        id: who.id,
        name: who.name.to_string(),
        here: true,
        address: who.address.clone(),
        presence: Presence::Alive,
        since: own.since(),
        record: own.record(),
        record_age: own.record().map(|_| Duration::ZERO),
    };
    let other = |peer: &Peer| Node {
        id: peer.identity.host,
        name: peer.identity.name.to_string(),
        here: false,
        address: peer.identity.api.to_string(),
        presence: match peer.state {
            State::Alive => Presence::Alive,
            State::Suspect => Presence::Suspect,
            State::Down => Presence::Down,
            State::Left => Presence::Left,
        },
        since: Timestamp(now.0.saturating_sub(ms(peer.since))),
        record: peer.record.clone(),
        record_age: peer.record_age_ms.map(Duration::from_millis),
    };
    let mut others: Vec<Node> = peers.iter().map(other).collect();
    for node in &mut others {
        let same = |known: &&Node| known.id == node.id && known.presence == node.presence;
        if let Some(known) = before.nodes.iter().find(same) {
            node.since = known.since;
        }
    }
    others.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    let mut nodes = vec![here];
    nodes.append(&mut others);
    FleetView {
        nodes,
        listens: address.is_some(),
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
