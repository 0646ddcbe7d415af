//! Hosts of this release and of the one before in one fleet.

use super::world::World;
use crate::{DropReason, Input, State};

#[test]
fn one_host_in_three_of_the_release_before_is_a_member_like_any() {
    let mut world = World::mixed(6, |number| if number % 3 == 0 { 1 } else { 2 });
    for number in 1..=6 {
        for of in (1..=6).filter(|of| *of != number) {
            assert_eq!(world.state(number, of), Some(State::Alive), "{number} {of}");
        }
    }
    world.publish(2, "news");
    world.cores.remove(&5);
    world.run_for(15_000);
    for number in [1, 3, 4, 6] {
        assert_eq!(world.record(number, 2).as_deref(), Some("news"), "{number}");
        assert_eq!(world.state(number, 5), Some(State::Down), "{number}");
    }
    world.input(1, Input::Forget(super::world::id(5)));
    world.run_for(5_000);
    assert_eq!(world.state(4, 5), None);
    assert_eq!(
        world.state(3, 5),
        Some(State::Down),
        "it never heard of tombstones"
    );
    for (number, core) in &world.cores {
        let dropped = core.stats().dropped.get(&DropReason::Version);
        assert_eq!(dropped, None, "{number}");
        assert!(core.health_score() <= 1, "{number}");
    }
}
