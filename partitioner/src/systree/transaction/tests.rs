//! All or none, on a simulated kernel: every write refused with every errno, lies, crashes at every operation.

mod crash;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use nix::errno::Errno;
use nvidia_ml::kernel::Kernel;
use nvidia_ml::kernel::state::{Access, Fault, FaultKind};

use super::{Before, Change, Condition, Done, Left, Outcome, Patience, Refusal, Undo, run};
use crate::systree::{Operation, SimTree, SysTree, TreeError, fact};

/// GPUs that one transaction changes: every eighth card is a GPU's own.
const GPUS: [u32; 3] = [0, 1, 2];

fn path(gpu: u32) -> String {
    let card = gpu * 8;
    format!("/sys/class/drm/card{card}/device/current_compute_partition")
}

fn machine() -> SimTree {
    SimTree::new(Kernel::in_memory("mi300x8", 1).expect("AMD GPUs"))
}

fn modes(tree: &dyn SysTree) -> [String; 3] {
    GPUS.map(|gpu| fact(tree, &path(gpu)).expect("a mode"))
}

/// So many looks at each change, and no time.
struct Looks(u32, u32);

impl Looks {
    fn few() -> Self {
        Self(3, 0)
    }
}

impl Patience for Looks {
    fn wait(&mut self) -> bool {
        let more = self.1 < self.0;
        self.1 += 1;
        more
    }

    fn begin(&mut self) {
        self.1 = 0;
    }
}

fn change(gpu: u32, mode: &str) -> Change<'static> {
    Change {
        path: path(gpu),
        value: mode.to_owned(),
        before: Before::Any,
        done: Done::ReadsBack,
        undo: Undo::Restore,
    }
}

fn changes(mode: &str) -> Vec<Change<'static>> {
    GPUS.map(|gpu| change(gpu, mode)).into()
}

/// A tree on which things go wrong at chosen operations, counted from 0: reads, lists and writes alike.
struct Rigged<'a> {
    tree: &'a dyn SysTree,
    count: Cell<usize>,
    /// Refused, without effect.
    refused: RefCell<BTreeMap<usize, Errno>>,
    /// From here on nothing happens any more: the process is dead.
    dead_from: Option<usize>,
}

impl<'a> Rigged<'a> {
    fn new(tree: &'a dyn SysTree) -> Self {
        Self {
            tree,
            count: Cell::new(0),
            refused: RefCell::default(),
            dead_from: None,
        }
    }

    fn next(&self, operation: Operation, path: &str) -> Result<(), TreeError> {
        let at = self.count.replace(self.count.get() + 1);
        let dead = self.dead_from.is_some_and(|from| at >= from);
        let errno = match self.refused.borrow_mut().remove(&at) {
            None if !dead => return Ok(()),
            errno => errno.unwrap_or(Errno::EINTR),
        };
        let path = path.to_owned();
        Err(TreeError::Refused {
            operation,
            path,
            errno,
        })
    }
}

