//! Who a host is, in which of its lives.
//!
//! A host has one [`HostId`] and many lives. A life begins with each start of the daemon (its
//! [`Incarnation`] grows, by the caller's word) and with each renewal: a host that learns that the fleet
//! holds it for dead takes the next renewal and is a newcomer. Of two identities of one host the later life
//! wins; of two with the same life the one that was known first, so that nobody takes a living host's name
//! or address by repeating its id.

use std::net::{IpAddr, SocketAddr};

use kerf_types::{HostId, HostName};

/// The fleet that a host belongs to. Datagrams of another are dropped unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u128);

/// Counts the starts of a host's daemon; the store's epoch stands in its high bits, so that a store that
/// was rolled back still gives a higher one. If it did not grow, the fleet would refuse the host's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// One life of a host. Later lives are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    /// The start of the daemon.
    pub incarnation: Incarnation,
    /// How often the host came back in it after it was held for dead.
    pub renewal: u32,
}

/// A host as its peers know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The stable id.
    pub host: HostId,
    /// What people call it. Not unique.
    pub name: HostName,
    /// Where its gossip listens (UDP).
    pub gossip: SocketAddr,
    /// Where its API for peers listens (TCP).
    pub api: SocketAddr,
    /// Which of its lives this is.
    pub life: Life,
}

impl Identity {
    /// The same host in its next renewal.
    #[must_use]
    pub fn renewed(&self) -> Self {
        let mut next = self.clone();
        next.life.renewal = next.life.renewal.saturating_add(1);
        next
    }
}

/// Whether something can be sent there: a port, and the address of one host.
pub fn is_address_of_one_host(address: SocketAddr) -> bool {
    let one = match address.ip() {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast(),
    };
    one && address.port() != 0
}

impl foca::Identity for Identity {
    type Addr = HostId;

    /// Never by itself: a renewal is the core's own act, with a back-off. A liar's word that this host is
    /// dead in a life far ahead would otherwise make it renew as fast as datagrams travel.
    fn renew(&self) -> Option<Self> {
        None
    }

    fn addr(&self) -> HostId {
        self.host
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.life >= adversary.life
    }
}
