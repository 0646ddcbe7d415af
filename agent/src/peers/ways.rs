//! Ways to members that are taken when gossip does not lead to one.

use std::fmt;

use kerf_types::HostId;

use super::roster::Peer;
use super::shared::{Shared, lock};

/// Most addresses that are tried in one go: each may take seconds.
const SEEDS: usize = 4;

/// A way to a member.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// To a host that gossip has told of.
    Peer(Peer),
    /// To whichever member is at `host:port`.
    Address(String),
}

impl Way {
    /// The host that it leads to, if that is known.
    pub fn host(&self) -> Option<HostId> {
        match self {
            Self::Peer(peer) => Some(peer.identity.host),
            Self::Address(_) => None,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => peer.identity.name.fmt(f),
            Self::Address(address) => f.write_str(address),
        }
    }
}

/// The hosts that this one came in by, and those that its configuration names.
pub(super) fn seeds(shared: &Shared) -> Vec<Way> {
    let seeds = lock(&shared.seeds);
    seeds
        .iter()
        .take(SEEDS)
        .cloned()
        .map(Way::Address)
        .collect()
}
