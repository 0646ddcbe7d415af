//! Joining, dying, coming back, leaving, being forgotten; names.

use super::world::{World, address, id, identity};
use crate::{Change, Input, Output, State};

#[test]
fn all_know_all_with_their_records() {
    let world = World::new(4);
    for number in 1..=4 {
        for of in (1..=4).filter(|of| *of != number) {
            assert_eq!(world.state(number, of), Some(State::Alive), "{number} {of}");
            assert_eq!(world.record(number, of), Some(format!("first of {of}")));
        }
    }
}

#[test]
fn a_dead_host_is_suspected_then_down_then_forgotten() {
    let mut world = World::new(4);
    world.take_changes(1, 4);
    world.cores.remove(&4);
    world.run_for(12_000);
    assert_eq!(world.take_changes(1, 4), [Change::Suspect, Change::Down]);
    assert_eq!(
        world.record(1, 4),
        Some("first of 4".to_owned()),
        "its record is kept"
    );
    world.run_for(60_000);
    assert_eq!(world.state(1, 4), None);
    let forgotten =
        |(teller, told): &(u16, Output)| *teller == 1 && *told == Output::AgedOut { host: id(4) };
    assert_eq!(world.told.iter().filter(|told| forgotten(told)).count(), 1);
}

#[test]
fn a_host_that_restarts_at_its_address_returns_before_anybody_missed_it() {
    let mut world = World::new(4);
    world.take_changes(1, 4);
    world.cores.remove(&4);
    world.run_for(100);
    world.start(identity(4, 2), 4);
    world.publish(4, "second life");
    world.run_for(5_000);
    assert_eq!(world.take_changes(1, 4), [Change::Returned]);
    assert_eq!(world.record(1, 4), Some("second life".to_owned()));
    assert_eq!(
        world.member(1, 4).unwrap().identity.life,
        identity(4, 2).life
    );
}

#[test]
fn a_host_that_comes_back_after_its_death_returns() {
    let mut world = World::new(4);
    world.cores.remove(&4);
    world.run_for(15_000);
    world.take_changes(1, 4);
    world.start(identity(4, 2), 4);
    world.run_for(5_000);
    assert_eq!(world.take_changes(1, 4), [Change::Returned]);
    assert_eq!(world.state(4, 1), Some(State::Alive));
}

#[test]
fn a_host_that_is_called_dead_while_it_sleeps_comes_back_by_itself() {
    let mut world = World::new(4);
    let asleep = world.cores.remove(&4).unwrap();
    world.run_for(15_000);
    assert_eq!(world.state(1, 4), Some(State::Down));
    world.take_changes(1, 4);
    world.cores.insert(4, asleep);
    world.run_for(15_000);
    assert_eq!(world.take_changes(1, 4), [Change::Returned]);
    assert_eq!(world.cores[&4].me().life.renewal, 1);
    for of in 1..=3 {
        assert_eq!(
            world.state(4, of),
            Some(State::Alive),
            "it slept, they did not die"
        );
    }
}

#[test]
fn a_restart_with_an_older_incarnation_is_not_believed() {
    let mut world = World::new(3);
    world.cores.remove(&3);
    world.run_for(15_000);
    world.start(identity(3, 0), 3);
    world.run_for(10_000);
    assert_eq!(world.state(1, 3), Some(State::Down));
}

#[test]
fn a_host_that_leaves_has_left_everywhere_and_falls_silent() {
    let mut world = World::new(4);
    world.take_changes(1, 4);
    world.input(4, Input::Leave);
    assert_eq!(world.cores[&4].next_wakeup(), None);
    world.run_for(3_000);
    for number in 1..=3 {
        assert_eq!(world.state(number, 4), Some(State::Left), "{number}");
    }
    assert_eq!(world.take_changes(1, 4), [Change::Left]);
    let sent = world.cores[&4].stats().sent;
    world.inject(4, address(1), b"anything");
    assert_eq!(world.cores[&4].stats().sent, sent);
    world.run_for(65_000);
    assert_eq!(world.state(1, 4), None);
}

#[test]
fn two_hosts_with_one_name_both_live_and_are_told_of_once() {
    let mut world = World::new(3);
    let mut twin = identity(4, 1);
    twin.name = "h3".parse().unwrap();
    world.start(twin, 4);
    world.run_for(20_000);
    assert_eq!(world.state(1, 3), Some(State::Alive));
    assert_eq!(world.state(1, 4), Some(State::Alive));
    let mut both = vec![id(3), id(4)];
    both.sort_unstable();
    for number in 1..=4 {
        let of_host = world.told.iter().filter(|(teller, _)| *teller == number);
        let clashes: Vec<_> = of_host
            .filter_map(|(_, told)| match told {
                Output::NameClash { name, hosts } => Some((name.as_str(), hosts.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(clashes, [("h3", both.clone())], "{number}");
    }
}

#[test]
fn seeds_are_asked_until_one_answers() {
    let mut world = World::new(0);
    world.start(identity(2, 1), 2);
    world.run_for(20_000);
    let asked = world.cores[&2].stats().sent;
    assert!((4..=8).contains(&asked), "{asked} hellos in 20 s");
    world.start(identity(1, 1), 1);
    world.run_for(30_000);
    assert_eq!(world.state(2, 1), Some(State::Alive));
    assert_eq!(world.state(1, 2), Some(State::Alive));
}

#[test]
fn two_hosts_that_lost_each_other_find_together_again() {
    let mut world = World::new(2);
    let two = world.cores.remove(&2).unwrap();
    world.run_for(15_000);
    assert_eq!(world.state(1, 2), Some(State::Down));
    let one = world.cores.remove(&1).unwrap();
    world.cores.insert(2, two);
    world.run_for(15_000);
    assert_eq!(world.state(2, 1), Some(State::Down));
    world.cores.insert(1, one);
    world.run_for(40_000);
    assert_eq!(world.state(1, 2), Some(State::Alive));
    assert_eq!(world.state(2, 1), Some(State::Alive));
}
