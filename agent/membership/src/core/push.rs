//! The push: what is fresh goes to a few random peers, who do the same.
//!
//! Each host pushes one record [`crate::Timing::pushes`] times to [`crate::Timing::push_peers`] peers. With six
//! sends by each, one host in four hundred is missed (e^-6), and anti-entropy finds it. A push is one datagram
//! to each of its peers, so however much is new, no host sends more than that per period. When more is fresh than
//! fits, records that are not short are offered instead, 30 to a datagram, and each host pulls what it lacks in a
//! stream, once.

use std::collections::BTreeMap;

use kerf_types::HostId;

use super::Core;
use super::delta::Packer;
use super::merge::FRESH_MS;
use crate::timers::Task;
use crate::wire::Message;
use crate::{Aged, Faults, Moment, Output};

/// A record up to this length, its proof counted, is sent itself also when others wait: an offer and a pull would cost as much.
const SHORT_BYTES: usize = 200;

/// A member that is newer than this is pushed together with its record, for those who have not heard of it.
const NEW_MEMBER_MS: u64 = 10_000;

fn is_long(aged: &Aged) -> bool {
    aged.record.payload.len() + aged.record.proof.len() > SHORT_BYTES
}

/// What is being spread.
#[derive(Debug, Default)]
pub(super) struct Push {
    /// Hosts whose record is fresh, with how often it is still to be pushed.
    hot: BTreeMap<HostId, u8>,
    is_set: bool,
    last: Option<Moment>,
}

impl<F: Faults> Core<F> {
    /// Begins to spread a host's record.
    pub(super) fn spread(&mut self, host: HostId) {
        self.push.hot.insert(host, self.timing.pushes.max(1));
        if !self.push.is_set {
            self.push.is_set = true;
            let earliest = self.push.last.map(|last| last.plus(self.timing.push_ms));
            let at = earliest.map_or(self.now, |earliest| earliest.max(self.now));
            self.timers.set(at, Task::Push);
        }
    }

    pub(super) fn push(&mut self, out: &mut Vec<Output>) {
        self.push.is_set = false;
        self.push.last = Some(self.now);
        let peers = self.some_peers(self.timing.push_peers);
        let mut packer = Packer::new(self.room());
        let is_tight = self.is_tight();
        for host in self.hottest() {
            // What waited for its turn for too long, as many records were fresh at once, is anti-entropy's now.
            let record = self.record_of(host).filter(|aged| aged.age_ms < FRESH_MS);
            let Some(record) = record else {
                self.push.hot.remove(&host);
                continue;
            };
            let is_new = self.view.get(host).is_some_and(|entry| {
                entry.is_active() && self.now.since(entry.since) < NEW_MEMBER_MS
            });
            let member = if is_new { self.peer_of(host) } else { None };
            let known = self.known_of(host);
            let fits = if is_tight && is_long(&record) {
                packer.offer(member, known)
            } else {
                packer.give::<F>(member, Some(record), known)
            };
            if !fits {
                break;
            }
            if !peers.is_empty() {
                self.cool(host);
            }
        }
        let delta = packer.finish();
        if !delta.is_empty() {
            let message = Message::Delta(delta);
            for peer in &peers {
                self.send_to_host(*peer, &message, out);
            }
        }
        // Alone, there is nobody to push to; whoever joins pulls everything.
        if !self.push.hot.is_empty() && !peers.is_empty() {
            self.push.is_set = true;
            let at = self.now.plus(self.timing.push_ms);
            self.timers.set(at, Task::Push);
        }
    }

    /// Whether more is fresh than one datagram takes.
    fn is_tight(&self) -> bool {
        let fresh = self.push.hot.keys().filter_map(|host| self.known_of(*host));
        let bytes = fresh
            .map(|known| self.bytes_of_record(known.payload_bytes))
            .sum::<usize>();
        bytes > self.room()
    }

    /// Our own first, then what was pushed least.
    fn hottest(&self) -> Vec<HostId> {
        let me = self.me().host;
        let mut hot: Vec<(bool, std::cmp::Reverse<u8>, HostId)> = self
            .push
            .hot
            .iter()
            .map(|(host, left)| (*host != me, std::cmp::Reverse(*left), *host))
            .collect();
        hot.sort_unstable();
        hot.into_iter().map(|(_, _, host)| host).collect()
    }

    fn cool(&mut self, host: HostId) {
        if let Some(left) = self.push.hot.get_mut(&host) {
            *left -= 1;
            if *left == 0 {
                self.push.hot.remove(&host);
            }
        }
    }

    /// A host's record with its age, this host's own included.
    pub(super) fn record_of(&self, host: HostId) -> Option<Aged> {
        let stored = if host == self.me().host {
            self.own.record.as_ref()
        } else {
            self.view.get(host)?.record.as_ref()
        };
        stored.map(|stored| stored.aged(self.now))
    }
}