impl SysTree for Rigged<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        self.next(Operation::Read, path)?;
        self.tree.read(path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, TreeError> {
        self.next(Operation::List, path)?;
        self.tree.list(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        self.next(Operation::Write, path)?;
        self.tree.write(path, bytes)
    }

    fn link(&self, path: &str) -> Result<String, TreeError> {
        self.next(Operation::Link, path)?;
        self.tree.link(path)
    }
}

fn set_fault(tree: &SimTree, gpu: u32, kind: FaultKind) {
    let fault = Fault {
        path: path(gpu),
        on: Access::Write,
        kind,
        times: Some(1),
    };
    tree.kernel().set_fault(fault).expect("set");
}

#[test]
fn what_holds_already_is_not_written() {
    let tree = machine();
    let outcome = run(&tree, &changes("CPX"), &mut Looks::few());
    assert_eq!(outcome, Outcome::Done { written: 3 });
    assert_eq!(modes(&tree), ["CPX", "CPX", "CPX"]);
    // A write would be refused.
    for gpu in GPUS {
        set_fault(&tree, gpu, FaultKind::Fail(nvidia_ml::kernel::Errno::EIO));
    }
    let outcome = run(&tree, &changes("CPX"), &mut Looks::few());
    assert_eq!(outcome, Outcome::Done { written: 0 });
}

#[test]
fn each_write_refused_with_each_errno_leaves_everything_as_before() {
    let errnos = [1, 5, 11, 12, 13, 16, 19, 22, 28, 30, 110];
    for gpu in GPUS {
        for number in errnos {
            let tree = machine();
            let errno = nvidia_ml::kernel::Errno::from_number(number);
            set_fault(&tree, gpu, FaultKind::Fail(errno));
            let outcome = run(&tree, &changes("CPX"), &mut Looks::few());
            let Outcome::Undone { reason } = outcome else {
                panic!("GPU {gpu}, errno {number}: {outcome:?}")
            };
            assert_eq!(reason.errno(), Some(Errno::from_raw(number)));
            assert_eq!(modes(&tree), ["SPX", "SPX", "SPX"], "GPU {gpu}, {number}");
        }
    }
}

#[test]
fn a_write_that_lies_is_found_out() {
    for gpu in GPUS {
        let tree = machine();
        set_fault(&tree, gpu, FaultKind::Ignore);
        let outcome = run(&tree, &changes("CPX"), &mut Looks::few());
        let reason = Refusal::NotDone {
            path: path(gpu),
            value: "CPX".to_owned(),
            missing: "\"CPX\" to be read there (\"SPX\")".to_owned(),
        };
        assert_eq!(outcome, Outcome::Undone { reason });
        assert_eq!(modes(&tree), ["SPX", "SPX", "SPX"], "GPU {gpu}");
        // An error that hides a change: it is taken back with the others.
        let errno = nvidia_ml::kernel::Errno::EIO;
        set_fault(&tree, gpu, FaultKind::FailDone(errno));
        let outcome = run(&tree, &changes("CPX"), &mut Looks::few());
        assert!(matches!(outcome, Outcome::Undone { .. }), "{outcome:?}");
        assert_eq!(modes(&tree), ["SPX", "SPX", "SPX"], "GPU {gpu}");
    }
}

#[test]
fn undoing_goes_on_after_a_failure_and_lists_what_is_left() {
    let tree = machine();
    let rigged = Rigged::new(&tree);
    // Three operations make a change: look, write, look. The third change's write is refused, and then the
    // undoing of the second: look, write, and looks until patience is over.
    rigged.refused.borrow_mut().insert(7, Errno::EBUSY);
    rigged.refused.borrow_mut().insert(11, Errno::EIO);
    let outcome = run(&rigged, &changes("QPX"), &mut Looks::few());
    let left = Left {
        path: path(1),
        why: format!("write {}: EIO: I/O error", path(1)),
    };
    let reason = Refusal::Write {
        path: path(2),
        value: "QPX".to_owned(),
        cause: TreeError::Refused {
            operation: Operation::Write,
            path: path(2),
            errno: Errno::EBUSY,
        },
    };
    let left = vec![left];
    assert_eq!(outcome, Outcome::Stuck { reason, left });
    assert_eq!(modes(&tree), ["SPX", "QPX", "SPX"], "the first was undone");
}

#[test]
fn what_somebody_else_changed_is_left_to_them() {
    let tree = machine();
    tree.write(&path(1), b"DPX").expect("nobody uses it");
    let mut both = changes("CPX");
    for one in &mut both {
        one.before = Before::Is("SPX".to_owned());
    }
    let reason = Refusal::Conflict {
        path: path(1),
        found: "DPX".to_owned(),
        expected: "SPX".to_owned(),
    };
    let outcome = run(&tree, &both, &mut Looks::few());
    assert_eq!(outcome, Outcome::Undone { reason });
    assert_eq!(modes(&tree), ["SPX", "DPX", "SPX"]);
    // But what holds already needs no expectation.
    tree.write(&path(1), b"CPX").expect("nobody uses it");
    let outcome = run(&tree, &both, &mut Looks::few());
    assert_eq!(outcome, Outcome::Done { written: 2 });
}

#[test]
fn a_request_that_cannot_be_taken_back_is_said_to_stand() {
    let tree = machine();
    let request = || Change {
        path: path(0).replace("compute", "memory"),
        value: "NPS4".to_owned(),
        before: Before::Any,
        done: Done::Accepted,
        undo: Undo::Impossible,
    };
    let outcome = run(&tree, &[request(), change(1, "TPX")], &mut Looks::few());
    let Outcome::Stuck { left, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].why, "it cannot be taken back");
    // One that was refused stands nowhere.
    let mut wrong = request();
    wrong.value = "NPS8".to_owned();
    let outcome = run(&tree, &[wrong], &mut Looks::few());
    assert!(matches!(outcome, Outcome::Undone { .. }), "{outcome:?}");
}

