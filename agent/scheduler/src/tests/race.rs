//! Two hosts ask for the last slice of a third at the same moment.

use std::time::Duration;

use kerf_types::job::JobState;

use super::fixture::{job_id, spec};
use super::world::{Network, World};
use crate::core::NoFaults;

/// One pair: how many got the slice, and whether the first of them did.
fn race(seed: u64, network: Network) -> (usize, bool) {
    let mut world: World<NoFaults> = World::new(seed, &[0, 0, 1]);
    world.network = network;
    world.run_for(Duration::from_secs(2));
    let jobs = [job_id(seed * 2 + 1), job_id(seed * 2 + 2)];
    for (host, job) in jobs.into_iter().enumerate() {
        let mut spec = spec("1g.10gb", 1);
        spec.time_limit_seconds = Some(3_600);
        world.submit(host, job, spec);
    }
    let end = world.now.after(Duration::from_secs(60));
    let runs = |world: &World<NoFaults>| {
        let state = |job| world.reports.get(&job).map(|report| report.state);
        jobs.map(|job| state(job) == Some(JobState::Running))
    };
    world.run_until(end, |world| runs(world).contains(&true));
    world.run_for(Duration::from_secs(30));
    assert_eq!(world.violations(), [""; 0], "seed {seed}");
    let running = runs(&world);
    assert_eq!(world.nodes[2].local.containers.len(), 1, "seed {seed}");
    // The other waits, and says why.
    let loser = jobs[usize::from(running[0])];
    let report = &world.reports[&loser];
    assert_eq!(report.state, JobState::Pending, "seed {seed}");
    let said = report.explanation.as_ref().map(ToString::to_string);
    let said = said.unwrap_or_default();
    assert!(
        said.contains("host-3: no free slice serves 1g.10gb"),
        "seed {seed}: {said}"
    );
    let won = running.into_iter().filter(|won| *won).count();
    (won, running[0])
}

#[test]
fn of_a_thousand_pairs_exactly_one_gets_the_last_slice() {
    let mut firsts = 0;
    for seed in 0..1_000 {
        let network = if seed % 2 == 0 {
            Network::GOOD
        } else {
            Network::BAD
        };
        let (won, first) = race(seed, network);
        assert_eq!(won, 1, "seed {seed}");
        firsts += u32::from(first);
    }
    // No host is favoured: it is a race.
    assert!((350..650).contains(&firsts), "the first won {firsts} times");
    println!("1000 pairs, exactly one winner each; the first host won {firsts}");
}
