//! One change of how a GPU is shared: its run to the end, and what becomes of it when its owner is killed at a point and
//! the next one makes good what that left.

use std::fs;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kerf_agent::config::Config;
use kerf_agent::host::HostView;
use kerf_partitioner::sharing::Tools;
use kerf_tests::bins;
use kerf_tests::world::leftovers;
use kerf_types::Bytes;
use kerf_types::sharing::Mps;

use super::picture::{Daemon, Picture, pids, record};
use super::scenes::{BESIDE, Scene};
use crate::course::at_rest;
use crate::image::Image;
use crate::lane::Lane;
use crate::life::{Alive, End, Passed, Point, ailments};
use crate::script::{Op, Runtime, carry_out};

/// How long an owner may take until all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long nothing new is shown until the hardware is looked at, as it is every few seconds elsewhere.
const STILL: Duration = Duration::from_millis(500);

/// A course.
pub struct Course {
    pub scene: Scene,
    lane: Home,
    runtime: Runtime,
    base: Image,
    /// The daemons of GPU 0 then.
    before: Vec<Daemon>,
    /// The daemon of GPU 1.
    beside: Daemon,
    /// Before the change, and after it.
    shapes: [String; 2],
    pub passed: Passed,
}

/// A machine of two GPUs with the vendor's tools, whose daemons end with it.
struct Home(Lane);

impl Home {
    /// Not in memory: a daemon has a folder of its own where `/dev/shm` is.
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("kk-").tempdir_in("/tmp");
        let mut lane = Lane::in_folder(folder.expect("a folder"), "h100x8", 2);
        let mut config = Config::clone(&lane.config);
        config.paths.partitioner = bins::partitioner().expect("cargo build -p kerf-partitioner");
        lane.config = Arc::new(config);
        Self(lane)
    }
}

impl Deref for Home {
    type Target = Lane;

    fn deref(&self) -> &Lane {
        &self.0
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        leftovers::kill_all(&pids(self));
    }
}

/// What a kill left.
pub struct Kill {
    /// Whether somebody was told that the layout is there.
    answered: bool,
    pub end: End<()>,
}

impl Course {
    /// Runs a change to its end.
    pub fn new(scene: Scene) -> Self {
        let (lane, runtime) = (Home::new(), Runtime::start());
        let begun = [
            Op::apply(BESIDE, true),
            Op::Reserve {
                ask: "gpu,mps".to_owned(),
                holder: "beside".to_owned(),
            },
            Op::apply(scene.old, true),
        ];
        let (end, _) = lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            for op in &begun {
                let done = carry_out(&alive.host, &runtime, op).await;
                done.unwrap_or_else(|error| panic!("{}, {op:?}: {error}", scene.name));
            }
            settled(&alive, &lane).await
        });
        let known = done(end);
        let picture = Picture::take(&lane);
        assert_eq!(picture.faults(&known.daemons), [""; 0], "{}", scene.name);
        assert_eq!(known.unwell, [""; 0], "{}", scene.name);
        let of = |gpu: &'static str| {
            let daemons = picture.daemons.iter();
            let own = daemons.filter(move |(device, _)| device.starts_with(gpu));
            own.flat_map(|(_, daemons)| daemons.clone())
        };
        let mut course = Self {
            base: Image::take(&lane),
            before: of("gpu 0").collect(),
            beside: of("gpu 1").next().expect("its daemon"),
            shapes: [picture.shape(), String::new()],
            passed: Passed::default(),
            scene,
            lane,
            runtime,
        };
        course.run_through();
        course
    }

    /// The change from its base to its end, and what it passes.
    fn run_through(&mut self) {
        let (kill, passed) = self.kill(None);
        assert!(kill.answered, "{}", self.scene.name);
        let (end, _) = self.recover(None);
        let recovered = done(end);
        assert_eq!(recovered.faults, [""; 0], "{}", self.scene.name);
        self.shapes[1] = recovered.shape;
        assert_ne!(self.shapes[0], self.shapes[1], "{}", self.scene.name);
        self.passed = passed;
    }

    /// Everything as it was before the change. A daemon that has ended cannot be put back, so another one is started.
    fn put_back(&self) {
        let mut own = pids(&self.lane);
        own.retain(|pid| *pid != self.beside.pid);
        leftovers::kill_all(&own);
        self.base.put_back(&self.lane);
        let folder = self.lane.config.paths.run_dir.join("mps");
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path() != self.beside.place.run {
                fs::remove_dir_all(entry.path()).expect("a folder of ours");
            }
        }
        let paths = &self.lane.config.paths;
        let tools = Tools::under(&paths.sysroot, paths.partitioner.clone());
        for Daemon { place, limits, .. } in &self.before {
            let started = tools.mps_start(place, &as_limits(limits));
            started.expect("an idle device");
        }
    }

    /// Begins from the base and is killed at the point, if there is one.
    pub fn kill(&self, point: Option<Point>) -> (Kill, Passed) {
        self.put_back();
        let answered = AtomicBool::new(false);
        let (end, passed) = self.lane.live(point, false, async |alive: Alive| {
            at_rest(&alive).await;
            let op = Op::apply(self.scene.new, true);
            let outcome = carry_out(&alive.host, &self.runtime, &op).await;
            if outcome.is_ok() && !alive.is_dead() {
                answered.store(true, Ordering::SeqCst);
            }
            // The last point may be behind the answer.
            alive.host.drain().await;
        });
        let answered = answered.into_inner();
        (Kill { answered, end }, passed)
    }

    /// The next owner makes good what is there, and is killed at the point, if there is one.
    pub fn recover(&self, point: Option<Point>) -> (End<Recovered>, Passed) {
        self.lane.live(point, true, async |alive: Alive| {
            let known = settled(&alive, &self.lane).await;
            let picture = Picture::take(&self.lane);
            let mut faults = picture.faults(&known.daemons);
            faults.extend(known.unwell);
            if picture.daemons.get("gpu 1") != Some(&vec![self.beside.clone()]) {
                faults.push(format!("beside it {:?}", picture.daemons.get("gpu 1")));
            }
            Recovered {
                shape: picture.shape(),
                faults,
            }
        })
    }

    /// What is wrong once the next owner has made good what it found; then the change is made all the same.
    pub fn judge(&self, kill: &Kill, recovered: Recovered) -> Vec<String> {
        let Recovered { shape, mut faults } = recovered;
        let [old, new] = &self.shapes;
        if shape != *new && (kill.answered || shape != *old) {
            faults.push(format!(
                "a third state:\n{shape}\nneither\n{old}\nnor\n{new}"
            ));
        }
        if shape == *new && faults.is_empty() {
            return faults;
        }
        let (end, _) = self.lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            let op = Op::apply(self.scene.new, true);
            let outcome = carry_out(&alive.host, &self.runtime, &op).await;
            let mut known = settled(&alive, &self.lane).await;
            let refused = outcome.err();
            let refused = refused.map(|error| kerf_agent::errors::chain(&error));
            known.unwell.extend(refused);
            known
        });
        let (known, picture) = (done(end), Picture::take(&self.lane));
        let after = picture.faults(&known.daemons).into_iter();
        let after = after.chain(known.unwell);
        faults.extend(after.map(|fault| format!("applied again: {fault}")));
        if picture.shape() != *new {
            faults.push(format!("applied again:\n{}\nnot\n{new}", picture.shape()));
        }
        faults
    }
}

