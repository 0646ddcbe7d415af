//! Which GPUs a lease of several gets, on a host of which kerfd has read the links.

use super::client::gpus;
use super::said::kerf;
use super::world::World;

#[test]
fn a_lease_of_several_gpus_tells_its_ring() {
    let Some(world) = World::bare("h100x8", "") else {
        return;
    };
    let all: Vec<String> = world
        .client
        .looked()
        .gpus
        .iter()
        .map(|gpu| gpu.pci.clone())
        .collect();
    let lease = |ask: &str| gpus(&world.client.lease(ask, "", "").expect("enough are free"));
    // All are joined alike, by switches: the first goes, and of the rest the three that keep the other node whole.
    assert_eq!(lease("gpu:1"), all[..1]);
    // By NUMA nodes alone the whole one would come first.
    let five = world.client.lease("gpu:5", "", "").expect("seven are free");
    assert_eq!(gpus(&five), [&all[1..2], &all[4..]].concat());
    world.client.release(&five.id).expect("nobody has it");
    assert_eq!(lease("gpu:3"), all[1..4]);
    assert_eq!(lease("nvlink:4"), all[4..]);
    let events = kerf(&world, &["events", "--after", "0"]).ends(0);
    for ring in [
        "a ring of 3 GPUs with 360 GB/s at its narrowest",
        "a ring of 4 GPUs with 360 GB/s at its narrowest",
        "a ring of 5 GPUs with 360 GB/s at its narrowest",
    ] {
        assert!(events.contains(ring), "no {ring} in\n{events}");
    }
    assert_eq!(
        events.matches("ring of").count(),
        3,
        "one alone makes no ring"
    );
}
