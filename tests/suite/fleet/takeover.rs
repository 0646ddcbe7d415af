//! The kerfd that coordinates a job dies for good after the decision: another keeper of the job's register goes on with
//! it, and says so to whoever asks.

use std::time::{Duration, Instant};

use kerf_tests::poll;
use kerf_tests::world::Fleet;

use super::spec::{Spec, gate};
use super::world::{
    all_see, containers, hosts_of, is_empty, known, measured, of, open, out, until, until_so,
};

/// The host that takes the jobs in, and dies.
const COORDINATOR: usize = 3;

/// Membership sees the death within 15 s, a keeper waits 10 s after the last word, and two turns of 2 s.
const TAKEN_OVER: Duration = Duration::from_secs(40);

/// Members are stopped for silence after 30 s and some: a job that still runs after this time was kept by a successor.
const KEPT: Duration = Duration::from_secs(50);

#[test]
fn a_job_goes_on_when_the_kerfd_that_coordinates_it_is_dead() {
    let Some(mut fleet) = of(&["h100x1"; 3]) else {
        return;
    };
    let pair = gone_on(&mut fleet);
    back_again(&mut fleet, &pair);
    for number in 1..=3 {
        is_empty(&fleet, number);
    }
    fleet.stop().expect("nothing is left");
}

/// A gang runs on the two others; its coordinator dies and stays dead, and the gang runs on to its end. Its id.
fn gone_on(fleet: &mut Fleet) -> String {
    let script = format!("hostname >> /out/begun; {}; exit 0", gate("on"));
    let spec = Spec::new(&script).asks("1g.10gb").on(&[1, 2]);
    let spec = spec.with("members", 2);
    let id = spec.submit(fleet, COORDINATOR);
    let begun = until(fleet, COORDINATOR, &id, "running");
    let hosts = hosts_of(&begun);
    assert!(hosts.iter().all(|host| host != "node-3"), "{begun}");
    let host = fleet.host_mut(COORDINATOR).expect("it");
    host.kill9().expect("it dies");
    let died = Instant::now();
    let successor = poll::until("a successor", TAKEN_OVER, || {
        (1..COORDINATOR).find(|number| {
            let job = known(fleet, *number, &id);
            job.is_some_and(|job| job["state"] == "running")
        })
    });
    let successor = successor.unwrap_or_else(|error| {
        let logs: Vec<String> = (1..COORDINATOR)
            .map(|number| fleet.host(number).expect("a host").log_tail())
            .collect();
        panic!("{error:#}\n{}", logs.join("\n---\n"))
    });
    measured(&format!(
        "host {successor} has taken over {:?} after the death",
        died.elapsed()
    ));
    let explained = fleet.says(successor, &["explain", &id]).expect("it knows");
    assert!(explained.contains("running"), "{explained}");
    let left = KEPT.saturating_sub(died.elapsed());
    let stopped = poll::until_true("the end of a member", left, || {
        (1..COORDINATOR)
            .map(|at| containers(fleet, at).len())
            .sum::<usize>()
            < 2
    });
    assert!(stopped.is_err(), "a member was stopped: {explained}");
    open(fleet, "on");
    let ended = until(fleet, successor, &id, "succeeded");
    assert_eq!(ended["restarts"], 0, "{ended}");
    let log = std::fs::read_to_string(out(fleet, "begun")).expect("it ran");
    assert_eq!(log.lines().count(), 2, "each member began once: {log}");
    id
}

/// The dead one returns: it hears how its job has ended, and takes new ones in.
fn back_again(fleet: &mut Fleet, pair: &str) {
    let host = fleet.host_mut(COORDINATOR).expect("it");
    host.restart().expect("it returns");
    all_see(fleet, 3);
    let ended = until_so(fleet, COORDINATOR, pair, "known to have ended", |job| {
        job["state"] == "succeeded" && hosts_of(job).len() == 2
    });
    assert_eq!(ended["restarts"], 0, "{ended}");
    let next = Spec::new("exit 0").submit(fleet, COORDINATOR);
    until(fleet, COORDINATOR, &next, "succeeded");
}
