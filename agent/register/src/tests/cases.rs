//! Single stories: one replica, a lost majority, a force, an epoch.

use super::world::{KEY, World};
use crate::{Ending, Faults, Input, NoFaults, Replica, Want};

fn founded<F: Faults>(hosts: usize, replicas: usize) -> World<F> {
    let mut world: World<F> = World::new(1, hosts);
    let set: Vec<Replica> = (0..replicas).map(|host| world.replica(host)).collect();
    let value = vec![0];
    let number = world.want(0, Want::Found { set, value });
    world.run_for(1_000);
    assert_eq!(world.endings[&number].0, Ending::Done);
    world
}

#[test]
fn one_replica_needs_nobody() {
    let mut world = founded::<NoFaults>(1, 1);
    let number = world.append(0, false).expect("it is there");
    world.run_for(100);
    assert_eq!(world.endings[&number].0, Ending::Done);
    world.crash(0);
    world.boot(0);
    let number = world.append(0, true).expect("it is there");
    world.run_for(100);
    assert_eq!(world.endings[&number].0, Ending::Done);
    assert!(world.was_forgotten && world.nodes[0].rows.is_empty());
}

#[test]
fn a_change_under_promises_that_hold_asks_for_no_new_ones() {
    let mut world = founded::<NoFaults>(3, 3);
    let before = world.highest_promise(0).expect("one");
    for _ in 0..3 {
        let number = world.append(0, false).expect("it is there");
        world.run_for(200);
        assert_eq!(world.endings[&number].0, Ending::Done);
    }
    let after = world.highest_promise(0).expect("one");
    assert_eq!((after.round, after.step), (before.round, before.step + 3));
}

#[test]
fn without_a_majority_it_waits_and_says_for_whom() {
    let mut world = founded::<NoFaults>(3, 3);
    world.crash(1);
    world.lose_store(2);
    world.boot(2);
    let number = world.append(0, false).expect("it is there");
    world.run_for(20_000);
    assert!(!world.endings.contains_key(&number));
    let core = world.nodes[0].core.as_ref().expect("alive");
    let waiting = core.waiting(world.now, KEY).expect("it waits");
    assert_eq!(waiting.answered, [world.replica(0)]);
    assert_eq!(waiting.silent, [world.replica(1)]);
    let dead = Replica {
        epoch: 1,
        ..world.replica(2)
    };
    assert_eq!(waiting.dead, [dead]);
    world.boot(1);
    world.run_for(1_000);
    assert_eq!(world.endings[&number].0, Ending::Done);
    let core = world.nodes[0].core.as_ref().expect("alive");
    assert_eq!(core.waiting(world.now, KEY), None);
}

#[test]
fn a_lost_majority_is_given_up_by_force_and_remembered() {
    let mut world = founded::<NoFaults>(5, 3);
    let lost = [world.replica(1), world.replica(2)];
    world.lose_store(1);
    world.lose_store(2);
    world.boot(1);
    world.boot(2);
    let set = vec![world.replica(0), world.replica(3), world.replica(4)];
    let number = world.want(0, Want::Force { set: set.clone() });
    world.run_for(2_000);
    let (ending, state) = world.endings[&number].clone();
    assert_eq!(ending, Ending::Done);
    let config = state.expect("a state").config;
    assert_eq!((config.set, config.generation), (set, 1));
    let [forced] = config.forced.as_slice() else {
        panic!("{:?}", config.forced);
    };
    assert_eq!((forced.by, forced.generation), (world.replica(0), 1));
    assert_eq!(forced.given_up, lost);
    // It goes on, and ends.
    let number = world.append(3, false).expect("it is there");
    world.run_for(2_000);
    assert_eq!(world.endings[&number].0, Ending::Done);
    world.append(4, true).expect("it is there");
    world.run_for(200_000);
    assert!(world.nodes.iter().all(|node| node.rows.is_empty()));
}

/// An operator forces a register whose majority was only cut off and had gone on; it comes back. Returns whether what was
/// forced stands.
pub fn old_majority_returns<F: Faults>() -> bool {
    let mut world = founded::<F>(5, 3);
    for (a, b) in [(0, 1), (0, 2), (1, 3), (1, 4), (2, 3), (2, 4)] {
        world.cut.insert((a, b));
    }
    for _ in 0..4 {
        for host in [1, 2] {
            world.append(host, false);
            world.run_for(2_000);
        }
    }
    let set = vec![world.replica(0), world.replica(3), world.replica(4)];
    world.want(0, Want::Force { set });
    world.run_for(2_000);
    world.cut.clear();
    // Who spoke for the old set speaks again, and learns.
    world.want(1, Want::Read);
    world.want(2, Want::Read);
    world.run_for(5_000);
    world.want(1, Want::Read);
    world.run_for(5_000);
    let forced = |host| {
        let state = world.state(host);
        state.is_some_and(|state| state.config.era() == 1)
    };
    forced(0) && forced(3) && forced(1)
}

#[test]
fn a_force_outranks_a_majority_that_comes_back() {
    assert!(old_majority_returns::<NoFaults>());
}

#[test]
fn a_backup_that_was_put_back_is_no_replica() {
    let mut world = founded::<NoFaults>(3, 3);
    let backup = world.nodes[1].rows.clone();
    world.append(0, false);
    world.run_for(1_000);
    world.lose_store(1);
    world.nodes[1].rows = backup;
    world.boot(1);
    world.run_for(100);
    assert!(world.nodes[1].rows.is_empty());
    assert_eq!(world.state(1), None);
}

#[test]
fn a_stranger_and_another_register_of_the_same_name_change_nothing() {
    let mut world = founded::<NoFaults>(4, 3);
    let before = world.nodes[1].rows.clone();
    // Another founder uses the name.
    let set = vec![world.replica(3), world.replica(1), world.replica(2)];
    let value = vec![9];
    let number = world.want(3, Want::Found { set, value });
    world.run_for(20_000);
    assert!(!world.endings.contains_key(&number));
    assert_eq!(world.nodes[1].rows, before);
    // Who speaks in another's name is not heard.
    let mut out = Vec::new();
    let (from, to, root) = (world.replica(0), world.replica(1), world.replica(0));
    let ballot = world.highest_promise(1).expect("one").next_step();
    let message = crate::Message {
        key: KEY,
        root,
        from,
        to,
        generation: 0,
        body: crate::Body::Prepare {
            ballot,
            ticket: None,
        },
    };
    let now = world.now;
    let core = world.nodes[1].core.as_mut().expect("alive");
    let from = World::<NoFaults>::id(3);
    let message = Box::new(message);
    core.step(now, Input::Message { from, message }, &mut out);
    assert!(out.is_empty());
}
