//! One life of a kerfd's owner, from its start to its end or to the chosen point, where everything of it is
//! dropped.
//!
//! At a driver call the machine's fuse holds the worker back, the runtime is dropped with every task where it
//! waits, and only then the worker's calls fail. At a write the owner's task unwinds in the middle of it. What is done
//! for sharing is done by threads that nobody can end: each is held back at its next step until everything else is
//! dropped, and unwinds then. In no case does any code of the owner run that a SIGKILL would not have let run.

use std::panic::{set_hook, take_hook};
use std::sync::{Arc, Once, Weak};
use std::thread;
use std::time::{Duration, Instant};

use kerf_agent::config::Config;
use kerf_agent::events::Events;
use kerf_agent::hardware::worker::Kind;
use kerf_agent::hardware::{Deadlines, Hardware, WorkerProgram};
use kerf_agent::host::{self, Command, HostHandle, HostView, Parts};
use kerf_agent::process::workers::Processes;
use kerf_agent::store::Store;
use kerf_telemetry::SelfMetrics;
use kerf_types::Fence;
use tokio::runtime::Builder;

use crate::lane::Lane;
use crate::trigger::{LOOK, Trigger};
pub use crate::trigger::{Passed, Point};

/// How often an owner looks at the hardware that was told to do so.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How long the tasks of a dead owner may take to be dropped; they do nothing meanwhile.
const FAREWELL: Duration = Duration::from_secs(60);

/// How long one life may last: whatever does not end by then waits for ever.
const LIFE_LIMIT: Duration = Duration::from_secs(120);

/// Whether a function of the driver changes what is on a GPU.
pub fn is_change(function: &str) -> bool {
    let words = ["Create", "Destroy", "SetMig"];
    words.iter().any(|word| function.contains(word))
}

/// What a lane has in place of the program for the worker that looks for containers: what is not well for that alone is
/// these tests' own making.
pub const NO_PROGRAM: &str = "no-partitioner";

/// What is not well, each with why.
pub fn ailments(view: &HostView) -> Vec<String> {
    let entries = view.degraded.iter();
    let is_ours = |what: &str, why: &str| what == "process worker" && why.contains(NO_PROGRAM);
    let found = entries.filter(|(what, entry)| !is_ours(what, &entry.why));
    found
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
        trigger.end();
        let farewell = thread::spawn(move || runtime.shutdown_timeout(FAREWELL));
        await_end(&is_there);
        trigger.release();
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
                kind: Kind::Hardware,
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
            processes: Processes::of(paths),
            store,
            tools: host::sharing::tools(&self.config),
            events: Events::default(),
            metrics,
        }
    }
}
