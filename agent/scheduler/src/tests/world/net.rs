//! The network between the hosts of the world, and what membership and gossip carry over it.

use std::sync::Arc;
use std::time::Duration;

use kerf_types::HostId;
use kerf_types::peer::{Body, PeerMessage};

use super::{Event, World};
use crate::core::Faults;
use crate::fleet::Liveness;
use crate::rng::Rng;

/// How bad the network is, in thousandths.
#[derive(Clone, Copy)]
pub struct Network {
    pub loss: u64,
    pub duplicate: u64,
    /// Messages that take seconds and not milliseconds.
    pub late: u64,
}

impl Network {
    pub const GOOD: Self = Self {
        loss: 0,
        duplicate: 0,
        late: 0,
    };
    pub const BAD: Self = Self {
        loss: 60,
        duplicate: 80,
        late: 40,
    };
}

impl<F: Faults> World<F> {
    /// Sends what a core says to another one as coordinator or owner.
    pub(super) fn send_message(&mut self, from: usize, to: usize, message: PeerMessage) {
        let message = self.as_read(from, to, message);
        let late = self.late_wounds && matches!(message.body, Body::Wound { .. });
        self.send(from, to, late, |to, from| {
            Event::Deliver(to, from, message.clone())
        });
    }

    /// Sends something: maybe lost, maybe twice, and in seconds where it is `late`.
    pub(super) fn send(
        &mut self,
        from: usize,
        to: usize,
        late: bool,
        event: impl Fn(usize, HostId) -> Event,
    ) {
        let chance = |rng: &mut Rng, of: u64| rng.below(1_000) < of;
        let network = self.network;
        if self.cut.contains(&(from.min(to), from.max(to))) || chance(&mut self.rng, network.loss) {
            return;
        }
        let copies = 1 + u64::from(chance(&mut self.rng, network.duplicate));
        for _ in 0..copies {
            let most_ms = if late || chance(&mut self.rng, network.late) {
                20_000
            } else {
                30
            };
            let wait = Duration::from_millis(1 + self.rng.below(most_ms));
            self.at(wait, event(to, Self::id(from)));
        }
    }

    /// Tells everybody how a host is, and the host itself; once a second.
    pub(super) fn gossip(&mut self, host: usize) {
        self.at(Duration::from_secs(1), Event::Gossip(host));
        if self.nodes[host].core.is_none() {
            return;
        }
        self.nodes[host].local.expire(self.now);
        let record = self.nodes[host].local.record();
        for other in 0..self.nodes.len() {
            if other != host && self.cut.contains(&(host.min(other), host.max(other))) {
                continue;
            }
            let most_ms = if other == host { 1 } else { 500 };
            let wait = Duration::from_millis(self.rng.below(most_ms));
            self.at(wait, Event::Learn(other, Arc::clone(&record)));
        }
    }

    /// Everybody is told about a host after a while.
    pub fn notice(&mut self, about: usize, liveness: Liveness, wait: Duration) {
        for other in (0..self.nodes.len()).filter(|other| *other != about) {
            let jitter = Duration::from_millis(self.rng.below(1_000));
            self.at(
                wait + jitter,
                Event::Notice(other, Self::id(about), liveness),
            );
        }
    }
}