/// So many KFD nodes.
#[derive(Debug)]
struct NodeCount(usize);

impl Condition for NodeCount {
    fn holds(&self, tree: &dyn SysTree) -> Result<bool, TreeError> {
        let nodes = tree.list("/sys/class/kfd/kfd/topology/nodes")?;
        Ok(nodes.len() == self.0)
    }

    fn words(&self) -> String {
        format!("{} nodes", self.0)
    }
}

fn with_nodes(mode: &str, nodes: usize) -> Change<'static> {
    Change {
        done: Done::ReadsBackAnd(Box::new(NodeCount(nodes))),
        undo: Undo::RestoreAnd(Box::new(NodeCount(10))),
        ..change(0, mode)
    }
}

#[test]
fn what_follows_from_a_write_is_waited_for_as_long_as_patience_lasts() {
    let tree = machine();
    set_fault(&tree, 0, FaultKind::Delay(3));
    let outcome = run(&tree, &[with_nodes("CPX", 17)], &mut Looks::few());
    assert_eq!(outcome, Outcome::Done { written: 1 });
    tree.write(&path(0), b"SPX").expect("nobody uses it");
    set_fault(&tree, 0, FaultKind::Delay(100));
    let outcome = run(&tree, &[with_nodes("CPX", 17)], &mut Looks::few());
    let reason = Refusal::NotDone {
        path: path(0),
        value: "CPX".to_owned(),
        missing: "17 nodes".to_owned(),
    };
    assert_eq!(outcome, Outcome::Undone { reason });
    assert_eq!(modes(&tree), ["SPX", "SPX", "SPX"]);
    // A crash after the write: the value is right already, what follows from it is still awaited.
    set_fault(&tree, 0, FaultKind::Delay(3));
    tree.write(&path(0), b"CPX").expect("nobody uses it");
    let outcome = run(&tree, &[with_nodes("CPX", 17)], &mut Looks::few());
    assert_eq!(outcome, Outcome::Done { written: 0 });
}

#[test]
fn files_that_only_take_values_are_judged_by_what_follows() {
    let tree = machine();
    let of = |value: &str, nodes| Change {
        path: path(0),
        value: value.to_owned(),
        before: Before::Any,
        done: Done::Holds(Box::new(NodeCount(nodes))),
        undo: Undo::Write {
            path: path(0),
            value: "SPX".to_owned(),
            done: Box::new(NodeCount(10)),
        },
    };
    let outcome = run(&tree, &[of("QPX", 13)], &mut Looks::few());
    assert_eq!(outcome, Outcome::Done { written: 1 });
    let outcome = run(&tree, &[of("QPX", 13)], &mut Looks::few());
    assert_eq!(outcome, Outcome::Done { written: 0 });
    let outcome = run(&tree, &[of("CPX", 99)], &mut Looks::few());
    assert!(matches!(outcome, Outcome::Undone { .. }), "{outcome:?}");
    assert_eq!(modes(&tree), ["SPX", "SPX", "SPX"]);
}
