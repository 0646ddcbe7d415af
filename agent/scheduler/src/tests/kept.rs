//! Jobs that three hosts keep: their coordinator dies after each single thing that it does, is cut off, loses its store;
//! and random runs with all of it.

use std::time::Duration;

use kerf_types::job::{JobState, OnPartition, RestartPolicy};

use super::fixture::{job_id, spec};
use super::random::{hold, run_kept};
use super::world::{Event, Network, World};
use crate::core::{Faults, Input, NoFaults};
use crate::fleet::Liveness;

/// What one death came to.
pub struct Point {
    /// Whether a majority had the job.
    taken: bool,
    /// Starts of its members, over all attempts.
    starts: u32,
}

/// Lets the coordinator of a gang over three other hosts die for good after its output number `point`. `None` where the
/// job has ended before.
pub fn die_at<F: Faults>(point: u64, network: Network) -> Result<Option<Point>, String> {
    let mut world: World<F> = World::with_keepers(point, &[0, 1, 1, 1, 0]);
    world.run_for(Duration::from_secs(2));
    world.network = network;
    let before = world.nodes[0].outputs;
    world.doom = Some((0, before + point, None));
    let job = job_id(point);
    let mut gang = spec("1g.10gb", 3);
    gang.restart = RestartPolicy::OnFailure { max: 2 };
    world.submit(0, job, gang);
    let end = world.now.after(Duration::from_secs(600));
    let ended = |world: &World<F>| world.ended.contains_key(&job);
    world.run_until(end, |world| world.died_at.is_some() || ended(world));
    let must = |right: bool, what: &str| match right {
        true => Ok(()),
        false => Err(format!("point {point}: {what}")),
    };
    if world.died_at.is_none() {
        must(ended(&world), "the job does not end")?;
        return Ok(None);
    }
    world.run_for(Duration::from_secs(400));
    let taken = world.checker.is_chosen(job);
    must(
        !taken || ended(&world),
        "I9: a job that a majority has does not end",
    )?;
    must(world.reserved() == 0, "I5: reserved at the end")?;
    must(world.tags_alive().is_empty(), "something runs for ever")?;
    let violations = world.violations();
    must(violations.is_empty(), &violations.join("; "))?;
    Ok(Some(Point {
        taken,
        starts: world.starts(job),
    }))
}

fn sweep(network: Network) {
    let (mut points, mut taken, mut once) = (0, 0, 0);
    for point in 1.. {
        let outcome = die_at::<NoFaults>(point, network);
        let Some(outcome) = outcome.expect("a death that harms nobody") else {
            break;
        };
        points += 1;
        taken += u32::from(outcome.taken);
        once += u32::from(outcome.starts == 3);
    }
    assert!(points > 30 && taken > 20, "{taken} of {points} points");
    println!("{points} points, {taken} taken by a majority, in {once} each member started once");
}

#[test]
fn the_coordinator_dies_at_every_point_and_the_job_goes_on() {
    sweep(Network::GOOD);
}

#[test]
fn nothing_goes_wrong_in_random_runs_with_keepers() {
    hold(100, run_kept::<NoFaults>);
}

/// A gang that runs, with its coordinator on a host of its own.
fn running<F: Faults>(seed: u64, on_partition: OnPartition) -> World<F> {
    let mut world: World<F> = World::with_keepers(seed, &[0, 1, 1, 0, 0]);
    world.run_for(Duration::from_secs(2));
    let mut gang = spec("1g.10gb", 2);
    gang.time_limit_seconds = Some(120);
    gang.restart = RestartPolicy::Never;
    gang.on_partition = on_partition;
    world.submit(0, job_id(seed), gang);
    world.run_for(Duration::from_secs(5));
    world
}

#[test]
fn members_run_on_when_their_coordinator_dies() {
    for seed in 0..20 {
        let mut world = running::<NoFaults>(seed, OnPartition::Stop);
        if world.tags_alive().len() < 2 {
            // One in thirty containers cannot be made.
            continue;
        }
        world.crash(0);
        world.run_for(Duration::from_secs(60));
        assert_eq!(world.tags_alive().len(), 2, "seed {seed}: stopped");
        assert_eq!(world.starts(job_id(seed)), 2, "seed {seed}: started again");
        world.run_for(Duration::from_secs(300));
        assert!(
            world.ended.contains_key(&job_id(seed)),
            "seed {seed}: no end"
        );
        assert_eq!(world.violations(), [""; 0], "seed {seed}");
    }
}

