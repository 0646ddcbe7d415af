//! Jobs whose keepers are lost for good, and that an operator lets go on with others.

use std::collections::BTreeSet;
use std::time::Duration;

use kerf_types::job::{OnPartition, RestartPolicy};
use kerf_types::{HostId, JobId};

use super::fixture::{job_id, spec};
use super::world::{Event, World};
use crate::core::{Faults, ForceRefusal, Input, NoFaults};
use crate::fleet::Liveness;

/// Seven hosts, of which two have slices; a gang over both that runs, and its coordinator on a host of its own.
fn running<F: Faults>(seed: u64) -> Option<World<F>> {
    let mut world: World<F> = World::with_keepers(seed, &[0, 1, 1, 0, 0, 0, 0]);
    world.run_for(Duration::from_secs(2));
    let mut gang = spec("1g.10gb", 2);
    gang.time_limit_seconds = Some(400);
    gang.restart = RestartPolicy::Never;
    gang.on_partition = OnPartition::Continue;
    world.submit(0, job_id(seed), gang);
    world.run_for(Duration::from_secs(5));
    // One in thirty containers cannot be made; and a host with a member is no keeper that can be lost without it.
    let others = keepers(&world, 0, job_id(seed));
    let idle = others.iter().all(|host| ![1, 2].contains(host));
    (world.tags_alive().len() == 2 && idle).then_some(world)
}

/// Worlds in which it runs.
fn worlds<F: Faults>() -> impl Iterator<Item = (u64, World<F>)> {
    (0..60).filter_map(|seed| Some((seed, running::<F>(seed)?)))
}

/// The keepers of a job, as one of them knows them.
fn keepers<F: Faults>(world: &World<F>, at: usize, job: JobId) -> Vec<usize> {
    let core = world.nodes[at].core.as_ref().expect("alive");
    let place = |id: HostId| (0..7).find(|at| World::<F>::id(*at) == id);
    core.keepers(job).into_iter().filter_map(place).collect()
}

fn others<F: Faults>(world: &World<F>, job: JobId) -> Vec<usize> {
    let all = keepers(world, 0, job);
    all.into_iter().filter(|host| *host != 0).collect()
}

fn ids<F: Faults>(hosts: &[usize]) -> Vec<HostId> {
    hosts.iter().map(|host| World::<F>::id(*host)).collect()
}

/// Ends hosts for good, and has membership see it.
fn lose<F: Faults>(world: &mut World<F>, hosts: &[usize]) {
    for host in hosts {
        world.crash(*host);
        world.notice(*host, Liveness::Down, Duration::from_secs(2));
    }
    world.run_for(Duration::from_secs(30));
}

fn force<F: Faults>(world: &mut World<F>, at: usize, job: JobId, give_up: &[usize]) {
    let give_up = ids::<F>(give_up);
    world.tell(at, Input::Force { job, give_up });
}

