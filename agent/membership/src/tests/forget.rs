//! Hosts that an operator has forgotten.

use super::hostile::ours;
use super::world::{World, address, id, identity};
use crate::wire::{Delta, Message, Peer};
use crate::{Change, ForgetError, Input, Life, Output, State};

/// Five hosts of which the fifth is dead, and all know it.
fn with_a_dead_one() -> World {
    let mut world = World::new(5);
    world.cores.remove(&5);
    world.run_for(15_000);
    assert_eq!(world.state(4, 5), Some(State::Down));
    world
}

#[test]
fn a_forgotten_host_is_gone_everywhere_and_told_once() {
    let mut world = with_a_dead_one();
    assert_eq!(world.cores[&1].may_forget(id(5)), Ok(()));
    world.told.clear();
    world.input(1, Input::Forget(id(5)));
    world.run_for(3_000);
    for number in 1..5 {
        assert_eq!(world.state(number, 5), None, "{number}");
        let told = |(teller, told): &&(u16, Output)| {
            *teller == number && *told == Output::Removed { host: id(5) }
        };
        assert_eq!(world.told.iter().filter(told).count(), 1, "{number}");
    }
    let aged_out = |(_, told): &(u16, Output)| matches!(told, Output::AgedOut { .. });
    assert!(!world.told.iter().any(aged_out), "they were not waited for");
    // A host that joins later does not hear of it either.
    world.start(identity(6, 1), 6);
    world.run_for(30_000);
    for number in [1, 2, 3, 4, 6] {
        assert_eq!(world.state(number, 5), None, "{number}");
    }
}

#[test]
fn the_living_the_unknown_and_oneself_are_not_forgotten() {
    let mut world = World::new(3);
    let core = &world.cores[&1];
    assert_eq!(core.may_forget(id(1)), Err(ForgetError::Myself));
    assert_eq!(core.may_forget(id(2)), Err(ForgetError::Alive));
    assert_eq!(core.may_forget(id(9)), Err(ForgetError::Unknown));
    for host in [1, 2, 9] {
        world.input(1, Input::Forget(id(host)));
    }
    world.run_for(3_000);
    assert_eq!(world.state(1, 2), Some(State::Alive));
    assert_eq!(world.state(3, 2), Some(State::Alive));
}

fn alive(number: u16, incarnation: u64) -> Vec<u8> {
    let member = Peer::new(identity(number, incarnation), 7, foca::State::Alive);
    let delta = Delta {
        members: vec![member],
        ..Delta::default()
    };
    ours(&identity(2, 1), &Message::Delta(delta))
}

#[test]
fn old_word_does_not_bring_it_back_and_it_may_come_itself() {
    let mut world = with_a_dead_one();
    world.input(1, Input::Forget(id(5)));
    world.run_for(3_000);
    world.told.clear();
    world.inject(1, address(2), &alive(5, 1));
    world.run_for(1_000);
    assert_eq!(world.state(1, 5), None);
    world.start(identity(5, 2), 5);
    world.run_for(5_000);
    assert_eq!(world.take_changes(1, 5), [Change::Joined]);
    assert_eq!(world.record(4, 5), Some("first of 5".to_owned()));
}

#[test]
fn lies_about_the_forgotten_change_nothing() {
    let mut world = World::new(3);
    let two = identity(2, 1);
    let far = Life {
        incarnation: crate::Incarnation(u64::MAX),
        renewal: 0,
    };
    let lies = vec![(id(3), identity(3, 1).life), (id(3), far)];
    world.inject(1, address(2), &ours(&two, &Message::Forgotten(lies)));
    world.run_for(5_000);
    assert_eq!(world.state(1, 3), Some(State::Alive));
    // Its next start is believed all the same.
    world.start(identity(3, 2), 3);
    world.run_for(5_000);
    assert_eq!(
        world.member(1, 3).unwrap().identity.life,
        identity(3, 2).life
    );
    for chunk in 0..100 {
        let lies = (0..30).map(|n| (id(1_000 + chunk * 30 + n), identity(1, 1).life));
        let lies = Message::Forgotten(lies.collect());
        world.inject(1, address(2), &ours(&two, &lies));
    }
    assert!(world.cores[&1].tombstones() <= 1_024);
}
