//! The host that took jobs in dies at any point of reserve, confirm and start: each job ends exactly once, and nothing
//! stays reserved for longer than it was promised.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use kerf_tests::poll;
use kerf_tests::world::Fleet;
use serde_json::Value;

use super::spec::Spec;
use super::world::{LIMIT, document, is_empty, leases, measured, of, out, waits};

/// It dies within this time after the first of the jobs was submitted.
const WITHIN_MS: u64 = 300;

/// What a lease may take to end whose submitter is dead: another keeper of the job needs up to 30 s to take over, and then
/// the attempt is given up, or runs to its end; where a majority never had the job, its time to live of 30 s passes.
const LEASE_LIMIT: Duration = Duration::from_secs(60);

/// The host that takes the jobs in; their members run on the others.
const SUBMITTER: usize = 2;

/// A host with members of most jobs.
const TARGET: usize = 1;

#[test]
fn a_submitting_host_that_dies_at_any_moment_starts_nothing_twice() {
    let Some(mut fleet) = of(&["h100x1"; 3]) else {
        return;
    };
    let counts = dies_again_and_again(&mut fleet, SUBMITTER, 16);
    assert_eq!(counts.torn, 0, "{counts:?}");
    for round in 0..2 {
        stays_dead(&mut fleet, round);
    }
    for number in 1..=3 {
        is_empty(&fleet, number);
    }
    fleet.stop().expect("nothing is left");
}

#[test]
fn a_target_that_dies_at_any_moment_starts_nothing_twice() {
    let Some(mut fleet) = of(&["h100x1"; 3]) else {
        return;
    };
    let counts = dies_again_and_again(&mut fleet, TARGET, 10);
    // Half of a pair may have run; where nothing has, it is placed again.
    assert_eq!(counts.torn_unborn, 0, "{counts:?}");
    for number in 1..=3 {
        is_empty(&fleet, number);
    }
    fleet.stop().expect("nothing is left");
}

fn dies_again_and_again(fleet: &mut Fleet, victim: usize, rounds: u64) -> Counts {
    let begun = Instant::now();
    let mut counts = Counts::default();
    for seed in 0..rounds {
        let delay = Duration::from_millis(scattered(seed) % WITHIN_MS);
        measured(&format!("host {victim}, seed {seed}: dies after {delay:?}"));
        let name = format!("seed-{seed}");
        let clients = submit(fleet, &name);
        // Nobody sends: this is a wait of exactly so long.
        let (_sender, never) = mpsc::channel::<()>();
        let waited = never.recv_timeout(delay);
        assert_eq!(waited, Err(mpsc::RecvTimeoutError::Timeout));
        kill(fleet, victim);
        let taken = answers(clients);
        restart(fleet, victim);
        all_end_once(fleet, &name, &taken, &mut counts);
    }
    measured(&format!(
        "host {victim}: {rounds} deaths in {:?}: {counts:?}",
        begun.elapsed()
    ));
    assert!(counts.jobs > 2 * counts.pairs, "{counts:?}");
    counts
}

/// What was reserved for jobs of a host that does not return is free again in time: other keepers bring them to an end.
fn stays_dead(fleet: &mut Fleet, round: u32) {
    let name = format!("dead-{round}");
    let clients = submit(fleet, &name);
    waits(fleet, TARGET, "a lease", |fleet| {
        !leases(fleet, TARGET).is_empty()
    });
    kill(fleet, SUBMITTER);
    let died = Instant::now();
    let taken = answers(clients);
    let held = [1, 3].map(|number| leases(fleet, number).len());
    for number in [1, 3] {
        let free = || leases(fleet, number).is_empty();
        let freed = poll::until_true("the end of all leases", LEASE_LIMIT, free);
        freed.unwrap_or_else(|error| panic!("{error:#}: {:#?}", leases(fleet, number)));
    }
    measured(&format!(
        "dead with {held:?} leases, which were gone after {:?}",
        died.elapsed()
    ));
    restart(fleet, SUBMITTER);
    all_end_once(fleet, &name, &taken, &mut Counts::default());
}

/// What was seen, to tell whether the deaths came at moments that matter.
#[derive(Debug, Default)]
struct Counts {
    jobs: usize,
    pairs: usize,
    /// Jobs of which the client never heard that they were taken in.
    unanswered: usize,
    /// Jobs that needed more than one attempt.
    again: usize,
    /// Pairs of which one member was not started.
    torn: usize,
    /// Those of them of which nothing ran.
    torn_unborn: usize,
}

