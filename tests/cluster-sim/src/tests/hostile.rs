//! I14: no datagram from outside changes anything. Two runs of one seed, one of them under fire, tell the same.

use std::net::SocketAddr;

use kerf_membership::wire::{Delta, Header, Message, Peer, PeerState, Profile};
use kerf_membership::{ClusterId, Faults, Identity, Incarnation, Life, NoFaults, Sealer};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use super::quiet_fleet;
use crate::{Fleet, KeyedSealer, SECOND};

/// Datagrams from outside, in twenty seconds.
const SHOTS: u64 = 2_000;

fn me<F: Faults>(fleet: &Fleet<F>, host: usize) -> Identity {
    fleet.world.node(host).expect("it runs").core().me().clone()
}

fn below(rng: &mut Xoshiro256PlusPlus, bound: usize) -> usize {
    usize::try_from(rng.next_u64() % bound as u64).expect("it is below a length")
}

/// A message that would kill host 3 if it were believed, in the name of host 2.
fn murder<F: Faults>(fleet: &Fleet<F>, cluster: ClusterId, key: u64) -> Vec<u8> {
    let (two, mut three) = (me(fleet, 2), me(fleet, 3));
    three.life = Life {
        incarnation: Incarnation(u64::MAX),
        renewal: 0,
    };
    let delta = Delta {
        members: vec![Peer::new(three, 0, PeerState::Down)],
        ..Delta::default()
    };
    sealed(cluster, &two, &Message::Delta(delta), key)
}

fn sealed(cluster: ClusterId, sender: &Identity, message: &Message, key: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let said = Header::new(cluster, sender.host, sender.life);
    said.write(&mut bytes);
    let mut body = Vec::new();
    message.write(&mut body);
    let header = bytes.clone();
    let outcome = KeyedSealer { key }.seal(&said, &header, &body, &mut bytes);
    outcome.expect("it never fails");
    bytes
}

/// One datagram of an outsider: noise, a foreign fleet's, a wrong key's, a true one with one bit changed.
fn shot<F: Faults>(fleet: &Fleet<F>, rng: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let right = Fleet::<F>::CLUSTER;
    let key = Fleet::<F>::SEALER.key;
    match rng.next_u64() % 5 {
        0 => (0..rng.next_u64() % 1_500)
            .map(|_| rng.next_u64().to_le_bytes()[0])
            .collect(),
        1 => murder(fleet, ClusterId(99), key),
        2 => murder(fleet, right, key + 1),
        3 => {
            let hello = Message::Hello(Profile::of(&me(fleet, 5)));
            sealed(right, &me(fleet, 5), &hello, 0)
        }
        _ => {
            let mut bytes = murder(fleet, right, key);
            let place = below(rng, bytes.len());
            bytes[place] ^= 1 << (rng.next_u64() % 8);
            bytes
        }
    }
}

/// Shoots at a fleet while it works, and returns what it told.
fn trace<F: Faults>(under_fire: bool) -> (u64, u64, Option<String>) {
    let mut fleet = quiet_fleet::<F>();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let start = fleet.world.truth.now;
    let from = SocketAddr::from(([192, 0, 2, 1], 5));
    for number in 0..SHOTS {
        let bytes = shot(&fleet, &mut rng);
        let host = below(&mut rng, 12);
        if under_fire {
            // Between two milliseconds, so that no timer of the host falls on it.
            let at = start + number * 20 * SECOND / SHOTS + 500;
            fleet.inject(at, from, host, bytes);
        }
    }
    for host in [1, 4, 7] {
        fleet.run_for(5 * SECOND);
        fleet.publish(host, false);
    }
    fleet.run_for(10 * SECOND);
    let dropped = (0..12).filter_map(|host| fleet.world.node(host));
    let dropped = dropped
        .map(|node| node.core().stats().dropped_in_all())
        .sum();
    (fleet.watch.trace, dropped, fleet.disagreement())
}

#[test]
fn an_outsider_changes_nothing() {
    let (calm, before, _) = trace::<NoFaults>(false);
    let (fired_at, dropped, disagreement) = trace::<NoFaults>(true);
    assert_eq!(disagreement, None);
    assert_eq!(calm, fired_at);
    assert_eq!(dropped, before + SHOTS);
}

#[test]
fn a_core_that_reads_other_clusters_is_noticed() {
    struct AnyCluster;
    impl Faults for AnyCluster {
        const ANY_CLUSTER: bool = true;
    }
    let calm = trace::<AnyCluster>(false);
    let fired_at = trace::<AnyCluster>(true);
    assert_ne!(calm.0, fired_at.0);
}
