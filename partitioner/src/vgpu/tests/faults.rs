//! Every write refused with every errno, lies, and crashes at every operation.

use std::cell::{Cell, RefCell};

use kerf_types::Step;
use nix::errno::Errno;
use nvidia_ml::kernel;
use nvidia_ml::kernel::state::{Access, Fault, FaultKind};
use nvidia_ml::kernel::vgpu::Framework;

use super::{HALF, VgpuError, World, uuid};
use crate::systree::{Operation, SysTree, TreeError};

const ERRNOS: [i32; 11] = [1, 5, 11, 12, 13, 16, 19, 22, 28, 30, 110];

/// A tree that dies after so many operations.
struct Mortal<'a> {
    world: &'a World,
    left: Cell<usize>,
    count: Cell<usize>,
    /// At which operations something was written.
    writes: RefCell<Vec<usize>>,
}

impl Mortal<'_> {
    fn next(&self, operation: Operation, path: &str) -> Result<(), TreeError> {
        self.count.set(self.count.get() + 1);
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        if left > 0 {
            return Ok(());
        }
        let path = path.to_owned();
        Err(TreeError::Refused {
            operation,
            path,
            errno: Errno::EINTR,
        })
    }
}

impl SysTree for Mortal<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        self.next(Operation::Read, path)?;
        self.world.tree.read(path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, TreeError> {
        self.next(Operation::List, path)?;
        self.world.tree.list(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        self.next(Operation::Write, path)?;
        self.writes.borrow_mut().push(self.count.get());
        self.world.tree.write(path, bytes)
    }

    fn link(&self, path: &str) -> Result<String, TreeError> {
        self.next(Operation::Link, path)?;
        self.world.tree.link(path)
    }
}

/// The file that a step on the first function writes.
fn file(world: &World, step: &Step) -> String {
    let function = world.functions[0];
    match (step, world.look().framework) {
        (Step::SetSriov { gpu, .. }, _) => format!("/sys/bus/pci/devices/{gpu}/sriov_numvfs"),
        (_, Some(kerf_types::vgpu::VgpuFramework::Vfio)) => {
            format!("/sys/bus/pci/devices/{function}/nvidia/current_vgpu_type")
        }
        (Step::CreateVgpu { .. }, _) => {
            format!("/sys/class/mdev_bus/{function}/mdev_supported_types/nvidia-{HALF}/create")
        }
        _ => format!("/sys/bus/mdev/devices/{}/remove", uuid(0)),
    }
}

fn set_fault(world: &World, step: &Step, kind: FaultKind) {
    let fault = Fault {
        path: file(world, step),
        on: Access::Write,
        kind,
        times: Some(1),
    };
    world.tree.kernel().set_fault(fault).expect("set");
}

/// A world where the step can be made, with how many vGPUs there are before and after it.
fn cases() -> Vec<(World, Step, usize)> {
    let mut cases = Vec::new();
    for framework in [Framework::Vfio, Framework::MdevOnFunction] {
        let world = World::small(framework);
        let step = world.creation(0, HALF);
        cases.push((world, step, 0));
        let world = World::small(framework);
        world.create(0, HALF).expect("there is room");
        let named = (framework != Framework::Vfio).then(|| uuid(0));
        let step = world.destruction(0, HALF, named);
        cases.push((world, step, 1));
    }
    cases
}

#[test]
fn each_step_refused_with_each_errno_leaves_everything_as_before() {
    for number in ERRNOS {
        for (world, step, before) in cases() {
            let errno = kernel::Errno::from_number(number);
            set_fault(&world, &step, FaultKind::Fail(errno));
            let outcome = world.apply(&world.tree, &step);
            let error = outcome.expect_err("it was refused");
            assert!(
                !matches!(error, VgpuError::Stuck { .. }),
                "{number}: {error:?}"
            );
            assert_eq!(world.on(0).len(), before, "{step}, {number}");
        }
    }
}

#[test]
fn an_answer_that_lies_is_found_out() {
    for (world, step, before) in cases() {
        set_fault(&world, &step, FaultKind::Ignore);
        let outcome = world.apply(&world.tree, &step);
        let error = outcome.expect_err("nothing has happened");
        assert!(matches!(error, VgpuError::Undone { .. }), "{error:?}");
        assert_eq!(world.on(0).len(), before, "{step}");
    }
    for number in ERRNOS {
        for (world, step, before) in cases() {
            let errno = kernel::Errno::from_number(number);
            set_fault(&world, &step, FaultKind::FailDone(errno));
            let outcome = world.apply(&world.tree, &step);
            match (before, outcome) {
                // What was taken away is away, whatever the driver says.
                (1, outcome) => {
                    outcome.expect("it is gone");
                    assert_eq!(world.on(0).len(), 0);
                }
                // "There is one" of a function that now shows one: the driver's word counts, since what is somebody
                // else's would be taken away else.
                (_, Err(VgpuError::Conflict { .. })) => {
                    assert_eq!((number, world.on(0).len()), (16, 1), "{step}");
                }
                (_, Err(error @ VgpuError::Stuck { .. })) => panic!("{step}: {error:?}"),
                (_, Err(_)) => assert_eq!(world.on(0).len(), 0, "{step}, {number}"),
                (_, Ok(_)) => panic!("{step}, {number}: it said that it failed"),
            }
        }
    }
}

#[test]
fn what_shows_late_is_waited_for_and_no_longer_than_that() {
    for (world, step, before) in cases() {
        set_fault(&world, &step, FaultKind::Delay(4));
        world.apply(&world.tree, &step).expect("it comes about");
        assert_eq!(world.on(0).len(), 1 - before, "{step}");
    }
}

#[test]
fn sriov_is_on_or_off_whatever_goes_wrong() {
    for number in ERRNOS {
        for kind in [FaultKind::Fail, FaultKind::FailDone] {
            let world = World::vfio();
            let step = Step::SetSriov {
                gpu: world.gpu,
                enabled: false,
            };
            set_fault(&world, &step, kind(kernel::Errno::from_number(number)));
            let outcome = world.apply(&world.tree, &step);
            assert!(outcome.is_err(), "{number}");
            assert_eq!(world.look().functions.len(), 16, "{number}");
        }
    }
}

#[test]
fn a_crash_at_every_operation_leaves_a_vgpu_or_none_and_is_settled_by_looking() {
    for nth in 0..cases().len() {
        let (world, step, _) = cases().swap_remove(nth);
        let whole = Mortal {
            world: &world,
            left: Cell::new(usize::MAX),
            count: Cell::new(0),
            writes: RefCell::default(),
        };
        world.apply(&whole, &step).expect("nothing goes wrong");
        let operations = whole.count.get();
        assert!(operations > 10, "{operations}");
        // Between two writes nothing changes: every operation beside one, and each ninth of the long looks.
        let writes = whole.writes.borrow();
        let beside = |at: usize| writes.iter().any(|write| write.abs_diff(at) <= 4);
        for left in (0..operations).filter(|at| beside(*at) || at % 9 == 0) {
            let (world, step, before) = cases().swap_remove(nth);
            let dies = Mortal {
                world: &world,
                left: Cell::new(left),
                count: Cell::new(0),
                writes: RefCell::default(),
            };
            let outcome = world.apply(&dies, &step);
            let now = world.on(0).len();
            assert!(now <= 1, "{step}, {left}");
            if outcome.is_ok() {
                assert_eq!(now, 1 - before, "{step}, {left}");
            }
            // The store's intent says what was meant; what is there decides, and destroying it is the way back.
            let named = step_uuid(&world);
            let back = world.destruction(0, HALF, named);
            world.apply(&world.tree, &back).expect("nobody uses it");
            assert_eq!(world.on(0).len(), 0, "{step}, {left}");
        }
    }
}

fn step_uuid(world: &World) -> Option<kerf_types::VgpuUuid> {
    let framework = world.look().framework;
    (framework == Some(kerf_types::vgpu::VgpuFramework::Mdev)).then(|| uuid(0))
}
