//! Local health: who does not hear doubts itself, and nobody makes another doubt itself.

use super::hostile::{gossip, ours};
use super::world::{World, address, id, identity};
use crate::wire::{Confirm, Message, Peer, Swim};
use crate::{DropReason, State};

const HOSTS: u16 = 8;

fn scores(world: &World) -> Vec<(u16, u8)> {
    let cores = world.cores.iter();
    cores.map(|(n, core)| (*n, core.health_score())).collect()
}

#[test]
fn a_host_that_hears_nothing_doubts_itself_until_it_hears_again() {
    let mut world = World::new(HOSTS);
    world.deaf.insert(8);
    world.run_for(3_000);
    assert!(world.cores[&8].health_score() >= 3, "{:?}", scores(&world));
    for number in 1..HOSTS {
        assert_eq!(world.cores[&number].health_score(), 0, "{number}");
    }
    world.deaf.clear();
    world.run_for(60_000);
    assert_eq!(world.cores[&8].health_score(), 0);
    for of in 2..=HOSTS {
        assert_eq!(world.state(1, of), Some(State::Alive), "{of}");
    }
}

#[test]
fn a_peer_that_never_answers_makes_nobody_doubt_himself() {
    let mut world = World::new(HOSTS);
    world.cores.remove(&8);
    for _ in 0..100 {
        world.run_for(100);
        assert!(
            scores(&world).iter().all(|(_, s)| *s == 0),
            "{:?}",
            scores(&world)
        );
    }
    assert_eq!(world.state(1, 8), Some(State::Down));
}

#[test]
fn a_helper_that_says_nothing_counts_for_little() {
    let mut world = World::new(HOSTS);
    world.cores.remove(&8);
    // Host 7 answers probes of itself, and tells nobody what came of his.
    world.mute.insert(7);
    world.run_for(10_000);
    for number in 1..7 {
        assert_eq!(world.cores[&number].health_score(), 0, "{number}");
    }
}

#[test]
fn suspicions_of_a_host_move_its_health_by_little() {
    let mut world = World::new(HOSTS);
    let two = identity(2, 1);
    for refutation in 0..1_000 {
        let lie = Message::Suspected(id(1), identity(1, 1).life, refutation);
        world.inject(1, address(2), &ours(&two, &lie));
        assert!(world.cores[&1].health_score() <= 2);
    }
}

#[test]
fn confirmations_that_are_lies_give_a_suspect_no_less_than_its_time() {
    let mut world = World::new(HOSTS);
    world.cores.remove(&8);
    let life = identity(8, 1).life;
    let mut since = None;
    let mut down = None;
    for _ in 0..1_200 {
        for number in 3..HOSTS {
            let lie = Message::Confirm(Confirm {
                accuser: id(number),
                suspect: id(8),
                life,
                refutation: 0,
            });
            world.inject(1, address(2), &ours(&identity(2, 1), &lie));
        }
        world.run_for(10);
        let suspects = world
            .cores
            .keys()
            .any(|n| world.state(*n, 8) == Some(State::Suspect));
        if since.is_none() && suspects {
            since = Some(world.now);
        }
        if down.is_none() && world.state(1, 8) == Some(State::Down) {
            down = Some(world.now);
        }
    }
    let (since, down) = (since.unwrap(), down.unwrap());
    assert!(down.since(since) >= 4_000, "{since} to {down}");
}

#[test]
fn confirmations_of_nobody_are_dropped() {
    let mut world = World::new(3);
    let two = identity(2, 1);
    let lie = |accuser, suspect| {
        ours(
            &two,
            &Message::Confirm(Confirm {
                accuser,
                suspect,
                life: identity(3, 1).life,
                refutation: 0,
            }),
        )
    };
    let before = world.cores[&1].stats().dropped.clone();
    for number in 100..1_100 {
        world.inject(1, address(2), &lie(id(2), id(number)));
        world.inject(1, address(2), &lie(id(number), id(3)));
    }
    world.inject(1, address(2), &lie(id(2), id(1)));
    let dropped = &world.cores[&1].stats().dropped;
    let strangers = before.get(&DropReason::Stranger).copied().unwrap_or(0);
    assert_eq!(dropped[&DropReason::Stranger] - strangers, 2_000);
    assert_eq!(dropped[&DropReason::OwnName], 1);
    assert_eq!(world.state(1, 3), Some(State::Alive));
}

#[test]
fn whoever_asks_for_help_without_end_gets_bounded_help() {
    let mut world = World::new(3);
    let (one, two) = (identity(1, 1), identity(2, 1));
    for number in 0..5_000_u16 {
        let Message::Swim(swim) = gossip(&two, &one, Vec::<Peer>::new()) else {
            unreachable!("it is SWIM's")
        };
        let message = foca::Message::PingReq {
            target: identity(3, 1),
            probe_number: number.to_be_bytes()[1],
        };
        let ask = Message::Swim(Swim { message, ..swim });
        world.inject(1, address(2), &ours(&two, &ask));
    }
    world.cores.remove(&3);
    let before = world.cores[&1].stats().sent;
    world.run_for(1_000);
    let sent = world.cores[&1].stats().sent - before;
    assert!(sent < 256 + 100, "{sent} datagrams in a second");
}