#[test]
fn a_job_whose_majority_is_lost_goes_on_where_an_operator_says_so() {
    let mut seen = 0;
    for (seed, mut world) in worlds::<NoFaults>() {
        let job = job_id(seed);
        let lost = others(&world, job);
        lose(&mut world, &lost);
        force(&mut world, 0, job, &lost);
        world.run_for(Duration::from_secs(20));
        let set = keepers(&world, 0, job);
        let new: BTreeSet<usize> = set.iter().copied().collect();
        assert!(new.len() == 3 && new.contains(&0), "seed {seed}: {set:?}");
        assert!(lost.iter().all(|host| !new.contains(host)), "seed {seed}");
        // Everybody who keeps it says so, once.
        for host in &new {
            let told = &world.nodes[*host].forced;
            let expected = (job, World::<NoFaults>::id(0), ids::<NoFaults>(&lost));
            assert_eq!(told, &[expected], "seed {seed}, host {host}");
        }
        assert_eq!(world.starts(job), 2, "seed {seed}: started anew");
        world.run_for(Duration::from_secs(600));
        assert!(world.ended.contains_key(&job), "seed {seed}: no end");
        assert_eq!(world.violations(), [""; 0], "seed {seed}");
        seen += 1;
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn the_last_keeper_takes_over_a_job_that_it_never_coordinated() {
    let mut seen = 0;
    for (seed, mut world) in worlds::<NoFaults>() {
        let job = job_id(seed);
        let set = others(&world, job);
        let [lost, left] = set.as_slice() else {
            panic!("{set:?}");
        };
        let (lost, left) = ([0, *lost], *left);
        lose(&mut world, &lost);
        force(&mut world, left, job, &lost);
        world.run_for(Duration::from_secs(700));
        assert!(world.ended.contains_key(&job), "seed {seed}: no end");
        assert_eq!(world.starts(job), 2, "seed {seed}: started anew");
        assert_eq!(world.violations(), [""; 0], "seed {seed}");
        seen += 1;
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn a_host_that_forces_and_dies_after_any_single_thing_goes_on_when_it_is_back() {
    let mut died = 0;
    for (seed, _) in worlds::<NoFaults>() {
        for point in 1..=40 {
            let outcome = dies_while_it_forces::<NoFaults>(seed, point);
            assert_eq!(outcome.clone().unwrap_or(Ok(())), Ok(()));
            died += u32::from(outcome.is_some());
        }
    }
    assert!(died > 100, "{died}");
}

/// The coordinator is cut off, is replaced by the two other keepers, and then these are lost: owners follow a term that
/// only the lost ones have agreed on.
pub fn replaced_by_the_lost<F: Faults>(seed: u64) -> Vec<String> {
    let Some(mut world) = running::<F>(seed) else {
        return Vec::new();
    };
    let job = job_id(seed);
    let lost = others(&world, job);
    for other in 1..7 {
        world.cut.insert((0, other));
    }
    world.notice(0, Liveness::Down, Duration::from_secs(2));
    world.run_for(Duration::from_secs(60));
    let took = |host: &usize| world.nodes[*host].saved.jobs.contains_key(&job);
    if !lost.iter().any(took) {
        return vec!["nobody takes over".to_owned()];
    }
    lose(&mut world, &lost);
    world.cut.clear();
    world.notice(0, Liveness::Alive, Duration::from_secs(1));
    world.run_for(Duration::from_secs(10));
    force(&mut world, 0, job, &lost);
    world.run_for(Duration::from_secs(900));
    let mut found = world.violations();
    if !world.ended.contains_key(&job) {
        found.push("I9: the job does not end".to_owned());
    }
    found
}

#[test]
fn owners_that_followed_one_of_the_lost_follow_the_one_that_was_forced() {
    for seed in 0..40 {
        let found = replaced_by_the_lost::<NoFaults>(seed);
        assert_eq!(found, [""; 0], "seed {seed}");
    }
}

#[test]
fn what_needs_no_force_is_refused() {
    let (seed, mut world) = worlds::<NoFaults>().next().expect("one that runs");
    let job = job_id(seed);
    let set = others(&world, job);
    let stranger = (3..7).find(|host| !set.contains(host)).expect("one");
    let ask = |world: &World<NoFaults>, at: usize, hosts: &[usize]| {
        let core = world.nodes[at].core.as_ref().expect("alive");
        let plan = core.force_plan(job, &ids::<NoFaults>(hosts));
        plan.map(|plan| plan.keepers.len())
    };
    let id = World::<NoFaults>::id;
    assert_eq!(ask(&world, stranger, &set), Err(ForceRefusal::NotKept));
    assert_eq!(ask(&world, 0, &[]), Err(ForceRefusal::Nobody));
    assert_eq!(ask(&world, 0, &[0]), Err(ForceRefusal::Itself));
    let refusal = ForceRefusal::NoKeeper(id(stranger));
    assert_eq!(ask(&world, 0, &[stranger]), Err(refusal));
    assert_eq!(ask(&world, 0, &set), Err(ForceRefusal::Alive(id(set[0]))));
    lose(&mut world, &set[..1]);
    let refusal = ForceRefusal::Majority { left: 2, of: 3 };
    assert_eq!(ask(&world, 0, &set[..1]), Err(refusal));
    // It is said to a core too, and changes nothing.
    force(&mut world, 0, job, &set);
    world.run_for(Duration::from_secs(5));
    assert!(world.nodes.iter().all(|node| node.forced.is_empty()));
    lose(&mut world, &set[1..]);
    assert_eq!(ask(&world, 0, &set), Ok(3));
    // Those that come back with another store can say nothing of what they had agreed on.
    for host in &set {
        world.lose_store(*host);
        world.at(Duration::from_millis(1), Event::Return(*host));
        world.notice(*host, Liveness::Alive, Duration::from_secs(2));
    }
    world.run_for(Duration::from_secs(20));
    assert_eq!(ask(&world, 0, &set), Ok(3));
}

/// The forcing host dies after so many of its outputs, and another keeper takes over that no owner was told of. Returns
/// whether the job ends once the first is back.
pub fn dies_while_it_forces<F: Faults>(seed: u64, point: u64) -> Option<Result<(), String>> {
    let mut world = running::<F>(seed)?;
    let job = job_id(seed);
    let lost = others(&world, job);
    lose(&mut world, &lost);
    let outputs = world.nodes[0].outputs + point;
    world.doom = Some((0, outputs, Some(Duration::from_secs(40))));
    force(&mut world, 0, job, &lost);
    world.run_for(Duration::from_secs(60));
    let set = keepers(&world, 0, job);
    if set.iter().any(|host| lost.contains(host)) {
        // It died before it had written anything down: the operator asks again.
        force(&mut world, 0, job, &lost);
    }
    world.run_for(Duration::from_secs(700));
    world.died_at?;
    let mut found = world.violations();
    if !world.ended.contains_key(&job) {
        found.push("I9: the job does not end".to_owned());
    }
    Some(match found.is_empty() {
        true => Ok(()),
        false => Err(format!("seed {seed}, point {point}: {}", found.join("; "))),
    })
}
