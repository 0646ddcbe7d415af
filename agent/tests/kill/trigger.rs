//! Where an owner is killed: points are counted as it passes them, and at the chosen one it ends.
//!
//! Whoever is told of a point is the thread that is at it. The owner's own unwinds there; a thread that works for it waits
//! until nothing else of it is left, for it may tell others of its end.

use std::cell::Cell;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kerf_agent::host::sharing::copy::COPY;
use kerf_agent::store::Side;
use kerf_partitioner::sharing;
use nvidia_ml::fuse::Fuse;

/// How often the fuse is looked at.
pub const LOOK: Duration = Duration::from_millis(1);

/// Where an owner is killed, counted from zero since it was armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Before this driver call.
    Call(u64),
    /// On this side of this write to the store.
    Write(u64, Side),
    /// On this side of this step of sharing that changes something.
    Step(u64, Side),
}

thread_local! {
    /// Which step of sharing this thread is in, where it counts.
    static STEP: Cell<Option<u64>> = const { Cell::new(None) };
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(number) => write!(f, "driver call {number}"),
            Self::Write(number, Side::Before) => write!(f, "before write {number}"),
            Self::Write(number, Side::After) => write!(f, "after write {number}"),
            Self::Step(number, Side::Before) => write!(f, "before step {number}"),
            Self::Step(number, Side::After) => write!(f, "after step {number}"),
        }
    }
}

/// How many points an owner passed while armed, and the functions of the driver that it called.
#[derive(Debug, Clone, Default)]
pub struct Passed {
    pub calls: Vec<String>,
    pub writes: u64,
    /// Steps of sharing, in words.
    pub steps: Vec<String>,
}

impl Passed {
    /// Every point of such a life beside the steps of sharing.
    pub fn points(&self) -> Vec<Point> {
        let calls = u64::try_from(self.calls.len()).expect("a count");
        let writes = (0..self.writes)
            .flat_map(|number| [Side::Before, Side::After].map(|side| Point::Write(number, side)));
        (0..calls).map(Point::Call).chain(writes).collect()
    }
}

/// Counts points, and kills at the chosen one.
pub struct Trigger {
    fuse: Arc<Fuse>,
    point: Option<Point>,
    armed: AtomicBool,
    before: AtomicU64,
    writes: AtomicU64,
    steps: Mutex<Vec<String>>,
    dead: AtomicBool,
    over: AtomicBool,
    dropped: AtomicBool,
}

impl Trigger {
    /// For one life, which ends at the point, if there is one.
    pub fn new(fuse: Arc<Fuse>, point: Option<Point>) -> Self {
        Self {
            fuse,
            point,
            armed: AtomicBool::new(false),
            before: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            steps: Mutex::default(),
            dead: AtomicBool::new(false),
            over: AtomicBool::new(false),
            dropped: AtomicBool::new(false),
        }
    }

    /// From now on points count.
    pub fn arm(&self) {
        let calls = self.fuse.calls().expect("the fuse");
        self.before.store(calls, Ordering::SeqCst);
        if let Some(Point::Call(number)) = self.point {
            self.fuse.blow_after(number).expect("the fuse");
        }
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Told of each write, by the owner's own thread.
    pub fn written(&self, side: Side) {
        if !self.armed.load(Ordering::SeqCst) {
            return;
        }
        let number = match side {
            Side::Before => self.writes.load(Ordering::SeqCst),
            Side::After => self.writes.fetch_add(1, Ordering::SeqCst),
        };
        if self.point == Some(Point::Write(number, side)) {
            self.dead.store(true, Ordering::SeqCst);
            // Not a panic, which would be printed.
            resume_unwind(Box::new("killed"));
        }
    }

    /// Told of each step of sharing, by whichever thread takes it.
    pub fn stepped(&self, what: &str, side: sharing::Side) {
        if self.over.load(Ordering::SeqCst) || self.is_dead() {
            self.end_step(what);
        }
        if !self.armed.load(Ordering::SeqCst) || is_question(what) {
            return;
        }
        let point = match side {
            sharing::Side::Before => {
                let mut steps = self.steps.lock().expect("no panic");
                let number = u64::try_from(steps.len()).expect("a count");
                steps.push(what.to_owned());
                STEP.set(Some(number));
                Some(Point::Step(number, Side::Before))
            }
            sharing::Side::After => STEP.take().map(|number| Point::Step(number, Side::After)),
        };
        if point.is_some() && point == self.point {
            self.dead.store(true, Ordering::SeqCst);
            self.end_step(what);
        }
    }

    /// The work is done: what is under way need not be.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Nothing of the owner is left but the threads of steps.
    pub fn release(&self) {
        self.dropped.store(true, Ordering::SeqCst);
    }

    /// Ends the thread of a step. It may tell others of its end, so nobody may be there who could do something about it.
    fn end_step(&self, what: &str) -> ! {
        // The owner's own thread ends with its task.
        let is_own = what == COPY;
        while !is_own && !self.dropped.load(Ordering::SeqCst) {
            thread::sleep(LOOK);
        }
        resume_unwind(Box::new("killed"));
    }

    /// Whether the chosen point was met.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst) || self.fuse.is_blown().expect("the fuse")
    }

    /// Waits until it is.
    pub async fn death(&self) {
        while !self.is_dead() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What was passed by now.
    pub fn passed(&self) -> Passed {
        let before = usize::try_from(self.before.load(Ordering::SeqCst)).expect("a count");
        let names = self.fuse.names().expect("the fuse");
        Passed {
            calls: names.into_iter().skip(before).collect(),
            writes: self.writes.load(Ordering::SeqCst),
            steps: self.steps.lock().expect("no panic").clone(),
        }
    }
}

/// Whether a step of sharing only asks.
fn is_question(what: &str) -> bool {
    what.starts_with("get_") || what.ends_with(" --list")
}
