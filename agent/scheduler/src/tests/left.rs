//! Jobs whose home has lost its store: it never begins them anew, hears how they go on elsewhere, and says so when nobody
//! has them any more.

use std::time::Duration;

use kerf_types::JobId;
use kerf_types::job::{JobState, OnPartition};

use super::fixture::job_id;
use super::kept::running;
use super::world::World;
use crate::core::{Input, NoFaults};

type World5 = World<NoFaults>;

/// A world in which a job of host 0 runs elsewhere; `None` in seeds in which it does not.
fn world(seed: u64) -> Option<(World5, JobId)> {
    let world = running::<NoFaults>(seed, OnPartition::Continue);
    (world.tags_alive().len() == 2).then_some((world, job_id(seed)))
}

/// Hosts lose their stores, and are away until everybody has seen that.
fn lose(world: &mut World5, hosts: &[usize]) {
    for host in hosts {
        world.lose_store(*host);
    }
    world.run_for(Duration::from_secs(10));
}

/// Host 0 begins anew, and knows of the job nothing but that others keep it.
fn returns(world: &mut World5, job: JobId) {
    world.boot(0);
    world.tell(0, Input::Left { job });
}

#[test]
fn a_home_without_its_store_hears_of_the_end_and_begins_nothing() {
    let mut seen = 0;
    for seed in 0..20 {
        let Some((mut world, job)) = world(seed) else {
            continue;
        };
        lose(&mut world, &[0]);
        returns(&mut world, job);
        world.run_for(Duration::from_secs(400));
        assert_eq!(world.starts(job), 2, "seed {seed}: started again");
        assert!(world.said_end.contains(&(0, job)), "seed {seed}: no end");
        assert_ne!(
            world.reports[&job].state,
            JobState::Lost,
            "seed {seed}: it goes on, and was taken for lost"
        );
        assert_eq!(world.violations(), [""; 0], "seed {seed}");
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn a_cancel_at_a_home_without_its_store_reaches_whoever_coordinates() {
    let (mut world, job) = (0..20).find_map(world).expect("a seed");
    lose(&mut world, &[0]);
    returns(&mut world, job);
    world.tell(0, Input::Cancel { job });
    // Before its time limit.
    world.run_for(Duration::from_secs(70));
    assert!(world.said_end.contains(&(0, job)), "no end");
    assert_eq!(world.reports[&job].state, JobState::Cancelled);
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn a_home_whose_store_was_put_back_does_not_wait_for_its_register() {
    let (mut world, job) = (0..20).find_map(world).expect("a seed");
    let before = world.nodes[0].saved.clone();
    lose(&mut world, &[0]);
    let saved = &mut world.nodes[0].saved;
    (saved.jobs, saved.registers) = (before.jobs, before.registers);
    world.boot(0);
    world.run_for(Duration::from_secs(2));
    let saved = &world.nodes[0].saved;
    assert!(saved.jobs.is_empty() && saved.registers.is_empty());
    world.run_for(Duration::from_secs(400));
    assert_eq!(world.starts(job), 2, "started again");
    assert!(world.said_end.contains(&(0, job)), "no end");
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn a_job_that_all_its_keepers_have_lost_is_lost_after_a_while() {
    let (mut world, job) = (0..20).find_map(world).expect("a seed");
    lose(&mut world, &[0, 1, 2, 3, 4]);
    returns(&mut world, job);
    for host in 1..5 {
        world.boot(host);
    }
    world.run_for(Duration::from_secs(60));
    world.crash(4);
    world.run_for(Duration::from_secs(900));
    assert!(
        !world.said_end.contains(&(0, job)),
        "one that may keep it is away"
    );
    world.boot(4);
    world.run_for(Duration::from_secs(900));
    assert!(world.said_end.contains(&(0, job)), "it waits for ever");
    assert_eq!(world.reports[&job].state, JobState::Lost);
    assert_eq!(world.starts(job), 2, "started again");
}
