//! What is observed is what the machine has.

use crate::world::World;
use std::time::Duration;

#[test]
fn smoke() {
    let world = World::new("h100x8");
    let found = world.discover(Duration::from_secs(30));
    println!("{}", kerf_partitioner::discover::table(&found));
}
