//! Gangs that each need all of the fleet, submitted at once on different hosts: every one starts, and the oldest
//! within a bound.

use std::time::Duration;

use kerf_types::JobId;
use kerf_types::job::{JobSpec, RestartPolicy};

use super::fixture::{job_id, spec};
use super::world::{Event, Network, World};
use crate::core::{Faults, Input, NoFaults};
use crate::fleet::Liveness;

/// Hosts, each with one slice; as many gangs.
const HOSTS: usize = 6;

/// How long each gang runs.
const RUNS: Duration = Duration::from_secs(10);

/// How long the oldest gang waits at most where nothing fails: for the one that may be decided before it has its place in
/// the line of the first host; the rest is for messages, records and pauses.
const BOUND: Duration = Duration::from_secs(RUNS.as_secs() + 10);

/// The gangs, the oldest first, each on a host of its own.
fn submit_all<F: Faults>(world: &mut World<F>, seed: u64) -> Vec<JobId> {
    let mut jobs = Vec::new();
    for at in 0..HOSTS {
        let number = u64::try_from(at).expect("few");
        let job = job_id(seed * 100 + number);
        let mut gang = spec("1g.10gb", u32::try_from(HOSTS).expect("few"));
        gang.time_limit_seconds = Some(RUNS.as_secs());
        gang.restart = RestartPolicy::Never;
        world.submit(HOSTS - 1 - at, job, gang);
        world.run_for(Duration::from_millis(1));
        jobs.push(job);
    }
    jobs
}

fn fleet<F: Faults>(seed: u64) -> World<F> {
    let mut world: World<F> = World::new(seed, &[1; HOSTS]);
    world.run_for(Duration::from_secs(2));
    world
}

/// How long it took until a member of the oldest was started, and until all had ended; `None` where that took longer
/// than if each were the oldest once those before it had ended.
fn times<F: Faults>(world: &mut World<F>, jobs: &[JobId]) -> (Option<Duration>, Option<Duration>) {
    let begin = world.now;
    let end = begin.after(BOUND * u32::try_from(HOSTS).expect("few"));
    let started = |world: &World<F>| world.starts(jobs[0]) > 0;
    let ended = |world: &World<F>| jobs.iter().all(|job| world.ended.contains_key(job));
    world.run_until(end, started);
    let first = started(world).then(|| world.now.since(begin));
    world.run_until(end, ended);
    let last = ended(world).then(|| world.now.since(begin));
    (first, last)
}

/// What is told of gangs that have not ended.
fn waiting<F: Faults>(world: &World<F>, jobs: &[JobId]) -> String {
    let waiting = jobs.iter().filter(|job| !world.ended.contains_key(job));
    let told = waiting.map(|job| {
        let report = world.reports.get(job);
        let said = report.map(|report| format!("{:?}, {}", report.state, report.reason));
        format!("job {job}: {}", said.unwrap_or_default())
    });
    told.collect::<Vec<_>>().join("\n")
}

/// One run without any fault. Returns what was violated.
pub fn run<F: Faults>(seed: u64) -> Vec<String> {
    let mut world: World<F> = fleet(seed);
    world.calm = true;
    let jobs = submit_all(&mut world, seed);
    let (first, last) = times(&mut world, &jobs);
    let mut found = world.violations();
    if first.is_none_or(|first| first > BOUND) {
        found.push(format!("I9: the oldest gang starts after {first:?}"));
    }
    if last.is_none() {
        found.push("I9: not all gangs end".to_owned());
    }
    found
}

/// One run in which it takes seconds until anybody hears that it is to give way: many are decided by then.
pub fn run_late<F: Faults>(seed: u64) -> Vec<String> {
    let mut world: World<F> = fleet(seed);
    world.calm = true;
    world.late_wounds = true;
    let jobs = submit_all(&mut world, seed);
    let (_, last) = times(&mut world, &jobs);
    let mut found = world.violations();
    if last.is_none() {
        found.push("I9: not all gangs end".to_owned());
    }
    found
}

/// A job of some members that runs so long.
fn lasting(members: u32, time: Duration) -> JobSpec {
    let mut lasting = spec("1g.10gb", members);
    lasting.time_limit_seconds = Some(time.as_secs());
    lasting.restart = RestartPolicy::Never;
    lasting
}

/// A gang that holds three hosts and waits at a fourth, where something runs on for long, gives way to a more important
/// one that needs no more than the three. Returns what was violated.
pub fn run_blocked<F: Faults>(seed: u64) -> Vec<String> {
    let mut world: World<F> = World::new(seed, &[1; 4]);
    world.run_for(Duration::from_secs(2));
    let number = |job: u64| job_id(seed * 100 + job);
    for job in 0..4 {
        world.submit(0, number(job), lasting(1, Duration::from_secs(3_600)));
    }
    world.run_for(Duration::from_secs(10));
    world.submit(1, number(4), lasting(4, RUNS));
    // So much later that the other is in line alone for a while.
    world.run_for(Duration::from_secs(8));
    let important = JobSpec {
        priority: 1,
        ..lasting(3, RUNS)
    };
    world.submit(2, number(5), important);
    let in_line = |world: &World<F>, job| {
        let report = world.reports.get(&job);
        report.is_some_and(|report| !report.hosts.is_empty())
    };
    let aged = world.now.after(world.settings.ordered_age);
    world.run_until(aged, |world| in_line(world, number(4)));
    for host in 0..3 {
        let jobs = world.nodes[host].local.containers.keys();
        for job in jobs.map(|tag| tag.job).collect::<Vec<_>>() {
            world.tell(0, Input::Cancel { job });
        }
    }
    let late = world.now.after(Duration::from_secs(20));
    world.run_until(late, |world| in_line(world, number(5)));
    let soon = world.now.after(Duration::from_secs(10));
    world.run_until(soon, |world| world.starts(number(5)) > 0);
    let mut found = world.violations();
    if world.starts(number(5)) == 0 {
        found.push("I9: the more important gang waits for one that waits".to_owned());
    }
    found
}