#[test]
fn a_coordinator_that_is_cut_off_is_replaced_and_hears_of_the_end() {
    for seed in 0..20 {
        let mut world = running::<NoFaults>(seed, OnPartition::Stop);
        let job = job_id(seed);
        for other in 1..5 {
            world.cut.insert((0, other));
        }
        world.notice(0, Liveness::Down, Duration::from_secs(5));
        world.run_for(Duration::from_secs(400));
        assert!(world.ended.contains_key(&job), "seed {seed}: no end");
        world.cut.clear();
        world.notice(0, Liveness::Alive, Duration::from_secs(1));
        world.run_for(Duration::from_secs(200));
        assert_eq!(world.violations(), [""; 0], "seed {seed}");
        let kept = world
            .nodes
            .iter()
            .filter(|node| !node.saved.registers.is_empty());
        assert_eq!(kept.count(), 0, "seed {seed}: not forgotten");
        assert!(
            world.nodes[0].saved.jobs.is_empty(),
            "seed {seed}: it waits for ever"
        );
    }
}

/// How a host is cut off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cut {
    /// From all others.
    Whole,
    /// The same for 31 s: its members have not spoken for `stop_after`, so the one that was replaced asks for their
    /// release, and has not yet given them up by time, when it is back.
    Short,
    /// From the keeper that takes over, alone.
    Half,
    /// From that one, and from all once it has taken over.
    Late,
}

/// Where members are, seen from the coordinator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// The only one is on its own host: no silence of another host tells it anything.
    Here,
    /// One is there, and another one is not.
    Both,
    /// Two are on two others.
    Elsewhere,
}

/// A job whose coordinator is cut off while it runs, for four minutes or less. Nothing in seeds in which it was placed otherwise.
pub fn cut_off<F: Faults>(seed: u64, cut: Cut, place: Place) -> Vec<String> {
    let (slices, members) = match place {
        Place::Here => ([1, 1, 1, 1, 0], 1),
        Place::Both => ([1, 1, 1, 1, 0], 2),
        Place::Elsewhere => ([0, 1, 1, 1, 0], 2),
    };
    let mut world: World<F> = World::with_keepers(seed, &slices);
    world.run_for(Duration::from_secs(2));
    let job = job_id(seed);
    let mut gang = spec("1g.10gb", members);
    gang.time_limit_seconds = Some(330);
    gang.restart = RestartPolicy::OnFailure { max: 3 };
    world.submit(0, job, gang);
    world.run_for(Duration::from_secs(5));
    let all = usize::try_from(members).expect("few");
    let is_here = !world.nodes[0].local.containers.is_empty();
    if is_here != (place != Place::Elsewhere) || world.tags_alive().len() < all {
        return Vec::new();
    }
    let core = world.nodes[0].core.as_ref().expect("alive");
    let at = |id: &kerf_types::HostId| (0..5).find(|at| World::<F>::id(*at) == *id);
    let keepers: Vec<usize> = core.keepers(job).iter().filter_map(at).collect();
    let other = keepers.into_iter().find(|at| *at != 0).expect("two others");
    let whole = |world: &mut World<F>| {
        for other in 1..5 {
            world.cut.insert((0, other));
        }
        world.notice(0, Liveness::Down, Duration::from_secs(2));
    };
    match cut {
        Cut::Whole | Cut::Short => whole(&mut world),
        Cut::Half | Cut::Late => drop(world.cut.insert((0, other))),
    }
    let away = if cut == Cut::Short { 31 } else { 240 };
    let end = world.now.after(Duration::from_secs(away));
    if cut == Cut::Late {
        let took = |world: &World<F>| world.nodes[other].saved.jobs.contains_key(&job);
        world.run_until(end, took);
        whole(&mut world);
    }
    world.run_until(end, |_| false);
    world.cut.clear();
    world.notice(0, Liveness::Alive, Duration::from_secs(1));
    let (alive, starts) = (world.tags_alive(), world.starts(job));
    world.run_for(Duration::from_secs(60));
    let mut found = world.violations();
    if alive.len() == all && world.starts(job) != starts {
        found.push("ended: members are started anew after one that was replaced came back".into());
    }
    world.run_for(Duration::from_secs(2_000));
    found.extend(world.violations());
    if !world.ended.contains_key(&job) {
        let report = world.reports.get(&job);
        found.push(format!("I9: the job does not end: {report:?}"));
    }
    found
}

