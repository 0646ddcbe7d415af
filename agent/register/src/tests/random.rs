//! Random runs: changes from all sides, a bad network, crashes, lost stores and exchanges, an end; then everything heals.

use super::check::Checker;
use super::world::{Event, World};
use crate::{Faults, NoFaults, Replica, Step, Want};

/// What a run came to.
pub struct Run {
    pub violations: Vec<String>,
    pub wrote: u64,
    pub exchanges: u32,
    pub retired: bool,
}

/// One run; it ends with the register's end in every other seed.
pub fn run<F: Faults>(seed: u64) -> Run {
    run_in::<F>(seed, 0)
}

/// One in which replicas are exchanged all the while.
pub fn run_exchanges<F: Faults>(seed: u64) -> Run {
    run_in::<F>(seed, 60)
}

/// One run, in which so many of a hundred acts are exchanges beyond the usual ones.
fn run_in<F: Faults>(seed: u64, exchanging: u64) -> Run {
    let mut world: World<F> = World::new(seed, 5);
    world.network = match seed % 3 {
        0 => (0, 30, 30),
        1 => (100, 100, 60),
        _ => (20, 200, 200),
    };
    let founder = world.host();
    let set = some_three(&world, founder);
    let found = Want::Found {
        set,
        value: vec![0],
    };
    world.want(founder, found);
    if world.below(3) == 0 {
        let wait = world.below(60);
        world.run_for(wait);
        crash(&mut world, founder);
    }
    let mut exchanges = 0;
    for _ in 0..30 {
        let wait = world.below(400);
        world.run_for(wait);
        exchanges += act(&mut world, exchanging);
    }
    let retires = seed.is_multiple_of(2);
    if retires {
        // Somebody retires it while others still write.
        for _ in 0..3 {
            let host = world.host();
            let _number = world.append(host, true);
            let wait = world.below(300);
            world.run_for(wait);
            act(&mut world, exchanging);
        }
    }
    heal(&mut world);
    finish(&mut world, retires);
    let Checker {
        violations, wrote, ..
    } = world.checker;
    Run {
        violations,
        wrote,
        exchanges,
        retired: world.was_forgotten,
    }
}

fn some_three<F: Faults>(world: &World<F>, first: usize) -> Vec<Replica> {
    let hosts = (0..3).map(|step| (first + step) % world.nodes.len());
    hosts.map(|host| world.replica(host)).collect()
}

/// A crash; the host comes back soon.
fn crash<F: Faults>(world: &mut World<F>, host: usize) {
    world.crash(host);
    let wait = world.below(3_000);
    world.at(wait, Event::Return(host));
}

fn act<F: Faults>(world: &mut World<F>, exchanging: u64) -> u32 {
    let host = world.host();
    if world.below(100) < exchanging {
        return u32::from(exchange_any(world, host));
    }
    match world.below(16) {
        0..=7 => {
            let _number = world.append(host, false);
        }
        8 => {
            world.want(host, Want::Read);
        }
        9 => crash(world, host),
        10 => {
            // In the middle of a change, wherever it is by then.
            let other = world.host();
            let _number = world.append(other, false);
            let wait = world.below(100);
            world.run_for(wait);
            crash(world, host);
        }
        11 => {
            let other = world.host();
            world.cut.insert((host.min(other), host.max(other)));
            let wait = world.below(4_000);
            world.at(wait, Event::Heal(host, other));
        }
        12 => {
            for other in 0..world.nodes.len() {
                world.cut.insert((host.min(other), host.max(other)));
                let wait = world.below(3_000);
                world.at(wait, Event::Heal(host, other));
            }
        }
        13 => return u32::from(exchange_lost(world, host)),
        _ => return u32::from(exchange_any(world, host)),
    }
    0
}

