//! What kerfd finds when it starts, in each combination of three truths: what the store says, what the hardware has,
//! what runs. Each is made by real means while kerfd is dead: an older copy of the store put back, the machine set
//! back to before the slice was cut, the container ended by its engine.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kerf_api::v1::Lease;
use nvidia_ml::control::{self, Snapshot};

use super::client::layout;
use super::said::kerf;
use super::world::World;

/// How long after its start kerfd may take until every orphan is given back or adopted.
const BOUND: Duration = Duration::from_secs(10);

/// The container.
const NAME: &str = "c0";

/// Which of the three know of the slice, its lease, its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Truths {
    store: bool,
    hardware: bool,
    container: bool,
}

/// The host before anything was granted.
struct Before {
    store: PathBuf,
    machine: Snapshot,
}

/// What the container had before kerfd died.
struct Had {
    lease: Lease,
    instances: Vec<String>,
    pid: u32,
}

fn before(world: &mut World) -> Before {
    world.kerfd.terminate().expect("it ends well");
    let store = world.scratch.join("before.db");
    fs::copy(world.kerfd.state().join("state.db"), &store).expect("a copy");
    let machine = control::snapshot(&world.kerfd.machine()).expect("a copy of the machine");
    world.kerfd.restart().expect("it comes back");
    Before { store, machine }
}

/// Starts the container, kills kerfd, and leaves those truths that are to be left.
fn leave(world: &mut World, before: &Before, truths: Truths) -> Had {
    world.start(NAME, "1g.10gb");
    world.until("the container to be known", || {
        world.lease().init_pid.is_some()
    });
    let had = Had {
        lease: world.lease(),
        instances: world.instances(),
        pid: world.pid(NAME),
    };
    assert_eq!(had.instances.len(), 1, "{:?}", had.instances);
    world.kerfd.kill9().expect("kerfd goes");
    if !truths.container {
        world.end(NAME);
    }
    if !truths.store {
        let store = world.kerfd.state().join("state.db");
        for suffix in ["-wal", "-shm"] {
            drop(fs::remove_file(format!("{}{suffix}", store.display())));
        }
        fs::copy(&before.store, &store).expect("the older one is put back");
    }
    if !truths.hardware {
        control::restore(&world.kerfd.machine(), &before.machine).expect("it is set back");
    }
    had
}

/// What is there once kerfd has begun anew: leases, what the driver has, names in CDI files.
fn found(world: &World) -> (Vec<String>, Vec<String>, usize) {
    let leases = world.client.leases();
    let ids = leases.into_iter().map(|lease| lease.id).collect();
    (ids, world.instances(), world.lease_files().len())
}

fn look_at(world: &mut World, before: &Before, truths: Truths) -> Duration {
    let had = leave(world, before, truths);
    let begun = Instant::now();
    world.kerfd.restart().expect("kerfd comes back");
    // A lease is there as long as its container, whatever else is; an instance that was cut for a lease goes with it,
    // and one that no lease is known of stays, whoever made it.
    let leases = match truths.container {
        true => vec![had.lease.id.clone()],
        false => Vec::new(),
    };
    let adopted = truths.hardware && !truths.store;
    let stays = truths.hardware && (truths.container || adopted);
    let instances = match stays {
        true => had.instances.clone(),
        false => Vec::new(),
    };
    let wanted = (leases.clone(), instances, leases.len());
    world.until(&format!("{truths:?} to be {wanted:?}"), || {
        found(world) == wanted
    });
    let took = begun.elapsed();
    assert!(took < BOUND, "{truths:?}: after {took:?}");
    // It is so for good, and not for a moment.
    world.client.looked();
    assert_eq!(found(world), wanted, "{truths:?}");
    let told = world.client.degraded();
    let of_store = told.iter().any(|line| line.contains("store"));
    assert_eq!(of_store, !truths.store, "{truths:?}: {told:?}");
    if truths.container {
        assert_eq!(world.pid(NAME), had.pid, "{truths:?}: it runs on");
        world.end(NAME);
        world.until_no_leases();
        world.until("the end of what was cut for it", || {
            world.instances().is_empty()
        });
    } else if adopted {
        give_adopted(world, &had);
    }
    world.assert_untouched();
    took
}

/// An instance that nobody's lease is known of is free for the next one, and outlives it.
fn give_adopted(world: &World, had: &Had) {
    let lease = world.client.lease("1g.10gb", "default", "next");
    let lease = lease.expect("the slice is there to be had");
    assert!(lease.fence > had.lease.fence, "{lease:?}");
    assert_eq!(
        world.instances(),
        had.instances,
        "the same one, not another"
    );
    world.client.release(&lease.id).expect("it ends");
    assert_eq!(world.instances(), had.instances, "it was not cut for it");
    let empty = layout(&[(&["0"], &[])]);
    world
        .client
        .apply(empty)
        .expect("who wants it away says so");
}

#[test]
fn every_orphan_of_three_truths_is_given_back_or_adopted() {
    let Some(mut world) = World::new("h100x1", "") else {
        return;
    };
    let before = before(&mut world);
    let mut longest = Duration::ZERO;
    for bits in 0..8_u8 {
        let truths = Truths {
            store: bits & 4 != 0,
            hardware: bits & 2 != 0,
            container: bits & 1 != 0,
        };
        longest = longest.max(look_at(&mut world, &before, truths));
    }
    kerf_tests::note(&format!("settled after {longest:?} at most"));
}

#[test]
fn a_promise_that_outlived_its_kerfd_and_its_time_is_given_back() {
    let Some(mut world) = World::bare("h100x1", "") else {
        return;
    };
    kerf(&world, &["lease", "create", "1g.10gb", "--ttl", "1s"]).ends(0);
    assert_eq!(world.instances().len(), 1);
    world.kerfd.kill9().expect("kerfd goes");
    let begun = Instant::now();
    world.kerfd.restart().expect("kerfd comes back");
    world.until("the end of the promise", || {
        world.client.looked();
        world.client.leases().is_empty() && world.instances().is_empty()
    });
    let took = begun.elapsed();
    assert!(took < BOUND + Duration::from_secs(1), "after {took:?}");
    world.assert_untouched();
}
