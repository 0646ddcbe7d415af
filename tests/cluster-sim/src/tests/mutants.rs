//! Cores with one fault each: the checkers must notice all of them, or they prove nothing.

use kerf_membership::wire::{Delta, Header, Message};
use kerf_membership::{
    Aged, Faults, Input, Moment, NoFaults, Payload, Proof, Record, Sealer, Stamp,
};

use super::{fleet_of, quiet_fleet};
use crate::scenario::Scenario;
use crate::{Fleet, HostIndex, SECOND, Sealing, Setup};

macro_rules! fault {
    ($name:ident, $fault:ident) => {
        struct $name;
        impl Faults for $name {
            const $fault: bool = true;
        }
    };
}

fault!(RecordsGoBack, RECORDS_GO_BACK);
fault!(OwnRecordFromOthers, OWN_RECORD_FROM_OTHERS);
fault!(NoAntiEntropy, NO_ANTI_ENTROPY);
fault!(NoRenewal, NO_RENEWAL);
fault!(NoSecondChance, NO_SECOND_CHANCE);
fault!(NoSizeLimit, NO_SIZE_LIMIT);
fault!(UnprovenRecords, UNPROVEN_RECORDS);
fault!(NoLocalHealth, NO_LOCAL_HEALTH);
fault!(NoTombstones, NO_TOMBSTONES);

#[track_caller]
fn caught<F: Faults>(scenario: Scenario, hosts: usize, what: &str) {
    let found = (1..=5).any(|seed| {
        let report = scenario.run_with::<F>(Setup::new(hosts, seed));
        let told = report.violations.iter().any(|v| v.what.contains(what));
        told || (what == "false downs" && report.false_downs > 0)
    });
    assert!(found, "nobody noticed: {what}");
}

#[test]
fn records_that_go_back_are_noticed() {
    caught::<RecordsGoBack>(Scenario::Loss(100), 20, "went back to an older record");
}

#[test]
fn lost_pushes_without_anti_entropy_are_noticed() {
    caught::<NoAntiEntropy>(Scenario::Loss(300), 30, "no agreement");
}

#[test]
fn hosts_that_stay_dead_after_a_split_are_noticed() {
    caught::<NoRenewal>(Scenario::Partition, 12, "no agreement");
}

#[test]
fn suspects_without_a_second_chance_are_noticed() {
    caught::<NoSecondChance>(Scenario::Loss(350), 30, "false downs");
}

#[test]
fn hosts_that_never_doubt_themselves_are_noticed() {
    caught::<NoLocalHealth>(Scenario::Slow, 100, "dead");
}

#[test]
fn a_record_that_does_not_come_is_counted() {
    let ids = [1, 2, 3].map(kerf_types::HostId::from_bits);
    let mut watch = crate::Watch::new(&ids);
    let stamp = Stamp {
        incarnation: kerf_membership::Incarnation(1),
        version: 1,
    };
    watch.published(0, stamp, b"news", SECOND, Some(2));
    assert_eq!(watch.stale_pairs(10 * SECOND), 0);
    assert_eq!(watch.stale_pairs(11 * SECOND), 2);
}

/// Hosts that still list a host ten seconds after one of them was told to forget it.
fn that_still_list_a_forgotten_one<F: Faults>() -> usize {
    let mut fleet = quiet_fleet::<F>();
    let dead = fleet.id(5);
    fleet.crash(5);
    fleet.run_for(15 * SECOND);
    fleet.input(0, Input::Forget(dead));
    fleet.run_for(10 * SECOND);
    let running = (0..12).filter_map(|host| fleet.world.node(host));
    running
        .filter(|node| node.core().member(dead, Moment(0)).is_some())
        .count()
}

#[test]
fn a_forgotten_host_is_on_nobodys_list() {
    assert_eq!(that_still_list_a_forgotten_one::<NoFaults>(), 0);
    assert!(that_still_list_a_forgotten_one::<NoTombstones>() > 0);
}

#[test]
fn datagrams_without_limit_are_noticed() {
    caught::<NoSizeLimit>(Scenario::Join, 20, "sent a datagram of");
}

/// A member lies about host 1's own record; with the fault host 1 believes it and the fleet follows.
fn forged<F: Faults>() -> Fleet<F> {
    forged_to(quiet_fleet::<F>(), 1)
}

/// A member lies to `to` about host 1's record.
fn forged_to<F: Faults>(mut fleet: Fleet<F>, to: HostIndex) -> Fleet<F> {
    let me = |host: usize| fleet.world.node(host).expect("it runs").core().me().clone();
    let (liar, victim) = (me(2), me(1));
    let record = Record {
        host: victim.host,
        stamp: Stamp {
            incarnation: victim.life.incarnation,
            version: 1_000,
        },
        left: false,
        payload: Payload::try_new(b"forged").expect("it is short"),
        proof: Proof::default(),
    };
    let delta = Delta {
        records: vec![Aged { record, age_ms: 0 }],
        ..Delta::default()
    };
    let mut header = Vec::new();
    let sender = Header::new(Fleet::<F>::CLUSTER, liar.host, liar.life);
    sender.write(&mut header);
    let mut body = Vec::new();
    Message::Delta(delta).write(&mut body);
    let mut bytes = header.clone();
    let sealed = Fleet::<F>::SEALER
        .clone()
        .seal(&sender, &header, &body, &mut bytes);
    sealed.expect("it never fails");
    let (at, from) = (fleet.world.truth.now + 1_500, fleet.address(2));
    fleet.inject(at, from, to, bytes);
    fleet.run_for(20 * SECOND);
    fleet
}

#[test]
fn a_forged_record_of_ours_goes_nowhere() {
    let fleet = forged::<NoFaults>();
    assert_eq!(fleet.watch.violations(), []);
    assert_eq!(fleet.disagreement(), None);
}

#[test]
fn a_core_that_takes_its_record_from_others_is_noticed() {
    let fleet = forged::<OwnRecordFromOthers>();
    let told = |what: &str| {
        fleet
            .watch
            .violations()
            .iter()
            .any(|v| v.what.contains(what))
    };
    assert!(told("never wrote"), "{:?}", fleet.watch.violations());
}

/// A member lies to a third host about another's record, in a fleet whose records are signed.
fn relayed<F: Faults>() -> Fleet<F> {
    let mut setup = Setup::new(12, 4);
    setup.sealing = Sealing::KeyedAndSigned;
    forged_to(fleet_of::<F>(setup), 3)
}

#[test]
fn a_record_that_another_member_made_goes_nowhere() {
    let fleet = relayed::<NoFaults>();
    assert_eq!(fleet.watch.violations(), []);
    assert_eq!(fleet.disagreement(), None);
    let stats = fleet.world.node(3).expect("it runs").core().stats().clone();
    let unproven: u64 = stats.records_unproven.values().sum();
    assert_eq!(unproven, 1, "it came, and was looked at");
}

#[test]
fn a_core_that_takes_unsigned_records_is_noticed() {
    let fleet = relayed::<UnprovenRecords>();
    let mut told = fleet.watch.violations().iter();
    assert!(told.any(|v| v.what.contains("never wrote")));
}