/// A replica whose store is lost is exchanged, where that leaves a majority that remembers everything.
fn exchange_lost<F: Faults>(world: &mut World<F>, host: usize) -> bool {
    let lost = world.replica(host);
    let rows = |world: &World<F>| -> Vec<_> {
        let rows = world
            .nodes
            .iter()
            .filter_map(|node| node.rows.get(&super::world::KEY));
        rows.filter_map(|row| row.accepted.clone()).collect()
    };
    // All that ever vote: none of the others may have lost anything.
    let all: Vec<_> = rows(world)
        .iter()
        .flat_map(|one| one.state.config.voters())
        .collect();
    let is_whole = |one: &Replica| (0..world.nodes.len()).any(|at| world.replica(at) == *one);
    let settled = rows(world)
        .iter()
        .all(|one| one.state.config.step == Step::Settled);
    // Of one that is not founded yet nobody knows who would vote.
    let founded = rows(world).len() >= 2;
    if !founded || !settled || world.is_exchanging() || !all.iter().all(is_whole) {
        return false;
    }
    world.lose_store(host);
    world.at(500, Event::Return(host));
    all.contains(&lost) && exchange(world, lost)
}

/// A replica that is only slow is exchanged too: nobody can be sure.
fn exchange_any<F: Faults>(world: &mut World<F>, host: usize) -> bool {
    let out = world.replica(host);
    exchange(world, out)
}

fn exchange<F: Faults>(world: &mut World<F>, out: Replica) -> bool {
    let by = (0..world.nodes.len()).find(|at| {
        let state = world.state(*at);
        world.replica(*at).host != out.host
            && state.is_some_and(|state| state.config.set.contains(&out))
    });
    let Some(by) = by else { return false };
    let state = world.state(by).expect("it has one");
    let fresh = (0..world.nodes.len())
        .map(|at| world.replica(at))
        .find(|one| state.config.may_exchange(out, *one));
    let Some(into) = fresh else { return false };
    world.want(by, Want::Exchange { out, into });
    // Now and then two want it at once.
    if world.below(2) == 0 {
        let other = world.host();
        if world.state(other).is_some() {
            world.want(other, Want::Exchange { out, into });
        }
    }
    true
}

fn heal<F: Faults>(world: &mut World<F>) {
    world.run_for(5_000);
    world.cut.clear();
    for host in 0..world.nodes.len() {
        world.boot(host);
    }
    world.network = (0, 0, 0);
    world.run_for(30_000);
}

/// After healing everything that was wanted is answered, and what ended is forgotten by all.
fn finish<F: Faults>(world: &mut World<F>, retires: bool) {
    let lost = |world: &World<F>| {
        let all = world
            .nodes
            .iter()
            .filter_map(|node| node.rows.get(&super::world::KEY));
        all.filter_map(|row| row.accepted.clone())
            .any(|one| one.state.is_retired)
    };
    let is_ending = lost(world) || world.was_forgotten;
    if !is_ending {
        for host in 0..world.nodes.len() {
            if world.state(host).is_some() {
                world.want(host, Want::Read);
            }
        }
    }
    // Beyond the latest of the late messages, and the longest pause between two tellings.
    world.run_for(250_000);
    let pending = world.pending();
    if pending > 0 {
        let text = format!("stuck: {pending} wants have no answer");
        world.checker.violations.push(text);
    }
    if retires && (lost(world) || world.was_forgotten) {
        let kept = world.nodes.iter().filter(|node| !node.rows.is_empty());
        let kept = kept.count();
        if kept > 0 && world.was_forgotten {
            let text = format!("kept: {kept} hosts keep what others have forgotten");
            world.checker.violations.push(text);
        }
    }
}

#[test]
fn every_change_follows_the_one_before_it_in_random_worlds() {
    let (mut wrote, mut exchanges, mut retired) = (0, 0, 0);
    for seed in 0..3_000 {
        let run = match seed % 5 {
            4 => run_exchanges::<NoFaults>(seed),
            _ => run::<NoFaults>(seed),
        };
        assert_eq!(run.violations, [""; 0], "seed {seed}");
        wrote += run.wrote;
        exchanges += run.exchanges;
        retired += u32::from(run.retired);
    }
    assert!(
        wrote > 3_000 && exchanges > 1_000 && retired > 500,
        "a world in which little happens"
    );
    println!("3000 seeds: {wrote} changes, {exchanges} exchanges, {retired} ends");
}
