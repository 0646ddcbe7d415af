//! One writer for each record, only newer ones, long ones in streams, ages as durations.

use super::world::{World, address, id, identity};
use crate::wire::{Delta, Header, Message};
use crate::{Aged, Incarnation, MAX_PAYLOAD, Payload, Proof, Record, Stamp};

/// A delta of host 2, in its own name, with one record.
fn delta(host: u16, incarnation: u64, version: u64, text: &str) -> Vec<u8> {
    let record = Record {
        host: id(host),
        stamp: Stamp {
            incarnation: Incarnation(incarnation),
            version,
        },
        left: false,
        payload: Payload::try_new(text.as_bytes()).unwrap(),
        proof: Proof::default(),
    };
    let delta = Delta {
        records: vec![Aged { record, age_ms: 5 }],
        ..Delta::default()
    };
    let mut bytes = Vec::new();
    Header::new(super::world::CLUSTER, id(2), identity(2, 1).life).write(&mut bytes);
    Message::Delta(delta).write(&mut bytes);
    bytes
}

#[test]
fn a_relayed_record_replaces_an_older_one_alone() {
    let mut world = World::new(3);
    world.inject(1, address(2), &delta(3, 1, 5, "newer"));
    assert_eq!(world.record(1, 3), Some("newer".to_owned()));
    let old = world.cores[&1].stats().records_old;
    for (incarnation, version) in [(1, 5), (1, 4), (0, 9)] {
        world.inject(1, address(2), &delta(3, incarnation, version, "older"));
        assert_eq!(world.record(1, 3), Some("newer".to_owned()));
    }
    assert_eq!(world.cores[&1].stats().records_old, old + 3);
}

#[test]
fn a_record_of_a_life_that_nobody_heard_of_is_refused() {
    let mut world = World::new(3);
    world.inject(1, address(2), &delta(3, u64::MAX, 1, "a lie for ever"));
    assert_eq!(world.record(1, 3), Some("first of 3".to_owned()));
    assert_eq!(world.cores[&1].stats().records_unknown, 1);
}

#[test]
fn a_record_of_nobody_is_refused() {
    let mut world = World::new(3);
    world.inject(1, address(2), &delta(9, 1, 1, "of nobody"));
    assert_eq!(world.record(1, 9), None);
    assert_eq!(world.cores[&1].stats().records_unknown, 1);
}

#[test]
fn what_claims_to_be_ours_and_newer_is_refused_and_counted() {
    let mut world = World::new(3);
    let before = world.picture(1);
    for (incarnation, version) in [(1, 99), (u64::MAX, 1)] {
        world.inject(1, address(2), &delta(1, incarnation, version, "not mine"));
    }
    assert_eq!(world.picture(1), before);
    assert_eq!(world.cores[&1].stats().records_forged, 2);
}

#[test]
fn a_record_of_an_earlier_start_of_ours_is_only_late() {
    let mut world = World::new(3);
    world.inject(1, address(2), &delta(1, 0, 99, "mine, long ago"));
    assert_eq!(world.cores[&1].stats().records_forged, 0);
}

#[test]
fn the_longest_record_goes_by_stream() {
    let mut world = World::new(5);
    let text = "x".repeat(MAX_PAYLOAD);
    world.publish(2, &text);
    world.run_for(4_000);
    for number in [1, 3, 4, 5] {
        assert_eq!(
            world.record(number, 2).as_deref(),
            Some(text.as_str()),
            "{number}"
        );
    }
    assert!(Payload::try_new(&[0; MAX_PAYLOAD + 1]).is_err());
}

#[test]
fn ages_add_up_over_hosts_whose_clocks_say_nothing_to_each_other() {
    let mut world = World::new(3);
    world.publish(2, "now");
    world.run_for(20_000);
    world.start(identity(4, 1), 4);
    world.run_for(2_000);
    let age = world.member(4, 2).unwrap().record_age_ms.unwrap();
    assert!((21_500..=22_500).contains(&age), "{age}");
}
