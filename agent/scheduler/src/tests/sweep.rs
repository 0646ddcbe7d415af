//! The submitting host dies after each single thing that it does, and comes back or does not.

use std::time::Duration;

use kerf_types::job::RestartPolicy;

use super::fixture::{job_id, spec};
use super::world::{Network, World};
use crate::core::{Faults, NoFaults};

/// What one death came to.
pub struct Point {
    ran: bool,
    ended: bool,
    /// How long after the death the last reservation ended.
    reserved_for: Duration,
}

/// Lets the submitting host of a gang over three hosts die after its output number `point`. `None` where the job
/// has ended before.
pub fn die_at<F: Faults>(
    point: u64,
    back: Option<Duration>,
    network: Network,
) -> Result<Option<Point>, String> {
    let mut world: World<F> = World::new(point, &[1, 1, 1]);
    world.run_for(Duration::from_secs(2));
    world.network = network;
    let before = world.nodes[0].outputs;
    world.doom = Some((0, before + point, back));
    let job = job_id(point);
    let mut gang = spec("1g.10gb", 3);
    gang.restart = RestartPolicy::Never;
    world.submit(0, job, gang);
    let end = world.now.after(Duration::from_secs(600));
    let ended = |world: &World<F>| world.ended.contains_key(&job);
    world.run_until(end, |world| world.died_at.is_some() || ended(world));
    let must = |right: bool, what: &str| match right {
        true => Ok(()),
        false => Err(format!("point {point}: {what}")),
    };
    let Some(died) = world.died_at else {
        must(ended(&world), "the job does not end")?;
        return Ok(None);
    };
    if back.is_none() {
        let bound = died.after(world.settings.ttl).after(Duration::from_secs(2));
        world.run_until(bound, |_| false);
        let held = world.nodes[1..]
            .iter()
            .map(|node| node.local.reserved().count());
        must(held.sum::<usize>() == 0, "I5: reserved beyond its ttl")?;
    }
    let last = world.nodes[1..].iter().map(|node| node.local.last_reserved);
    let last = last.max().flatten().unwrap_or(died).max(died);
    world.run_for(Duration::from_secs(300));
    if back.is_some() {
        must(world.reserved() == 0, "I5: reserved at the end")?;
    }
    must(world.tags_alive().is_empty(), "something runs for ever")?;
    let violations = world.violations();
    must(violations.is_empty(), &violations.join("; "))?;
    let waits = world.nodes[0].saved.jobs.contains_key(&job);
    must(back.is_none() || !waits, "I9: the job never ends")?;
    Ok(Some(Point {
        ran: world.starts(job) > 0,
        ended: ended(&world),
        reserved_for: last.since(died),
    }))
}

fn sweep(back: Option<Duration>, network: Network) {
    let (mut points, mut ran, mut ended) = (0, 0, 0);
    let mut longest = Duration::ZERO;
    for point in 1.. {
        let outcome = die_at::<NoFaults>(point, back, network);
        let Some(outcome) = outcome.expect("a death that harms nobody") else {
            break;
        };
        points += 1;
        ran += u32::from(outcome.ran);
        ended += u32::from(outcome.ended);
        longest = longest.max(outcome.reserved_for);
    }
    assert!(points > 30, "only {points} points");
    let held = match back {
        None => format!("; the last reservation went {longest:?} after the death"),
        Some(_) => String::new(),
    };
    println!(
        "back after {back:?}, loss {}: {points} points, the gang ran in {ran}, ended in {ended}{held}",
        network.loss
    );
}

#[test]
fn the_submitting_host_dies_at_every_point_and_does_not_return() {
    sweep(None, Network::GOOD);
}

#[test]
fn the_submitting_host_dies_at_every_point_and_returns() {
    sweep(Some(Duration::from_millis(50)), Network::GOOD);
    sweep(Some(Duration::from_secs(3)), Network::GOOD);
    sweep(Some(Duration::from_secs(60)), Network::GOOD);
    sweep(Some(Duration::from_secs(3)), Network::BAD);
}
