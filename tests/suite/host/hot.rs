//! Hardware that comes and goes under a running kerfd: told to those who watch, and in the inventory, within one look.

use std::fs;
use std::os::unix::fs::symlink;

use kerf_tests::poll;

use super::said::kerf;
use super::world::{LIMIT, World};

/// A look at the hardware twice a second.
const LOOKS: &str = "[driver]\nlook_interval_ms = 500\n";

fn told(world: &World, words: &str) {
    let seen = || {
        let events = kerf(world, &["events", "--after", "0"]).ends(0);
        events.contains(words).then_some(())
    };
    poll::until(words, LIMIT, seen).expect("kerfd looks by itself");
}

#[test]
fn a_card_that_is_taken_out_and_put_back_is_told() {
    let Some(world) = World::bare("h100x8", LOOKS) else {
        return;
    };
    let has = |name: &str| {
        let inventory = world.client.inventory();
        inventory.nics.iter().any(|nic| nic.name == name)
    };
    assert!(has("mlx5_7"));
    let class = world.kerfd.sysroot().join("sys/class/infiniband/mlx5_7");
    let device = fs::read_link(&class).expect("a link of the class");
    fs::remove_file(&class).expect("ours");
    told(&world, "mlx5_7: is gone");
    assert!(!has("mlx5_7") && has("mlx5_6"));
    symlink(&device, &class).expect("ours");
    told(&world, "mlx5_7: has come");
    assert!(has("mlx5_7"));
}
