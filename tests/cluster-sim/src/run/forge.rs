//! Datagrams that nobody of the fleet has sealed, or that came before: what they change is told to the checkers.

use super::engine::World;
use super::facts::Fact;
use super::gossip::{Peers, address};
use crate::member::Packet;
use crate::node::{Event, Node};
use crate::world::HostIndex;

/// A datagram that one life of a host has read.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The life.
    pub life: u64,
    /// Who sent it.
    pub from: HostIndex,
    /// What it held.
    pub bytes: Vec<u8>,
}

impl World {
    /// Somebody sends a host what is not of the fleet.
    pub(super) fn forge(&mut self, host: HostIndex) {
        let dice = &mut self.dice.faults;
        let length = 20 + dice.index(1_300);
        let mut bytes: Vec<u8> = (0..length).map(|_| byte(dice.next_u64())).collect();
        let mut from = dice.index(self.hosts.len());
        if let Some(seen) = self.meter.seen.get(&host) {
            let same_life = seen.life == self.hosts[host].life;
            let mut copy = seen.bytes.clone();
            let flipped = !same_life || dice.below(2) == 0;
            if flipped {
                let at = dice.index(copy.len());
                copy[at] ^= 1 << dice.below(8);
            }
            if dice.below(4) != 0 {
                (bytes, from) = (copy, seen.from);
            }
        }
        let changed = self.hand_forged(host, from, bytes);
        self.tell(Fact::Forged { host, changed });
    }

    fn hand_forged(&mut self, host: HostIndex, from: HostIndex, bytes: Vec<u8>) -> Option<String> {
        let now = self.hosts[host].clock.at(self.now).0;
        let kerfd = self.hosts[host].kerfd.as_mut()?;
        let Peers::Real(node) = &mut kerfd.peers else {
            return None;
        };
        // What is due anyway is not the forgery's doing.
        if node.next_wakeup_ms().is_some_and(|due| due <= now) {
            return None;
        }
        let before = shown(node);
        let mut out = Vec::new();
        let message = Event::Message {
            from: address(from),
            message: Packet::Datagram(bytes),
        };
        node.step(now, message, &mut out);
        let after = shown(node);
        if let Some(effect) = out.first() {
            return Some(format!("it makes the host do something: {effect:?}"));
        }
        (before != after).then(|| format!("{before} becomes {after}"))
    }
}

fn byte(bits: u64) -> u8 {
    let [first, ..] = bits.to_be_bytes();
    first
}

/// What a host shows of the others.
fn shown(node: &crate::member::MemberNode<kerf_membership::NoFaults>) -> String {
    let members = node.core().members(kerf_membership::Moment(0));
    let one = |member: kerf_membership::Member<'_>| {
        let stamp = member.record.map(|record| record.stamp);
        format!("{} {:?} {stamp:?}", member.identity.host, member.state)
    };
    members.map(one).collect::<Vec<_>>().join(", ")
}
