//! Hosts that die or leave: the others see it and say so, and a host that returns is the same as before.

use std::time::{Duration, Instant};

use kerf_tests::poll;
use kerf_tests::world::Fleet;

use super::spec::{Spec, gate};
use super::world::{
    all_see, hosts_of, is_empty, measured, node, of, open, until, until_so, verdict, waits,
};

/// The promise of the fleet: a host that died is seen to be dead by all within this time.
const SEEN_DEAD: Duration = Duration::from_secs(15);

#[test]
fn a_host_that_dies_or_leaves_is_seen_and_is_the_same_when_it_returns() {
    let Some(mut fleet) = of(&["h100x1"; 3]) else {
        return;
    };
    // The first host is the one that all others joined, and nobody tells it whom to join when it returns.
    for target in [1, 2] {
        it_dies_under_a_job(&mut fleet, target);
    }
    it_leaves(&mut fleet, 2);
    for number in 1..=3 {
        is_empty(&fleet, number);
    }
    fleet.stop().expect("nothing is left");
}

fn it_dies_under_a_job(fleet: &mut Fleet, target: usize) {
    let (name, other) = (format!("node-{target}"), 3 - target);
    let before = node(fleet, 3, &name);
    let door = format!("died-{target}");
    let script = format!("echo begun; {}; echo done; exit 6", gate(&door));
    let spec = Spec::new(&script).asks("1g.10gb").on(&[target]);
    let id = spec.submit(fleet, 3);
    until(fleet, 3, &id, "running");
    fleet
        .host_mut(target)
        .expect("it")
        .kill9()
        .expect("it dies");
    let died = Instant::now();
    let seen = poll::until_true("the death on all hosts", SEEN_DEAD, || {
        let down = |number| node(fleet, number, &name)["presence"] == "down";
        down(3) && down(other)
    });
    measured(&format!(
        "{name} was down for all others after {:?}",
        died.elapsed()
    ));
    seen.unwrap_or_else(|error| panic!("{error:#}: {:#}", node(fleet, 3, &name)));
    let silent = format!("member 0 is on {name}, which does not answer");
    let says = |job: &serde_json::Value| {
        let reason = job["reason"].as_str().unwrap_or_default();
        reason.contains(&silent)
    };
    let lost = until_so(fleet, 3, &id, "said to be on a silent host", says);
    assert_eq!(lost["exit_code"], serde_json::Value::Null, "{lost}");
    fleet
        .host_mut(target)
        .expect("it")
        .restart()
        .expect("it returns");
    all_see(fleet, 3);
    let after = node(fleet, 3, &name);
    assert_eq!(after["id"], before["id"], "{after}");
    until_so(fleet, 3, &id, "heard of again", |job| {
        job["state"] == "running" && !says(job)
    });
    open(fleet, &door);
    let ended = until(fleet, 3, &id, "failed");
    assert_eq!(ended["exit_code"], 6, "{ended}");
    assert_eq!(ended["restarts"], 0, "{ended}");
    assert_eq!(
        fleet.says(3, &["logs", &id]).expect("logs"),
        "begun\ndone\n"
    );
}

/// A kerfd that ends says goodbye; what runs on its host goes on, and nothing more comes to it.
fn it_leaves(fleet: &mut Fleet, target: usize) {
    let name = format!("node-{target}");
    let script = format!("{}; exit 8", gate("left"));
    let runs = Spec::new(&script).asks("1g.10gb").on(&[target]);
    let runs = runs.submit(fleet, 3);
    until(fleet, 3, &runs, "running");
    let whole = Spec::new("true").asks("gpu:1").on(&[target]);
    let whole = whole.submit(fleet, 3);
    until_refused(fleet, &whole, &name, "no_room");
    fleet
        .host_mut(target)
        .expect("it")
        .terminate()
        .expect("it ends well");
    for number in [1, 3] {
        waits(fleet, number, "a host that has left", |fleet| {
            node(fleet, number, &name)["presence"] == "left"
        });
    }
    let comes = Spec::new("true").on(&[target]).submit(fleet, 3);
    // Also of a job that waits for as long as before the reason is told that is true now.
    for id in [&comes, &whole] {
        until_refused(fleet, id, &name, "left");
    }
    open(fleet, "left");
    fleet
        .host_mut(target)
        .expect("it")
        .restart()
        .expect("it returns");
    all_see(fleet, 3);
    assert_eq!(until(fleet, 3, &runs, "failed")["exit_code"], 8);
    for id in [&comes, &whole] {
        let ended = until(fleet, 3, id, "succeeded");
        assert_eq!(hosts_of(&ended), [name.as_str()], "{ended}");
    }
}

/// Waits until a job that host 3 took in is pending since another host has refused it for this constraint.
fn until_refused(fleet: &Fleet, id: &str, host: &str, constraint: &str) {
    let refused = |job: &serde_json::Value| {
        let verdict = verdict(fleet, 3, id, host);
        job["state"] == "pending" && verdict["refusal"]["constraint"] == constraint
    };
    until_so(
        fleet,
        3,
        id,
        &format!("refused by {host}: {constraint}"),
        refused,
    );
}
