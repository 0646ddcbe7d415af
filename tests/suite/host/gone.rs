//! A GPU that leaves the host while it is in use, and comes back.

use kerf_api::v1::{Gpu, Slice};
use nvidia_ml::control::FaultRequest;

use super::client::layout;
use super::faults::{inject, until_degraded, until_well};
use super::said::kerf;
use super::world::{SAMPLED, World};

/// The only slice of the host that is cut.
fn only_slice(world: &World) -> Slice {
    let slices = world.client.slices();
    let [slice] = slices.as_slice() else {
        panic!("one slice, not {slices:?}");
    };
    slice.clone()
}

fn names(gpus: &[Gpu]) -> Vec<(u32, String, String)> {
    let names = gpus.iter();
    names
        .map(|gpu| (gpu.index, gpu.pci.clone(), gpu.uuid.clone()))
        .collect()
}

#[test]
fn a_gpu_that_leaves_under_a_container_holds_up_nobody_and_comes_back_clean() {
    let Some(world) = World::new("h100x8", SAMPLED) else {
        return;
    };
    world.start("c0", "1g.10gb");
    let (lease, slice) = (world.lease(), only_slice(&world));
    let gpus = world.client.inventory().gpus;
    let left = slice.gpu_index;
    // Indices close up behind it, so it must have somebody behind it for this to show.
    let behind = gpus.iter().find(|gpu| gpu.index == left + 1);
    let behind = behind.expect("it is not the last one").pci.clone();
    inject(&world, FaultRequest::Gone { gpu: left });
    until_degraded(&world, &[&format!("gpu {left} "), "lost"]);
    let status = world.client.status().expect("a status");
    assert_eq!((status.gpus, status.gpus_ok), (8, 7));
    assert_eq!(world.lease().id, lease.id, "its container runs");
    let shown = kerf(&world, &["inventory"]).ends(0);
    assert!(shown.contains("lost"), "{shown}");

    // The index of the one that left means the one that has it now; all seven are cut by theirs.
    let index = left.to_string();
    let one = layout(&[(&[&index], &[("3g.40gb", 1)])]);
    world.client.apply(one).expect("another GPU has the index");
    let cut = world.client.slices();
    let cut = cut.iter().find(|slice| slice.profile == "3g.40gb");
    assert!(cut.expect("it is cut").id.starts_with(&behind));
    let all = ["0", "1", "2", "3", "4", "5", "6"];
    let whole = layout(&[(&all, &[("3g.40gb", 1)])]);
    world.client.apply(whole).expect("the others are cut");
    assert_eq!(world.instances().len(), 7);
    world.start("c1", "2g.20gb");
    world.end("c1");
    world.until("the end of its lease", || world.client.leases().len() == 1);

    // What it had is nobody's any more, so that its lease ends with its container.
    assert_eq!(world.lease().id, lease.id);
    world.end("c0");
    world.until_no_leases();
    assert_eq!(world.lease_files(), Vec::<String>::new());
    until_degraded(&world, &[&format!("gpu {left} "), "lost"]);

    inject(&world, FaultRequest::Clear { gpu: left });
    until_well(&world);
    assert_eq!(names(&world.client.inventory().gpus), names(&gpus));
    assert_eq!(world.slices_of(left), [], "it is clean");
    assert_eq!(world.instances().len(), 7);
    let again = layout(&[(&[&index], &[("1g.10gb", 7)])]);
    world.client.apply(again).expect("it is cut again");
    assert_eq!(world.slices_of(left).len(), 7);
}