/// A job that needs all of a host, where small ones come all the time and each would fit into what is free first.
/// Returns what was violated.
pub fn run_between<F: Faults>(seed: u64) -> Vec<String> {
    let mut world: World<F> = World::new(seed, &[2, 0, 0]);
    world.run_for(Duration::from_secs(2));
    let large = job_id(seed * 1_000);
    for round in 1..=100 {
        let long = Duration::from_secs(3 + world.rng.below(4));
        let small = job_id(seed * 1_000 + round);
        let host = world.rng.index(3);
        world.submit(host, small, lasting(1, long));
        if round == 5 {
            let all = JobSpec {
                accelerator: Some("1g.10gb:2".parse().expect("an ask")),
                ..lasting(1, RUNS)
            };
            world.submit(1, large, all);
        }
        let pause = Duration::from_millis(1_000 + world.rng.below(1_000));
        world.run_for(pause);
    }
    let mut found = world.violations();
    if world.starts(large) == 0 {
        found.push("I9: small jobs pass a large one that was there before".to_owned());
    }
    found
}

fn nothing_in(runs: u64, run: impl Fn(u64) -> Vec<String>) {
    for seed in 0..runs {
        assert_eq!(run(seed), [""; 0], "seed {seed}");
    }
}

#[test]
fn of_gangs_that_need_all_of_the_fleet_the_oldest_starts_within_its_bound() {
    let mut longest = Duration::ZERO;
    let mut all = Duration::ZERO;
    for seed in 0..10 {
        let mut world: World<NoFaults> = fleet(seed);
        world.calm = true;
        let jobs = submit_all(&mut world, seed);
        let (first, last) = times(&mut world, &jobs);
        let first = first.expect("the oldest starts");
        assert!(first <= BOUND, "seed {seed}: the oldest after {first:?}");
        assert_eq!(world.violations(), [""; 0], "seed {seed}");
        longest = longest.max(first);
        all = all.max(last.expect("all end"));
    }
    println!(
        "the oldest of {HOSTS} started after {longest:?} at most, all had ended after {all:?}"
    );
}

#[test]
fn with_late_messages_no_gang_that_runs_gives_way() {
    nothing_in(10, run_late::<NoFaults>);
}

#[test]
fn one_that_waits_on_gives_way_to_one_that_needs_no_more() {
    nothing_in(10, run_blocked::<NoFaults>);
}

#[test]
fn small_jobs_do_not_pass_a_large_one() {
    nothing_in(10, run_between::<NoFaults>);
}

#[test]
fn with_crashes_and_loss_every_gang_starts_in_the_end() {
    let mut longest = Duration::ZERO;
    for seed in 0..10 {
        let mut world: World<NoFaults> = fleet(seed);
        world.network = Network::BAD;
        let jobs = submit_all(&mut world, seed);
        // A submission that is lost with its host is nobody's: here all are on the disk.
        world.run_for(Duration::from_secs(1));
        for _ in 0..12 {
            let host = world.rng.index(HOSTS);
            let wait = Duration::from_millis(world.rng.below(60_000));
            let away = Duration::from_millis(100 + world.rng.below(20_000));
            world.at(wait, Event::Crash(host));
            world.at(wait + away, Event::Return(host));
        }
        world.run_for(Duration::from_secs(100));
        // What membership says may have been overtaken by what it said before: in the end all are told the truth.
        for host in 0..HOSTS {
            world.boot(host);
            world.notice(host, Liveness::Alive, Duration::from_secs(1));
        }
        let (_, last) = times(&mut world, &jobs);
        assert_eq!(world.violations(), [""; 0], "seed {seed}");
        let waiting = waiting(&world, &jobs);
        longest = longest.max(last.unwrap_or_else(|| panic!("seed {seed}: {waiting}")));
        for job in &jobs {
            assert!(world.starts(*job) > 0, "seed {seed}: {job} never started");
        }
    }
    println!("with crashes and loss all of {HOSTS} gangs had ended after {longest:?} at most");
}

/// Two hosts in three know of turns. Who does not is refused where somebody waits, and refuses where others would let wait; nothing
/// is told it that it could not read.
#[test]
fn among_hosts_of_the_version_before_every_gang_starts_in_the_end() {
    let mut longest = Duration::ZERO;
    for seed in 0..10 {
        let mut world: World<NoFaults> = World::new(seed, &[1; HOSTS]);
        for host in [1, 4] {
            world.make_older(host);
        }
        world.run_for(Duration::from_secs(2));
        world.network = Network::BAD;
        let jobs = submit_all(&mut world, seed);
        let (_, last) = times(&mut world, &jobs);
        assert_eq!(world.violations(), [""; 0], "seed {seed}");
        let waiting = waiting(&world, &jobs);
        longest = longest.max(last.unwrap_or_else(|| panic!("seed {seed}: {waiting}")));
    }
    println!("with two hosts of before all of {HOSTS} gangs had ended after {longest:?} at most");
}
