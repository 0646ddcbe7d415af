//! Several containers on the parts of one GPU instance: each has its own compute instance and no other.

use std::collections::BTreeSet;

use kerf_api::v1::{Lease, lease_subject::Subject};

use super::client::layout;
use super::isolation::{expected, lease_of, own, probe};
use super::world::World;

const PART: &str = "1c.3g.40gb";

/// What must not change while siblings come and go: the lease, its life and its process.
fn life(world: &World, id: &str) -> (String, String, Option<u32>) {
    let lease: Lease = lease_of(world, id);
    let Some(Subject::Slice(slice)) = &lease.subjects[0].subject else {
        panic!("a slice, not {lease:?}");
    };
    (lease.id.clone(), slice.uuid.clone(), lease.init_pid)
}

#[test]
fn three_containers_share_an_instance_and_none_sees_anothers_part() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let ids = ["c0", "c1", "c2"];
    for id in ids {
        world.start(id, PART);
    }
    let instances = world.instances();
    assert_eq!(instances.len(), 1, "{instances:?}");
    let slices = world.client.slices();
    let places: BTreeSet<_> = slices
        .iter()
        .map(|slice| slice.compute.map(|part| (part.start, part.size)))
        .collect();
    assert_eq!(
        places,
        BTreeSet::from([0, 1, 2].map(|start| Some((start, 1))))
    );
    assert!(
        slices.iter().all(|slice| slice.profile == PART),
        "{slices:?}"
    );
    let nodes = world.nodes();
    let see_their_own = |ids: &[&str]| {
        let mut seen = BTreeSet::new();
        for id in ids {
            let nodes = own(&probe(&world, id, &nodes));
            assert_eq!(nodes, expected(&world, &lease_of(&world, id)), "{id}");
            assert!(seen.insert(nodes), "{id} sees what another sees");
        }
    };
    see_their_own(&ids);

    let siblings = ["c0", "c2"];
    let lives = siblings.map(|id| life(&world, id));
    world.end("c1");
    world.until("the end of its lease", || world.client.leases().len() == 2);
    assert_eq!(world.client.slices().len(), 2, "its part went with it");
    assert_eq!(world.instances().len(), 1);
    world.start("c3", PART);
    assert_eq!(world.instances().len(), 1, "cut beside the others");
    assert_eq!(siblings.map(|id| life(&world, id)), lives);
    see_their_own(&["c0", "c2", "c3"]);

    for id in ["c0", "c2", "c3"] {
        world.end(id);
    }
    world.until_no_leases();
    world.assert_untouched();
    world.assert_no_containers();
}

/// A layout of parts is applied, is then as it is wanted, and changes around a part that somebody has.
#[test]
fn a_layout_of_parts_is_applied_and_recut_around_a_lease() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let apply = |slices: &[(&str, u32)]| {
        let applied = world.client.apply(layout(&[(&["0"], slices)]));
        applied.expect("it is applied");
    };
    apply(&[(PART, 3)]);
    assert_eq!(world.client.slices().len(), 3);
    world.start("c0", PART);
    let before = life(&world, "c0");
    apply(&[(PART, 2), ("1g.10gb", 2)]);
    let mut profiles: Vec<String> = world
        .client
        .slices()
        .into_iter()
        .map(|slice| slice.profile)
        .collect();
    profiles.sort();
    assert_eq!(profiles, [PART, PART, "1g.10gb", "1g.10gb"]);
    assert_eq!(life(&world, "c0"), before);
    let refused = world.client.apply(layout(&[(&["0"], &[("1g.10gb", 2)])]));
    assert!(refused.is_err(), "the part of c0 is in use");
    world.end("c0");
    world.until_no_leases();
    apply(&[("3g.40gb", 1)]);
    assert_eq!(world.client.slices().len(), 1);
}
