//! Fleets of fifty hosts under each scenario, hostile traffic, and cores with faults that must be noticed.

use kerf_membership::{Faults, NoFaults};
use kerf_seal::{Key, Keyring};

use crate::gossip::Gossip;
use crate::scenario::Scenario;
use crate::{Fleet, Keys, Report, SECOND, Sealing, Setup};

/// Seeds that every scenario runs with. One that ever fails is added here by its number.
const SEEDS: [u64; 3] = [1, 2, 3];

#[track_caller]
fn check(scenario: Scenario, hosts: usize, holds: impl Fn(&Report) -> bool) {
    for seed in SEEDS {
        let report = scenario.run(Setup::new(hosts, seed));
        assert_eq!(report.violations, [], "{scenario:?}, seed {seed}");
        assert!(holds(&report), "{scenario:?}, seed {seed}: {report:?}");
    }
}

#[test]
fn a_fleet_gathers_and_is_quiet_and_quick() {
    check(Scenario::Join, 50, |report| {
        let state = report.state.expect("records were timed");
        let (bytes, with_headers) = report.idle_bytes.expect("it was quiet");
        report.state_missing == 0
            && state.p99 <= 3 * SECOND
            && bytes <= with_headers
            && with_headers <= 2_048
            && report.converged.is_some_and(|time| time <= 10 * SECOND)
    });
}

#[test]
fn the_dead_are_seen_and_come_back() {
    check(Scenario::Crash, 50, |report| {
        report
            .failure
            .is_some_and(|seen| seen.p50 <= 10 * SECOND && seen.max <= 15 * SECOND)
    });
}

#[test]
fn halves_find_together_and_one_way_loss_kills_nobody() {
    check(Scenario::Partition, 50, |report| {
        report.false_downs == 0 && report.converged.is_some_and(|time| time <= 30 * SECOND)
    });
}

#[test]
fn with_a_fifth_of_all_datagrams_lost_nobody_is_called_dead() {
    check(Scenario::Loss(200), 50, |report| {
        report.false_downs == 0 && report.state_missing == 0
    });
}

#[test]
fn churn_ends_in_agreement() {
    check(Scenario::Churn, 30, |report| report.converged.is_some());
}

#[test]
fn the_ill_slander_nobody() {
    check(Scenario::Slow, 100, |report| report.false_downs == 0);
}

/// How gossip does with records as long as those of a host with eight GPUs, all cut.
fn gossip(hosts: usize, updates_per_s: u32, loss: u64) -> Gossip {
    let mut setup = Setup::new(hosts, 1);
    setup.record_bytes = 1_200;
    Gossip {
        setup,
        seconds: 20,
        updates_per_s,
        loss,
    }
}

#[test]
fn with_twenty_updates_a_second_nobody_has_an_old_record() {
    let report = gossip(100, 20, 50).run();
    assert_eq!(report.violations, []);
    assert_eq!(report.stale_pairs, 0);
    assert_eq!(report.update_to_all.len(), 400);
    assert_eq!(report.false_down, 0);
    assert!(report.max_datagram <= 1_400, "{}", report.max_datagram);
    let (update, failure) = (report.update(), report.failure());
    assert!(
        update.is_some_and(|times| times.p99 <= 5 * SECOND),
        "{update:?}"
    );
    assert!(
        failure.is_some_and(|times| times.p99 <= 10 * SECOND),
        "{failure:?}"
    );
}

#[test]
fn idle_traffic_does_not_grow_with_the_fleet() {
    for hosts in [20, 100] {
        let report = gossip(hosts, 0, 0).run();
        assert_eq!(report.violations, []);
        let bytes = report.bytes_per_s_per_host();
        assert!(bytes <= 1_300, "{hosts} hosts: {bytes} B/s");
        assert_eq!(report.update(), None);
    }
}

#[test]
fn one_seed_gives_one_run() {
    let trace = || {
        let mut fleet = quiet_fleet::<NoFaults>();
        fleet.run_for(20 * SECOND);
        fleet.watch.trace
    };
    assert_eq!(trace(), trace());
}

/// With the sealer and the signatures of kerfd: all of it fits, is heard and is believed.
#[test]
fn sealed_and_signed_fleets_agree_within_the_size_of_a_datagram() {
    for (scenario, hosts) in [
        (Scenario::Join, 30),
        (Scenario::Churn, 20),
        (Scenario::Loss(50), 30),
    ] {
        let mut setup = Setup::new(hosts, 1);
        setup.sealing = Sealing::Real;
        let report = scenario.run(setup);
        assert_eq!(report.violations, [], "{scenario:?}");
        assert_eq!(
            (report.false_downs, report.state_missing),
            (0, 0),
            "{scenario:?}"
        );
        assert!(
            report.largest <= 1_400 && report.largest > 1_000,
            "{report:?}"
        );
    }
}

/// Keys are rotated while the fleet runs, host by host: nobody ever looks dead, also not while half of the hosts
/// are one step behind for longer than a suspicion takes.
#[test]
fn a_rotation_makes_nobody_look_dead() {
    let mut setup = Setup::new(12, 4);
    setup.sealing = Sealing::Real;
    let mut fleet = fleet_of::<NoFaults>(setup);
    let (old, new) = (Keys::first(), Key::new([2; 32]));
    let phases: [&dyn Fn(&mut Keyring); 3] = [
        &|keyring| assert_eq!(keyring.install(new.clone()), Ok(true)),
        &|keyring| assert_eq!(keyring.use_key(new.id()), Ok(true)),
        &|keyring| assert_eq!(keyring.remove(old.id()), Ok(true)),
    ];
    for phase in phases {
        for host in 0..12 {
            let handle = fleet.keyring(host).clone();
            let mut keyring = Keyring::clone(&handle.get());
            phase(&mut keyring);
            handle.replace(keyring);
            if host == 6 {
                fleet.run_for(30 * SECOND);
            }
        }
        fleet.publish(3, true);
        fleet.run_for(30 * SECOND);
    }
    assert_eq!(fleet.watch.false_downs, 0);
    assert_eq!(fleet.watch.spread.len(), 3 * 11, "and every record arrived");
    assert_eq!(fleet.disagreement(), None);
    // A host that was left behind by two steps is what the acknowledgements are for.
    let behind = Keyring::new(old);
    fleet.keyring(5).clone().replace(behind);
    fleet.run_for(60 * SECOND);
    assert_ne!(fleet.disagreement(), None);
}

/// Twelve hosts that have agreed.
fn quiet_fleet<F: Faults>() -> Fleet<F> {
    fleet_of(Setup::new(12, 4))
}

/// Hosts that have agreed.
fn fleet_of<F: Faults>(setup: Setup) -> Fleet<F> {
    let hosts = setup.hosts;
    let mut fleet = Fleet::new(setup);
    for host in 0..hosts {
        fleet.start(host, &[0, 1]);
    }
    fleet.must_converge(60 * SECOND);
    fleet
}

mod hostile;
mod mutants;
