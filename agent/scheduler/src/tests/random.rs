//! Random runs: jobs of many kinds, a bad network, hosts that die and return, partitions; then everything heals,
//! and what must be true is looked at.

use std::time::Duration;

use kerf_types::JobId;
use kerf_types::job::{JobState, OnPartition, RestartPolicy};

use super::fixture::{job_id, spec};
use super::world::{Event, Network, World};
use crate::core::{Faults, Input, NoFaults};
use crate::fleet::Liveness;

/// One run; returns what was violated, and whether every job came to an end or truly waits.
pub fn run<F: Faults>(seed: u64) -> Vec<String> {
    run_on::<F>(seed, &[2, 1, 3, 1], 12)
}

/// One run on hosts with so many slices each, with so many rounds of a job and some trouble.
fn run_on<F: Faults>(seed: u64, slices: &[usize], rounds: u64) -> Vec<String> {
    go_wrong(World::<F>::new(seed, slices), seed, rounds, false)
}

/// The same where three hosts keep each job, and one host loses its store.
pub fn run_kept<F: Faults>(seed: u64) -> Vec<String> {
    let world = World::<F>::with_keepers(seed, &[2, 1, 3, 1]);
    go_wrong(world, seed, 12, true)
}

fn go_wrong<F: Faults>(
    mut world: World<F>,
    seed: u64,
    rounds: u64,
    loses_store: bool,
) -> Vec<String> {
    world.run_for(Duration::from_secs(2));
    world.network = Network::BAD;
    if loses_store && seed.is_multiple_of(3) {
        let host = any_host(&mut world);
        let wait = Duration::from_millis(world.rng.below(40_000));
        world.at(wait, Event::StoreLoss(host));
        let away = Duration::from_millis(world.rng.below(5_000));
        world.at(wait + away, Event::Return(host));
    }
    let mut jobs = Vec::new();
    for round in 0..rounds {
        submit_one(&mut world, seed, round, &mut jobs);
        trouble(&mut world);
        let pause = 500 + world.rng.below(4_000);
        world.run_for(Duration::from_millis(pause));
        if !world.violations().is_empty() {
            return world.violations();
        }
    }
    heal(&mut world);
    world.run_for(Duration::from_secs(900));
    let mut found = world.violations();
    found.extend(unfinished(&world, &jobs));
    found
}

fn any_host<F: Faults>(world: &mut World<F>) -> usize {
    world.rng.index(world.nodes.len())
}

fn submit_one<F: Faults>(world: &mut World<F>, seed: u64, round: u64, jobs: &mut Vec<JobId>) {
    let host = any_host(world);
    let members = 1 + u32::try_from(world.rng.below(3)).expect("few");
    let mut spec = spec("1g.10gb", members);
    spec.restart = match world.rng.below(3) {
        0 => RestartPolicy::Never,
        _ => RestartPolicy::OnFailure { max: 2 },
    };
    if world.rng.below(4) == 0 {
        spec.on_partition = OnPartition::Continue;
    }
    spec.time_limit_seconds = Some(1 + world.rng.below(40));
    let job = job_id(seed * 100 + round);
    if world.nodes[host].core.is_some() {
        world.submit(host, job, spec);
        jobs.push(job);
        if world.rng.below(6) == 0 {
            let wait = Duration::from_millis(world.rng.below(2_000));
            world.run_for(wait);
            for host in 0..world.nodes.len() {
                world.tell(host, Input::Cancel { job });
            }
        }
    }
}

/// A host dies or a network splits, now and then.
fn trouble<F: Faults>(world: &mut World<F>) {
    let wait = Duration::from_millis(world.rng.below(3_000));
    match world.rng.below(5) {
        0 | 1 => {
            let host = any_host(world);
            let death = match world.rng.below(3) {
                0 => Event::PowerLoss(host),
                _ => Event::Crash(host),
            };
            world.at(wait, death);
            let most_ms = if world.rng.below(3) == 0 {
                90_000
            } else {
                3_000
            };
            let away = Duration::from_millis(world.rng.below(most_ms));
            world.at(wait + away, Event::Return(host));
        }
        2 => {
            let alone = any_host(world);
            for other in (0..world.nodes.len()).filter(|other| *other != alone) {
                world.cut.insert((alone.min(other), alone.max(other)));
            }
            world.notice(alone, Liveness::Down, Duration::from_secs(5));
        }
        3 => world.cut.clear(),
        _ => {}
    }
}

fn heal<F: Faults>(world: &mut World<F>) {
    world.cut.clear();
    world.network = Network::GOOD;
    world.run_for(Duration::from_secs(100));
    for host in 0..world.nodes.len() {
        world.boot(host);
        world.notice(host, Liveness::Alive, Duration::from_secs(1));
    }
}

/// I5, I13: nothing is merely reserved, and whoever waits has a true reason.
fn unfinished<F: Faults>(world: &World<F>, jobs: &[JobId]) -> Vec<String> {
    let mut found = Vec::new();
    if world.reserved() > 0 {
        found.push(format!("I5: {} reservations remain", world.reserved()));
    }
    let free: usize = world.nodes.iter().map(|node| node.local.free()).sum();
    let all: usize = [2, 1, 3, 1].iter().sum();
    if free < all && world.tags_alive().is_empty() {
        found.push(format!(
            "I11: {free} of {all} slices are free and nothing runs"
        ));
    }
    for job in jobs {
        let durable = world.nodes.iter().any(|node| {
            node.saved.jobs.contains_key(job) || node.saved.registers.contains_key(job)
        });
        let ended = world.ended.contains_key(job);
        if durable && ended {
            found.push(format!("I5: job {job} has ended and is not forgotten"));
        }
        if world.checker.is_chosen(*job) && !ended {
            found.push(format!("I9: job {job} was taken by a majority and is lost"));
        }
        if durable && !ended {
            let report = world.reports.get(job);
            found.push(format!("I9, I13: job {job} has not ended: {report:?}"));
        }
        if world.ended.get(job).is_some_and(|count| *count > 1) {
            found.push(format!("I8: job {job} ended twice"));
        }
        let settled = world.reports.get(job).is_some_and(|report| report.settled);
        let last = world.reports.get(job).map(|report| report.state);
        if settled && matches!(last, Some(JobState::Pending | JobState::Running)) {
            found.push(format!("job {job} is settled in state {last:?}"));
        }
    }
    found
}

/// So many seeds of which none may show anything.
pub fn hold(runs: u64, run: impl Fn(u64) -> Vec<String>) {
    let mut bad = Vec::new();
    for seed in 0..runs {
        let found = run(seed);
        if !found.is_empty() {
            bad.push(format!("seed {seed}: {}", found.join("\n  ")));
        }
    }
    assert!(
        bad.is_empty(),
        "{} of {runs}:\n{}",
        bad.len(),
        bad.join("\n")
    );
}

#[test]
fn nothing_goes_wrong_in_random_runs() {
    hold(400, run::<NoFaults>);
}

#[test]
fn nothing_goes_wrong_on_fifty_hosts() {
    let slices: Vec<usize> = (0..50).map(|host| host % 4).collect();
    for seed in 0..8 {
        let found = run_on::<NoFaults>(1_000 + seed, &slices, 60);
        assert!(found.is_empty(), "seed {seed}: {}", found.join("\n  "));
    }
}
