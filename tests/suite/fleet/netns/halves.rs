//! Gangs are cut in half by the network, under each policy for partitions, with a living and with a dead kerfd on the
//! side that is cut off. All of them at once: what takes the time is what members wait for.

use std::time::{Duration, Instant};

use kerf_tests::poll;
use serde_json::{Value, json};

use super::super::spec::Spec;
use super::super::world::{LIMIT, hosts_of, is_empty, job, measured, open, until, until_so};
use super::beats::{Life, lives, living, never_two, now, script};
use super::net::{Family, Net, number, of};
use super::saved::keepers;

/// A member that is to stop does so 30 s after the last word of the host that took it in, its fence a second after its
/// grace of one, and the job runs again some seconds later; the rest is for a machine that is busy.
const AGAIN: Duration = Duration::from_secs(75);

/// How long a member that is to go on may say nothing, in hundredths of a second: nobody stops for so short a time.
const BREATH: u64 = 1_000;

/// How long a gang that is to go on is watched after kerfd has come back to its half.
const CALM: Duration = Duration::from_secs(2);

const COORDINATOR: usize = 1;

/// How often gangs may be submitted until none has both of its other keepers among the two hosts that are cut off: without
/// a majority such a gang would end and wait. Three in four times none has.
const TRIES: usize = 12;

/// Members of each gang, one on each of two hosts.
const MEMBERS: usize = 2;

/// A gang that runs on two hosts.
struct Gang {
    name: String,
    id: String,
    hosts: Vec<usize>,
    /// The half that is going to be cut off.
    far: usize,
    first: Vec<Life>,
}

#[test]
fn halves_of_gangs_that_are_cut_off_stop_or_go_on_as_they_are_told() {
    let Some(mut net) = of(6, Family::V4, 2) else {
        return;
    };
    let [living, dead, on] = begin_all(&net);
    // One half loses its interface, the other one its way and its kerfd.
    net.run(living.far, &["ip", "link", "set", "k0", "down"]);
    net.around(&[dead.far], "cut");
    net.kill(dead.far);
    let cut = Instant::now();
    for gang in [&living, &dead] {
        runs_again(&net, gang, &on, cut);
    }
    // Whoever comes back in the middle of it finds what it had.
    net.kill(on.far);
    net.restart(on.far);
    let stops = poll::until_true("a change", CALM, || {
        goes_on(&net, &on);
        false
    });
    assert!(stops.is_err());
    net.restart(dead.far);
    net.run(living.far, &["ip", "link", "set", "k0", "up"]);
    net.heal();
    net.converges();
    is_whole(&net, &on);
    for gang in [&living, &dead, &on] {
        open(&net, &format!("gate-{}", gang.name));
        until(&net, COORDINATOR, &gang.id, "succeeded");
    }
    for gang in [&living, &dead] {
        let all = lives(&net, &gang.name);
        never_two(&all);
        assert_eq!(all.len(), 2 * MEMBERS, "{all:#?}");
    }
    assert_eq!(who(&lives(&net, &on.name)), who(&on.first));
    for number in net.numbers() {
        is_empty(&net, number);
    }
    net.converges();
    net.stop();
}

/// Three gangs that each keep a majority of their keepers when two halves are cut off.
fn begin_all(net: &Net) -> [Gang; 3] {
    for count in 0..TRIES {
        let name = |of: &str| format!("{of}-{count}");
        // One of 4g fits on each host, so two hosts run a gang and the third is there for its next run.
        let living = begin(net, name("living"), "stop", "4g.40gb", &[2, 3, 6]);
        let dead = begin(net, name("dead"), "stop", "4g.40gb", &[1, 4, 5]);
        // What is left beside it is room for one of 3g.
        let on = begin(net, name("on"), "continue", "3g.40gb", &living.hosts);
        let far = [living.far, dead.far];
        let loses = |gang: &Gang| {
            let keepers = keepers(net, &gang.id);
            keepers.iter().filter(|one| far.contains(one)).count() > 1
        };
        let gangs = [living, dead, on];
        if !gangs.iter().any(loses) {
            return gangs;
        }
        for gang in &gangs {
            net.says(COORDINATOR, &["cancel", &gang.id])
                .expect("it runs");
            until(net, COORDINATOR, &gang.id, "cancelled");
        }
        net.numbers().for_each(|number| is_empty(net, number));
    }
    panic!("of {TRIES} times each time a gang had both others among those that are cut off")
}

fn begin(net: &Net, name: String, policy: &str, ask: &str, on: &[usize]) -> Gang {
    let spec = Spec::new(&script(&name))
        .asks(ask)
        .with("members", MEMBERS)
        .with("on_partition", policy)
        .with("restart", json!({ "on_failure": { "max": 2 } }));
    let id = spec.on(on).submit(net, COORDINATOR);
    let job = until(net, COORDINATOR, &id, "running");
    let hosts: Vec<usize> = hosts_of(&job).iter().map(|host| number(host)).collect();
    assert_ne!(hosts[0], hosts[1], "it is no half: {job}");
    let all_beat = || living(net, &name).len() == MEMBERS;
    poll::until_true("beats of all", LIMIT, all_beat).expect("all of them run");
    Gang {
        first: lives(net, &name),
        name,
        id,
        far: hosts[0].max(hosts[1]),
        hosts,
    }
}

/// Waits until a gang runs anew, without the half that is cut off, while another goes on.
fn runs_again(net: &Net, gang: &Gang, on: &Gang, cut: Instant) {
    let again = poll::until_true("the second run", AGAIN, || {
        goes_on(net, on);
        let living = living(net, &gang.name);
        living.len() == MEMBERS && living.iter().all(|life| life.run > 0)
    });
    again.unwrap_or_else(|error| {
        let job = job(net, COORDINATOR, &gang.id);
        panic!("{error:#}: {job:#} {:#?}", lives(net, &gang.name))
    });
    let lives = lives(net, &gang.name);
    let first = lives.iter().filter(|life| life.run == 0);
    let ended = first.map(|life| life.last).max().expect("it ran");
    measured(&format!(
        "{}: runs again {:?} after the cut, {} ms after the end of its first run",
        gang.name,
        cut.elapsed(),
        10 * (now() - ended)
    ));
    never_two(&lives);
    let job = until(net, COORDINATOR, &gang.id, "running");
    assert_eq!(job["restarts"], 1, "{job}");
    let hosts = hosts_of(&job);
    let far = hosts.iter().any(|host| number(host) == gang.far);
    assert!(!far, "{hosts:?}");
}

/// It has the members that it had, and none of them is silent.
fn goes_on(net: &Net, gang: &Gang) {
    let lives = lives(net, &gang.name);
    assert_eq!(who(&lives), who(&gang.first), "{lives:#?}");
    let now = now();
    let silent = lives.iter().find(|life| life.last + BREATH < now);
    assert!(silent.is_none(), "{silent:?} at {now}");
}

/// The host that took it in hears of both halves again, and nothing has begun anew.
fn is_whole(net: &Net, gang: &Gang) {
    let silent = |job: &Value| {
        let reason = job["reason"].as_str().unwrap_or_default();
        reason.contains("does not answer")
    };
    let healed = until_so(net, COORDINATOR, &gang.id, "heard of again", |job| {
        job["state"] == "running" && !silent(job)
    });
    assert_eq!(healed["restarts"], 0, "{healed}");
    goes_on(net, gang);
}

fn who(lives: &[Life]) -> Vec<String> {
    lives.iter().map(|life| life.who.clone()).collect()
}
