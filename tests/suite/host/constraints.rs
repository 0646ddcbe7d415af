//! What an ask says of which whole GPUs it may get, with a real kerfd: leases hold to it, and a refusal says what left
//! which GPUs out.

use super::client::gpus;
use super::said::kerf;
use super::world::World;

#[test]
fn a_lease_holds_to_what_its_ask_says_of_the_gpus() {
    let Some(world) = World::bare("h100x8", "") else {
        return;
    };
    let all = world.client.looked().gpus;
    let address = |at: usize| all[at].pci.clone();
    // Each is given back, so that the next has the whole host again.
    let lease = |ask: &str| {
        let lease = world
            .client
            .lease(ask, "", "")
            .expect("there is such a set");
        world.client.release(&lease.id).expect("nobody has it");
        gpus(&lease)
    };
    let uuid = &all[6].uuid;
    assert_eq!(lease(&format!("gpu,include={uuid}")), [address(6)]);
    let both = lease(&format!("nvlink:2,include=0,include={}", address(7)));
    assert_eq!(both, [address(0), address(7)]);
    let apart = lease("gpu:3,avoid=4,same=numa,include=7");
    assert_eq!(apart, [address(5), address(6), address(7)]);
    assert_eq!(lease("gpu:8,nic=pxb").len(), 8);
    let refused = |ask: &str, why: &str| kerf(&world, &["lease", "create", ask]).refuses(&[why]);
    refused(
        "gpu:2,include=0,include=7,same=numa",
        "too few that may be had are on one NUMA node with it",
    );
    refused(
        "gpu:2,include=9",
        "there is no GPU 9, which must be among them",
    );
    refused(
        "gpu:4,same=numa,avoid=0,avoid=5",
        "GPU 0, 5: the ask avoids it",
    );
    refused(
        "1g.10gb,same=numa",
        "an ask for whole GPUs beside it expected",
    );
}