/// What a recovered owner leads to.
pub struct Recovered {
    pub shape: String,
    pub faults: Vec<String>,
}

/// What a settled owner shows.
struct Known {
    /// Processes of daemons.
    daemons: Vec<u32>,
    /// What is not well, though it had its time.
    unwell: Vec<String>,
}

/// Waits until all is well, or for as long as it may take.
async fn settled(alive: &Alive, lane: &Lane) -> Known {
    let mut views = alive.host.watch();
    alive.looked().await;
    let end = Instant::now() + PATIENCE;
    loop {
        let view = views.borrow_and_update().clone();
        let known = known(&view, lane);
        if known.unwell.is_empty() || alive.is_dead() || Instant::now() >= end {
            return known;
        }
        if tokio::time::timeout(STILL, views.changed()).await.is_err() {
            alive.host.refresh().await;
        }
    }
}

fn known(view: &HostView, lane: &Lane) -> Known {
    let mut unwell = ailments(view);
    let record = record(lane);
    let unsettled = record["unsettled"].as_array();
    if unsettled.is_some_and(|gpus| !gpus.is_empty()) {
        unwell.push(format!("not settled: {record}"));
    }
    let mut daemons = Vec::new();
    for (gpu, shared) in &view.shared {
        for (device, state) in &shared.devices {
            daemons.extend(state.daemon);
            let obstacle = state.obstacle.iter();
            unwell.extend(obstacle.map(|why| format!("{device}: {why}")));
        }
        if !shared.settled {
            unwell.push(format!("{gpu} is not settled"));
        }
    }
    Known { daemons, unwell }
}

fn done<T>(end: End<T>) -> T {
    match end {
        End::Done(done) => done,
        End::Killed => panic!("nothing kills it"),
    }
}

/// Limits as a daemon tells them.
fn as_limits([threads, memory]: &[String; 2]) -> Mps {
    let word = |said: &str| said.strip_prefix("ok").map(|said| said.trim().to_owned());
    let threads = word(threads).and_then(|said| said.split('.').next()?.parse().ok());
    let memory = word(memory).and_then(|said| match said.strip_suffix('G') {
        Some(gib) => Some(Bytes(gib.parse::<u64>().ok()? << 30)),
        None => Some(Bytes(said.strip_suffix('M')?.parse::<u64>().ok()? << 20)),
    });
    Mps {
        clients: std::num::NonZeroU32::MIN,
        threads,
        memory,
    }
}
