//! A function is used again: what this step did not make, or what another one is by now, is left to its owner.

use std::cell::Cell;

use kerf_types::Step;
use nvidia_ml::kernel::vgpu::Framework;

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

/// Somebody who writes values into a file when it is read for the second time: between the look at the GPU, which
/// reads it once, and the look before a write.
struct Between<'a> {
    world: &'a World,
    file: String,
    values: &'a [&'a str],
    reads: Cell<u32>,
}

impl<'a> Between<'a> {
    fn new(world: &'a World, file: String, values: &'a [&'a str]) -> Self {
        let reads = Cell::new(0);
        Self {
            world,
            file,
            values,
            reads,
        }
    }
}

impl SysTree for Between<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        if path == self.file && self.reads.replace(self.reads.get() + 1) == 1 {
            for value in self.values {
                self.world.tree.write(path, value.as_bytes())?;
            }
        }
        self.world.tree.read(path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, TreeError> {
        self.world.tree.list(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
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
    let function = world.functions[0];
    let file = format!("/sys/bus/pci/devices/{function}/nvidia/current_vgpu_type");
    let other = Between::new(&world, file, &["0", "1202"]);
    let refused = words(world.apply(&other, &world.destruction(0, WHOLE, None)));
    assert_eq!(refused, format!("{function} carries a vGPU of type 1202"));
    assert_eq!(world.types_on(0), [QUARTER]);
}

#[test]
fn functions_that_somebody_else_turns_on_meanwhile_are_told_as_functions() {
    let world = World::without_functions(Framework::Vfio);
    let gpu = world.gpu;
    let file = format!("/sys/bus/pci/devices/{gpu}/sriov_numvfs");
    let other = Between::new(&world, file, &["4"]);
    let enabled = true;
    let refused = words(world.apply(&other, &Step::SetSriov { gpu, enabled }));
    let expected = format!("GPU {gpu} has 4 virtual functions by now, and had 0 before");
    assert_eq!(refused, expected);
    let left = world.look().sriov.expect("it has some");
    assert_eq!(left.functions, 4, "theirs are kept");
}
