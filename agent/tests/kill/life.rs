//! One life of a kerfd's owner, from its start to its end or to the chosen point, where everything of it is
//! dropped.
//!
//! At a driver call the machine's fuse holds the worker back, the runtime is dropped with every task where it
//! waits, and only then the worker's calls fail. At a write the owner's task unwinds in the middle of it. What is done
//! for sharing is done by threads that nobody can end: each is held back at its next step until everything else is
//! dropped, and unwinds then. In no case does any code of the owner run that a SIGKILL would not have let run.

use std::cell::Cell;
use std::fmt;
use std::panic::{resume_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, Weak};
use std::thread;
use std::time::{Duration, Instant};

use kerf_agent::config::Config;
use kerf_agent::events::Events;
use kerf_agent::hardware::{Deadlines, Hardware, WorkerProgram};
use kerf_agent::host::sharing::copy::COPY;
use kerf_agent::host::{self, Command, HostHandle, HostView, Parts};
use kerf_agent::store::{Side, Store};
use kerf_partitioner::sharing;
use kerf_telemetry::SelfMetrics;
use kerf_types::Fence;
use nvidia_ml::fuse::Fuse;
use tokio::runtime::Builder;

use crate::lane::Lane;

/// How often the fuse is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// How often an owner looks at the hardware that was told to do so.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How long the tasks of a dead owner may take to be dropped; they do nothing meanwhile.
const FAREWELL: Duration = Duration::from_secs(60);

/// How long one life may last: whatever does not end by then waits for ever.
const LIFE_LIMIT: Duration = Duration::from_secs(120);

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

/// Whether a function of the driver changes what is on a GPU.
pub fn is_change(function: &str) -> bool {
    let words = ["Create", "Destroy", "SetMig"];
    words.iter().any(|word| function.contains(word))
}

/// What is not well, each with why.
pub fn ailments(view: &HostView) -> Vec<String> {
    let entries = view.degraded.iter();
    entries
        .map(|(what, entry)| format!("degraded: {what}: {}", entry.why))
        .collect()
}

/// Kills that were meant, and those that came: a life may end before its point.
#[derive(Debug, Default, Clone, Copy)]
pub struct Kills {
    pub meant: usize,
    pub met: usize,
}

impl Kills {
    /// A life that was to be killed has ended so.
    pub fn count<T>(&mut self, end: &End<T>) {
        self.meant += 1;
        self.met += usize::from(matches!(end, End::Killed));
    }

    /// All of them came.
    pub fn assert_met(&self) {
        let Self { meant, met } = self;
        assert!(
            meant > &0 && met == meant,
            "{met} of {meant} points were met"
        );
    }
}

impl std::ops::AddAssign for Kills {
    fn add_assign(&mut self, other: Self) {
        self.meant += other.meant;
        self.met += other.met;
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
    /// The work is done, so that the steps that are under way need not be.
    over: AtomicBool,
    /// Nothing of the owner is left but the threads of steps.
    dropped: AtomicBool,
}

impl Trigger {
    fn new(fuse: Arc<Fuse>, point: Option<Point>) -> Self {
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
    fn written(&self, side: Side) {
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
    fn stepped(&self, what: &str, side: sharing::Side) {
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

    /// Ends the thread of a step. It may tell others of its end, so nobody may be there who could do something about it.
    fn end_step(&self, what: &str) -> ! {
        // The owner's own thread ends with its task.
        let is_own = what == COPY;
        while !is_own && !self.dropped.load(Ordering::SeqCst) {
            thread::sleep(LOOK);
        }
        resume_unwind(Box::new("killed"));
    }

    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst) || self.fuse.is_blown().expect("the fuse")
    }

    async fn death(&self) {
        while !self.is_dead() {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn passed(&self) -> Passed {
        let before = usize::try_from(self.before.load(Ordering::SeqCst)).expect("a count");
        let names = self.fuse.names().expect("the fuse");
        Passed {
            calls: names.into_iter().skip(before).collect(),
            writes: self.writes.load(Ordering::SeqCst),
            steps: self.steps.lock().expect("no panic").clone(),
        }
    }
}

/// What is there while an owner lives.
#[derive(Clone)]
pub struct Alive {
    pub host: HostHandle,
    pub trigger: Arc<Trigger>,
    config: Arc<Config>,
    metrics: Arc<SelfMetrics>,
}

impl Alive {
    /// Whether the chosen point was met.
    pub fn is_dead(&self) -> bool {
        self.trigger.is_dead()
    }

    /// From now on the owner looks at the hardware by itself; drills have it do so only when they say.
    pub async fn look_often(&self) {
        let mut config = Config::clone(&self.config);
        config.driver.look_interval = LOOK_INTERVAL;
        let config = Arc::new(config);
        self.host.tell(Command::Reconfigure { config }).await;
    }

    /// Waits until it has looked so many times more.
    pub async fn looks(&self, count: u64) {
        let outcomes = [["well"], ["degraded"]];
        let runs = &self.metrics.reconcile_runs;
        let so_far = || {
            outcomes
                .map(|outcome| runs.get(outcome))
                .iter()
                .sum::<u64>()
        };
        let last = so_far() + count;
        while so_far() < last && !self.is_dead() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The picture once the hardware was looked at, and what was open is finished or undone.
    pub async fn looked(&self) -> Arc<HostView> {
        let mut views = self.host.watch();
        let looked = |view: &Arc<HostView>| !view.degraded.contains_key("starting");
        // An owner that dies meanwhile is seen by its trigger.
        drop(views.wait_for(looked).await);
        self.host.view()
    }
}

/// How a life ended.
pub enum End<T> {
    /// What was to be done is done.
    Done(T),
    /// At the chosen point.
    Killed,
}

/// The runtime of an owner that is killed says so to whoever waits in it, by a panic. Nobody shall read these, and a
/// trace of each would take longer than the drill.
fn hush() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            let words = panic.payload_as_str().unwrap_or_default();
            if !words.contains("it is being shutdown") {
                usual(panic);
            }
        }));
    });
}

