//! A gang is cut in half by the network, under each policy for partitions, with a living and with a dead kerfd on the
//! side that is cut off.

use std::time::{Duration, Instant};

use kerf_tests::poll;
use serde_json::{Value, json};

use super::super::spec::Spec;
use super::super::world::{hosts_of, is_empty, job, measured, open, until, until_so};
use super::beats::{Life, lives, living, never_two, script};
use super::net::{Family, Net, number, of};

/// A member that is to stop does so 30 s after the last word of the host that took it in, its fence a second after its
/// grace of one; the rest is for a machine that is busy.
const STOPPED: Duration = Duration::from_secs(45);

/// Longer than any member is believed in that is to stop: it must go on all the while where it is to go on.
const APART: Duration = Duration::from_secs(45);

/// Until all is as it was, or as it shall be: a new run needs half a minute after the old one was given up.
const SETTLED: Duration = Duration::from_secs(60);

const COORDINATOR: usize = 1;

/// Members; two fit on a host, so they are on two hosts.
const MEMBERS: usize = 4;

#[test]
fn the_half_that_is_cut_off_stops_and_the_gang_runs_again_elsewhere() {
    let Some(mut net) = of(4, Family::V4, 2) else {
        return;
    };
    stops(&mut net, "cut", false);
    net.stop();
}

#[test]
fn the_fence_stops_the_half_that_is_cut_off_where_kerfd_is_dead() {
    let Some(mut net) = of(4, Family::V4, 3) else {
        return;
    };
    stops(&mut net, "dead", true);
    net.stop();
}

#[test]
fn a_gang_that_is_to_go_on_does_so_in_both_halves_and_is_the_same_afterwards() {
    let Some(mut net) = of(4, Family::V4, 4) else {
        return;
    };
    let (id, far) = begin(&net, "on", "continue");
    let before = lives(&net, "on");
    let down = ["ip", "link", "set", "k0", "down"];
    net.run(far, &down);
    // Whoever comes back in the middle of it finds what it had.
    net.kill(far);
    net.restart(far);
    let who = |lives: &[Life]| -> Vec<String> { lives.iter().map(|l| l.who.clone()).collect() };
    let changed = poll::until_true("a change", APART, || {
        who(&lives(&net, "on")) != who(&before) || living(&net, "on").len() != MEMBERS
    });
    assert!(changed.is_err(), "{:#?}", lives(&net, "on"));
    let apart = job(&net, COORDINATOR, &id);
    assert_eq!(apart["state"], "running", "{apart}");
    net.run(far, &["ip", "link", "set", "k0", "up"]);
    net.converges();
    let silent = |job: &Value| {
        let reason = job["reason"].as_str().unwrap_or_default();
        reason.contains("does not answer")
    };
    let healed = until_so(&net, COORDINATOR, &id, "heard of again", |job| {
        job["state"] == "running" && !silent(job)
    });
    assert_eq!(healed["restarts"], 0, "{healed}");
    assert_eq!(who(&living(&net, "on")), who(&before));
    open(&net, "gate-on");
    until(&net, COORDINATOR, &id, "succeeded");
    assert_eq!(who(&lives(&net, "on")), who(&before));
    all_is_over(&net);
    net.stop();
}

/// Begins a gang on two of three hosts; its id, and one of both.
fn begin(net: &Net, name: &str, policy: &str) -> (String, usize) {
    let spec = Spec::new(&script(name))
        .asks("3g.40gb")
        .with("members", MEMBERS)
        .with("on_partition", policy)
        .with("restart", json!({ "on_failure": { "max": 2 } }));
    let id = spec.on(&[2, 3, 4]).submit(net, COORDINATOR);
    let job = until(net, COORDINATOR, &id, "running");
    let hosts = hosts_of(&job);
    let all_beat = || living(net, name).len() == MEMBERS;
    poll::until_true("beats of all", SETTLED, all_beat).expect("all of them run");
    let far = hosts.iter().map(|host| number(host)).max().expect("hosts");
    let there = hosts.iter().filter(|host| number(host) == far).count();
    assert_eq!(there, MEMBERS / 2, "it is no half: {hosts:?}");
    (id, far)
}

fn stops(net: &mut Net, name: &str, dies: bool) {
    let (id, far) = begin(net, name, "stop");
    net.around(&[far], "cut");
    if dies {
        net.kill(far);
    }
    let cut = Instant::now();
    let first = lives(net, name);
    let gone = || living(net, name).iter().all(|life| life.run > 0);
    let ended = poll::until_true("the end of the first run", STOPPED, gone);
    ended.unwrap_or_else(|error| panic!("{error:#}: {:#?}", living(net, name)));
    measured(&format!(
        "{name}: stopped {:?} after the cut",
        cut.elapsed()
    ));
    let again = poll::until_true("the second run", SETTLED, || {
        let living = living(net, name);
        living.len() == MEMBERS && living.iter().all(|life| life.run == 1)
    });
    again.unwrap_or_else(|error| {
        panic!(
            "{error:#}: {:#} {:#?}",
            job(net, COORDINATOR, &id),
            lives(net, name)
        )
    });
    measured(&format!(
        "{name}: runs again {:?} after the cut",
        cut.elapsed()
    ));
    let job = until(net, COORDINATOR, &id, "running");
    assert_eq!(job["restarts"], 1, "{job}");
    let hosts = hosts_of(&job);
    assert!(hosts.iter().all(|host| number(host) != far), "{hosts:?}");
    if dies {
        net.restart(far);
    }
    net.heal();
    net.converges();
    is_empty(net, far);
    open(net, &format!("gate-{name}"));
    until(net, COORDINATOR, &id, "succeeded");
    let all = lives(net, name);
    never_two(&all);
    assert_eq!((first.len(), all.len()), (MEMBERS, 2 * MEMBERS), "{all:#?}");
    all_is_over(net);
}

fn all_is_over(net: &Net) {
    for number in net.numbers() {
        is_empty(net, number);
    }
    net.converges();
}
