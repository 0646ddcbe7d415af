//! Hosts that are silent: one that answers too late, and one whose jobs are stopped elsewhere, or go on, meanwhile.

use std::time::{Duration, Instant};

use kerf_tests::poll;
use kerf_tests::world::Fleet;
use nix::sys::signal::Signal;

use super::spec::{Spec, gate};
use super::world::{
    all_see, containers, hosts_of, is_empty, leases, measured, node, of, open, until, verdict,
    waits,
};

/// A member that is to stop in a partition does so 30 s after the last word of the host that submitted it; the rest
/// is for the container to end.
const STOPPED: Duration = Duration::from_secs(45);

#[test]
fn a_silent_host_is_not_waited_for() {
    let Some(mut fleet) = of(&["h100x1"; 3]) else {
        return;
    };
    it_answers_too_late(&mut fleet);
    for number in 1..=3 {
        is_empty(&fleet, number);
    }
    fleet.stop().expect("nothing is left");
}

/// Of two hosts nobody can take over from the other: there are no two that would be a majority without it.
#[test]
fn jobs_of_a_silent_host_stop_or_go_on_where_nobody_takes_over() {
    let Some(mut fleet) = of(&["h100x1"; 2]) else {
        return;
    };
    its_jobs_stop_or_go_on(&mut fleet);
    for number in 1..=2 {
        is_empty(&fleet, number);
    }
    fleet.stop().expect("nothing is left");
}

/// What it promises when it can speak again is given back.
fn it_answers_too_late(fleet: &mut Fleet) {
    // A GPU in MIG mode with room is better than one whose mode would have to change.
    let taken = ["lease", "create", "1g.10gb", "--ttl", "1h"];
    let taken = fleet.says(1, &taken).expect("it has room");
    let lease = taken.split_whitespace().nth(1).expect("an id").to_owned();
    waits(fleet, 3, "the slice in the record of host 1", |fleet| {
        node(fleet, 3, "node-1")["record"]["leased"] == 1
    });
    let signal = |fleet: &mut Fleet, signal| {
        let host = fleet.host_mut(1).expect("host 1");
        host.signal(signal).expect("it is there");
    };
    signal(fleet, Signal::SIGSTOP);
    let spec = Spec::new("exit 5").asks("1g.10gb").on(&[1, 2]);
    let id = spec.submit(fleet, 3);
    let ended = until(fleet, 3, &id, "failed");
    assert_eq!(ended["exit_code"], 5, "{ended}");
    assert_eq!(hosts_of(&ended), ["node-2"], "{ended}");
    assert_eq!(ended["members"][0]["attempt"], 2, "{ended}");
    let refused = verdict(fleet, 3, &id, "node-1");
    assert_eq!(refused["verdict"], "refused", "{refused}");
    signal(fleet, Signal::SIGCONT);
    all_see(fleet, 3);
    waits(fleet, 1, "no lease but the first", |fleet| {
        let leases = leases(fleet, 1);
        leases.len() == 1 && leases[0]["id"] == lease.as_str()
    });
    assert_eq!(containers(fleet, 1), [""; 0]);
    fleet
        .says(1, &["lease", "release", &lease])
        .expect("it is there");
}

/// The submitting host is dead for long: each member does what its job says of a partition.
fn its_jobs_stop_or_go_on(fleet: &mut Fleet) {
    let goes_on = format!("{}; exit 7", gate("go-on"));
    let goes_on = Spec::new(&goes_on)
        .on(&[1])
        .with("on_partition", "continue");
    let goes_on = goes_on.submit(fleet, 2);
    let stops = Spec::new("sleep 600")
        .asks("1g.10gb")
        .on(&[1])
        .submit(fleet, 2);
    for id in [&goes_on, &stops] {
        until(fleet, 2, id, "running");
    }
    fleet.host_mut(2).expect("host 2").kill9().expect("it dies");
    let died = Instant::now();
    poll::until_true("the end of one of both", STOPPED, || {
        containers(fleet, 1).len() == 1
    })
    .unwrap_or_else(|error| panic!("{error:#}: {:?}", containers(fleet, 1)));
    measured(&format!(
        "stopped {:?} after the death of its submitter",
        died.elapsed()
    ));
    assert_eq!(containers(fleet, 1), [format!("kerf-{goes_on}-0")]);
    fleet
        .host_mut(2)
        .expect("host 2")
        .restart()
        .expect("it returns");
    let lost = until(fleet, 2, &stops, "lost");
    assert_eq!(lost["restarts"], 0, "{lost}");
    open(fleet, "go-on");
    assert_eq!(until(fleet, 2, &goes_on, "failed")["exit_code"], 7);
}
