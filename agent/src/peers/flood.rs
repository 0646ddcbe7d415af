//! Who sends how many datagrams: what is too much is dropped before anything is computed with it.
//!
//! A source is an address with its port, which anybody can put into a datagram. So a member's address is never
//! charged: whoever writes it would silence the member, and to refuse a forgery costs less than a microsecond. All
//! others share what strangers may cost together, and each has a part of it. Memory is bounded; a source for which
//! there is no place has no part of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Datagrams of one stranger in a second. One that joins sends a handful until it is a member.
const EACH: u32 = 200;

/// Of all strangers together: a fleet of a thousand hosts that starts at once sends a seed four or five thousand.
const ALL: u32 = 8_000;

/// Strangers that are told apart in one second.
const SOURCES: usize = 4_096;

/// A second, in milliseconds: how long counts are kept.
const KEPT_MS: u64 = 1_000;

/// The counts of this second.
#[derive(Debug, Default)]
pub(super) struct Flood {
    members: BTreeSet<SocketAddr>,
    strangers: BTreeMap<SocketAddr, u32>,
    all: u32,
    since_ms: u64,
}

impl Flood {
    /// The addresses that members send from.
    pub fn set_members(&mut self, members: BTreeSet<SocketAddr>) {
        self.members = members;
    }

    /// Whether a datagram is looked at.
    pub fn admits(&mut self, from: SocketAddr, now_ms: u64) -> bool {
        if self.members.contains(&from) {
            return true;
        }
        if now_ms.saturating_sub(self.since_ms) >= KEPT_MS {
            self.since_ms = now_ms;
            self.all = 0;
            self.strangers.clear();
        }
        if self.all >= ALL {
            return false;
        }
        if self.strangers.len() < SOURCES || self.strangers.contains_key(&from) {
            let count = self.strangers.entry(from).or_insert(0);
            if *count >= EACH {
                return false;
            }
            *count += 1;
        }
        self.all += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::SocketAddr;

    use super::{ALL, EACH, Flood, SOURCES};

    fn at(port: u16, host: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], port))
    }

    fn admitted(flood: &mut Flood, from: SocketAddr, count: u32, now_ms: u64) -> u32 {
        let admits = (0..count).filter(|_| flood.admits(from, now_ms));
        u32::try_from(admits.count()).expect("as many as were sent")
    }

    #[test]
    fn strangers_are_bounded_each_and_together_and_members_never() {
        let mut flood = Flood::default();
        flood.set_members(BTreeSet::from([at(9451, 1)]));
        assert_eq!(admitted(&mut flood, at(1, 2), 50_000, 5_000), EACH);
        assert_eq!(
            admitted(&mut flood, at(2, 2), 10, 5_000),
            10,
            "another port"
        );
        let mut all = EACH + 10;
        for port in 3..u16::try_from(SOURCES).expect("few") + 1_000 {
            all += admitted(&mut flood, at(port, 2), 3, 5_400);
        }
        assert_eq!(all, ALL);
        assert!(flood.strangers.len() <= SOURCES);
        assert_eq!(admitted(&mut flood, at(9451, 1), 50_000, 5_400), 50_000);
        assert_eq!(
            admitted(&mut flood, at(1, 2), 50_000, 6_000),
            EACH,
            "the next second"
        );
    }
}