#[test]
fn a_coordinator_that_is_cut_off_harms_nobody() {
    for seed in 0..20 {
        for cut in [Cut::Whole, Cut::Short, Cut::Half, Cut::Late] {
            for place in [Place::Here, Place::Both, Place::Elsewhere] {
                let found = cut_off::<NoFaults>(seed, cut, place);
                assert_eq!(found, [""; 0], "seed {seed} {cut:?} {place:?}");
            }
        }
    }
}

#[test]
fn a_keeper_that_was_cut_off_takes_no_job_from_a_coordinator_that_is_well() {
    let mut seen = 0;
    for seed in 0..20 {
        let mut world = running::<NoFaults>(seed, OnPartition::Continue);
        let job = job_id(seed);
        let keepers = world.nodes[0].core.as_ref().expect("alive").keepers(job);
        let all_run = world.tags_alive().len() == 2;
        // One without a member.
        let idle = (3..5).find(|host| keepers.contains(&World::<NoFaults>::id(*host)));
        let Some(alone) = idle.filter(|_| all_run) else {
            continue;
        };
        let tell = |world: &mut World<NoFaults>, liveness| {
            for other in (0..5).filter(|other| *other != alone) {
                let host = World::<NoFaults>::id(other);
                world.tell(alone, Input::Peer { host, liveness });
            }
        };
        for other in 0..5 {
            world.cut.insert((alone.min(other), alone.max(other)));
        }
        world.run_for(Duration::from_secs(5));
        tell(&mut world, Liveness::Down);
        world.run_for(Duration::from_secs(85));
        world.cut.clear();
        tell(&mut world, Liveness::Alive);
        world.run_for(Duration::from_secs(10));
        let coordinates = |host: usize| world.nodes[host].saved.jobs.contains_key(&job);
        assert!(!coordinates(alone), "seed {seed}: taken over");
        assert!(coordinates(0), "seed {seed}: given away");
        seen += 1;
    }
    assert!(seen > 3, "{seen}");
}

#[test]
fn a_job_whose_majority_is_lost_waits_and_says_for_whom() {
    let mut world = running::<NoFaults>(3, OnPartition::Continue);
    let job = job_id(3);
    let core = world.nodes[0].core.as_ref().expect("alive");
    let keepers = core.keepers(job);
    assert_eq!(keepers.len(), 3);
    for host in 0..5 {
        if host != 0 && keepers.contains(&World::<NoFaults>::id(host)) {
            world.crash(host);
        }
    }
    world.run_for(Duration::from_secs(200));
    let core = world.nodes[0].core.as_ref().expect("alive");
    let own = world.nodes[0].clock(world.now);
    let state = world.reports.get(&job).map(|report| report.state);
    let waits = core.register_waits(own, job);
    assert!(
        waits.is_some_and(|waits| waits.silent.len() == 2) || state == Some(JobState::Running),
        "{state:?}"
    );
}

#[test]
fn jobs_of_a_coordinator_that_died_before_a_keeper_began_are_taken_over() {
    let mut world = running::<NoFaults>(5, OnPartition::Continue);
    let job = job_id(5);
    // Everybody dies, and all but the coordinator come back.
    for host in 0..5 {
        world.crash(host);
    }
    world.run_for(Duration::from_secs(60));
    for host in 1..5 {
        world.at(Duration::from_millis(1), Event::Return(host));
    }
    world.run_for(Duration::from_secs(400));
    assert!(world.ended.contains_key(&job));
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn a_dead_keeper_is_exchanged_and_the_job_outlives_its_coordinator_all_the_same() {
    let mut exchanged = 0;
    for seed in 0..20 {
        let mut world = running::<NoFaults>(seed, OnPartition::Continue);
        let job = job_id(seed);
        let keepers = |world: &World<NoFaults>| {
            let core = world.nodes[0].core.as_ref().expect("alive");
            core.keepers(job)
        };
        // One without a member, of which nobody would hear again.
        let idle = [3, 4].map(|host| (host, World::<NoFaults>::id(host)));
        let before = keepers(&world);
        let dead = idle.into_iter().find(|(_, id)| before.contains(id));
        let Some((host, id)) = dead.filter(|_| world.tags_alive().len() == 2) else {
            continue;
        };
        world.crash(host);
        world.run_for(Duration::from_secs(80));
        let after = keepers(&world);
        assert!(
            after.len() == 3 && !after.contains(&id),
            "seed {seed}: {after:?}"
        );
        world.crash(0);
        world.run_for(Duration::from_secs(400));
        assert!(world.ended.contains_key(&job), "seed {seed}: no end");
        assert_eq!(world.violations(), [""; 0], "seed {seed}");
        exchanged += 1;
    }
    assert!(exchanged > 3, "{exchanged}");
}
