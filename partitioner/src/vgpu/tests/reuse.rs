//! A function is used again: what this step did not make, or what another one is by now, is left to its owner.

use std::cell::Cell;

use super::{HALF, QUARTER, VgpuError, WHOLE, World, words};
use crate::systree::{SysTree, TreeError};

/// Somebody who writes a value into a file just before we write there.
struct Faster<'a> {
    world: &'a World,
    value: &'a str,
    done: Cell<bool>,
}

impl SysTree for Faster<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        self.world.tree.read(path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, TreeError> {
        self.world.tree.list(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        if !self.done.replace(true) {
            self.world.somebody_sets(0, self.value);
        }
        self.world.tree.write(path, bytes)
    }

    fn link(&self, path: &str) -> Result<String, TreeError> {
        self.world.tree.link(path)
    }
}

#[test]
fn a_late_release_does_not_clear_another_type_on_the_same_function() {
    let world = World::vfio();
    world.create(0, HALF).expect("there is room");
    world.somebody_sets(0, "0");
    world.somebody_sets(0, "1202");
    let refused = words(world.destroy(0, HALF));
    assert!(
        refused.ends_with("a vGPU of type 1202, which is another one"),
        "{refused}"
    );
    assert_eq!(world.types_on(0), [QUARTER]);
}

#[test]
fn whoever_was_faster_keeps_the_function() {
    for value in ["1200", "1201"] {
        let world = World::vfio();
        let faster = Faster {
            world: &world,
            value,
            done: Cell::new(false),
        };
        let outcome = world.apply(&faster, &world.creation(0, WHOLE));
        // Not "may have changed", after which theirs would be taken for what we wrote.
        assert!(
            matches!(outcome, Err(VgpuError::Conflict { .. })),
            "{outcome:?}"
        );
        let refused = words(outcome);
        let theirs = format!("a vGPU of type {value} that was there first");
        assert!(refused.contains(&theirs), "{refused}");
        let kept: Vec<String> = world.types_on(0).iter().map(ToString::to_string).collect();
        assert_eq!(kept, [value], "nothing of theirs was taken back");
    }
}

#[test]
fn another_type_between_look_and_release_is_kept() {
    let world = World::vfio();
    world.create(0, WHOLE).expect("there is room");
    // They clear it and make another just before our write: the driver's file cannot tell, so only the look can.
    world.somebody_sets(0, "0");
    let faster = Faster {
        world: &world,
        value: "1202",
        done: Cell::new(false),
    };
    let seen = world.apply(&faster, &world.destruction(0, WHOLE, None));
    seen.expect("there was none: nothing is written");
    assert!(!faster.done.get());
}