/// Whether a step of sharing only asks.
fn is_question(what: &str) -> bool {
    what.starts_with("get_") || what.ends_with(" --list")
}

/// Waits until an owner is dropped.
fn await_end(owner: &Weak<()>) {
    let end = Instant::now() + FAREWELL;
    while owner.strong_count() > 0 {
        assert!(Instant::now() < end, "an owner is not dropped");
        thread::sleep(LOOK);
    }
}

impl Lane {
    /// Starts an owner that finds what a killed one has left; what is not well once it has looked.
    pub fn recover(&self, point: Option<Point>) -> (End<Vec<String>>, Passed) {
        self.live(point, true, async |alive: Alive| {
            ailments(&*alive.looked().await)
        })
    }

    /// Starts an owner, armed from the beginning if `early`, does some work with it, and ends it: with what the
    /// work gave, or at `point`.
    pub fn live<T, Work>(
        &self,
        point: Option<Point>,
        early: bool,
        work: impl FnOnce(Alive) -> Work,
    ) -> (End<T>, Passed)
    where
        Work: Future<Output = T>,
    {
        hush();
        self.fuse.reset().expect("the fuse");
        let trigger = Arc::new(Trigger::new(Arc::clone(&self.fuse), point));
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let owner = Arc::new(());
        let is_there = Arc::downgrade(&owner);
        let parts = self.parts(&trigger, owner);
        let metrics = Arc::clone(&parts.metrics);
        if early {
            trigger.arm();
        }
        let whole = async {
            // A task of its own: a write before the first look may be the one that kills.
            let started = tokio::spawn(host::start(parts)).await;
            let Ok(Ok((host, _owner))) = started else {
                trigger.death().await;
                return None;
            };
            let alive = Alive {
                host,
                trigger: Arc::clone(&trigger),
                config: Arc::clone(&self.config),
                metrics,
            };
            Some(work(alive).await)
        };
        let end = runtime.block_on(async {
            let limited = tokio::time::timeout(LIFE_LIMIT, async {
                tokio::select! {
                    biased;
                    () = trigger.death() => None,
                    done = whole => done,
                }
            });
            limited.await.expect("an owner does not wait for ever")
        });
        // The work may have seen the death before we did.
        let end = end.filter(|_| !trigger.is_dead());
        let passed = trigger.passed();
        trigger.over.store(true, Ordering::SeqCst);
        let farewell = thread::spawn(move || runtime.shutdown_timeout(FAREWELL));
        await_end(&is_there);
        trigger.dropped.store(true, Ordering::SeqCst);
        farewell.join().expect("no panic");
        self.fuse.kill().expect("the fuse");
        self.quiesce();
        (end.map_or(End::Killed, End::Done), passed)
    }

    /// The parts of an owner, which has this for as long as it is there.
    fn parts(&self, trigger: &Arc<Trigger>, owner: Arc<()>) -> Parts {
        let mut parts = self.unwatched_parts();
        let told = Arc::clone(trigger);
        parts.store.watch(move |side| {
            let _owner = &owner;
            told.written(side);
        });
        let told = Arc::clone(trigger);
        parts
            .tools
            .watch(move |what, side| told.stepped(what, side));
        parts
    }

    /// The parts of an owner that nobody kills.
    pub fn unwatched_parts(&self) -> Parts {
        let paths = &self.config.paths;
        let metrics = Arc::new(SelfMetrics::try_new().expect("metrics"));
        let seen = host::highest_fence_seen(&paths.run_dir);
        let store = Store::open(&paths.state_dir, host::now(), Fence(seen.0)).expect("a store");
        let driver = self.config.driver;
        let hardware = Hardware::new(
            WorkerProgram {
                program: paths.partitioner.clone(),
                nvml: paths.nvml.clone(),
                sysroot: paths.sysroot.clone(),
                simulated: self.simulated.clone(),
                records: paths.run_dir.join("workers"),
                socket: paths.run_dir.join("partitioner.sock"),
            },
            Deadlines {
                call: driver.call_deadline,
                open: driver.open_deadline,
                step: driver.step_deadline,
            },
            Arc::clone(&metrics),
        );
        Parts {
            config: Arc::clone(&self.config),
            hardware: Arc::new(hardware),
            store,
            tools: host::sharing::tools(&self.config),
            events: Events::default(),
            metrics,
        }
    }
}