/// Begins to submit some jobs of this name.
fn submit(fleet: &Fleet, name: &str) -> Vec<Child> {
    let script = "echo begin $(hostname) >> /out/log; sleep 0.1; echo end $(hostname) >> /out/log";
    let spec = Spec::new(script).with("name", name);
    let sliced = spec.clone().asks("1g.10gb");
    let jobs = [
        sliced.clone().on(&[1]),
        sliced.on(&[1, 3]).with("members", 2),
        spec.on(&[3]),
    ];
    jobs.iter().map(|job| client(fleet, job)).collect()
}

fn client(fleet: &Fleet, job: &Spec) -> Child {
    let mut kerf = job.client(fleet, SUBMITTER);
    let piped = kerf.stdout(Stdio::piped()).stderr(Stdio::piped());
    piped.spawn().expect("kerf starts")
}

/// Ids of the jobs of which their clients heard that they were taken in.
fn answers(clients: Vec<Child>) -> Vec<String> {
    let answer = |client: Child| {
        let output = client.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    clients.into_iter().filter_map(answer).collect()
}

fn kill(fleet: &mut Fleet, number: usize) {
    fleet
        .host_mut(number)
        .expect("a host")
        .kill9()
        .expect("it dies");
}

fn restart(fleet: &mut Fleet, number: usize) {
    fleet
        .host_mut(number)
        .expect("a host")
        .restart()
        .expect("it returns");
}

/// Every job of this name ends, and each of its members has begun and ended once. What was promised to a client is
/// among them.
fn all_end_once(fleet: &Fleet, name: &str, taken: &[String], counts: &mut Counts) {
    let jobs = || -> Vec<Value> {
        let all = document(fleet, SUBMITTER, &["jobs", "--all"]);
        let all = all["jobs"].as_array().cloned().expect("a list");
        let named = all.into_iter().filter(|job| job["spec"]["name"] == name);
        named.collect()
    };
    let ended = |job: &Value| !job["ended_at"].is_null();
    poll::until_true("the end of all jobs", LIMIT, || jobs().iter().all(ended)).unwrap_or_else(
        |error| {
            let log = fleet.host(SUBMITTER).expect("a host").log_tail();
            panic!("{name}: {error:#}: {:#?}\n{log}", jobs())
        },
    );
    let jobs = jobs();
    for id in taken {
        let known = jobs.iter().any(|job| job["id"] == id.as_str());
        assert!(known, "{name}: {id} is forgotten");
    }
    let log = std::fs::read_to_string(out(fleet, "log")).unwrap_or_default();
    for job in &jobs {
        let id = job["id"].as_str().expect("an id");
        let members = job["members"].as_array().expect("a list").len();
        let torn = is_torn(job);
        for word in ["begin", "end"] {
            let wanted = format!("{word} kerf-{id}-");
            let said: Vec<&str> = log
                .lines()
                .filter(|line| line.starts_with(&wanted))
                .collect();
            let once: BTreeSet<&str> = said.iter().copied().collect();
            let enough = once.len() == members || (torn && once.len() < members);
            assert!(
                enough && said.len() == once.len(),
                "{name}: {said:?} of {job:#}"
            );
        }
        counts.torn_unborn += usize::from(torn && !log.contains(id));
        if !torn {
            assert_eq!(job["state"], "succeeded", "{name}: {job:#}");
        }
        counts.jobs += 1;
        counts.pairs += usize::from(members == 2);
        counts.torn += usize::from(torn);
        counts.unanswered += usize::from(!taken.iter().any(|taken| taken == id));
        counts.again += usize::from(job["members"][0]["attempt"] != 1);
    }
}

/// Whether a pair ended since one of it was not started when the other may have been: it is not to be started again,
/// and half of it is no pair.
fn is_torn(job: &Value) -> bool {
    let reason = job["reason"].as_str().unwrap_or_default();
    job["state"] == "failed" && job["spec"]["members"] == 2 && reason.contains("did not start it")
}

/// A number that looks like chance and is the same each time (splitmix64).
fn scattered(seed: u64) -> u64 {
    let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
