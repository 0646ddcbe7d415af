//! Steps of which something may stand: never told as "nothing has changed".

use std::cell::Cell;

use kerf_types::Step;
use nix::errno::Errno;
use nvidia_ml::kernel::vgpu::Framework;

use super::{HALF, VgpuError, World, uuid};
use crate::systree::{Operation, SysTree, TreeError};

const BOTH: [Framework; 2] = [Framework::Vfio, Framework::MdevOnFunction];

/// What is wrong with the tree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// The first write is done and said to have failed, and every one after it is refused.
    NoWayBack,
    /// Nothing is listed any more behind the first write.
    Blind,
}

struct Faulty<'a> {
    world: &'a World,
    wrong: Wrong,
    written: Cell<bool>,
}

impl Faulty<'_> {
    fn refused<T>(operation: Operation, path: &str) -> Result<T, TreeError> {
        let path = path.to_owned();
        Err(TreeError::Refused {
            operation,
            path,
            errno: Errno::EIO,
        })
    }
}

impl SysTree for Faulty<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        self.world.tree.read(path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, TreeError> {
        match self.wrong {
            Wrong::Blind if self.written.get() => Self::refused(Operation::List, path),
            _ => self.world.tree.list(path),
        }
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        let is_first = !self.written.replace(true);
        if is_first {
            self.world.tree.write(path, bytes)?;
        }
        match (self.wrong, is_first) {
            (Wrong::Blind, true) => Ok(()),
            _ => Self::refused(Operation::Write, path),
        }
    }

    fn link(&self, path: &str) -> Result<String, TreeError> {
        self.world.tree.link(path)
    }
}

fn apply(world: &World, wrong: Wrong, step: &Step) -> VgpuError {
    let written = Cell::new(false);
    let tree = Faulty {
        world,
        wrong,
        written,
    };
    let outcome = world.apply(&tree, step);
    outcome.expect_err("it is not told as done")
}

#[test]
fn what_cannot_be_taken_back_may_have_changed() {
    for framework in BOTH {
        let world = World::small(framework);
        let error = apply(&world, Wrong::NoWayBack, &world.creation(0, HALF));
        assert!(matches!(error, VgpuError::Stuck { .. }), "{error:?}");
        assert_eq!(world.types_on(0), [HALF]);
    }
}

#[test]
fn what_is_done_and_does_not_read_has_changed() {
    for framework in BOTH {
        let world = World::small(framework);
        let error = apply(&world, Wrong::Blind, &world.creation(0, HALF));
        assert!(matches!(error, VgpuError::Unseen { .. }), "{error:?}");
        assert_eq!(world.types_on(0), [HALF]);
        let named = (framework != Framework::Vfio).then(|| uuid(0));
        let step = world.destruction(0, HALF, named);
        let error = apply(&world, Wrong::Blind, &step);
        assert!(matches!(error, VgpuError::Unseen { .. }), "{error:?}");
        assert_eq!(world.types_on(0), []);
    }
}
