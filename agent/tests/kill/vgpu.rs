//! vGPUs: the owner killed at every driver call, write under `/sys` and side of a commit, while it makes one and takes
//! it away. Afterwards the vGPU is whole and has its record, or both are gone; virtual functions are on or off as they
//! were then; and whatever others made is untouched.

mod earlier;
mod functions;
mod late;
mod picture;
mod race;
mod refused;
mod scenes;
mod told;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kerf_agent::host::vgpu::{NewVgpu, OldVgpu, VgpuWish};
use kerf_agent::host::{Command, HostError, HostHandle};
use kerf_api::json::history::Requester;

use crate::course::at_rest;
use crate::drill::POINTS_ENV;
use crate::image::Image;
use crate::judge::assert_no_faults;
use crate::lane::Lane;
use crate::lanes::on_lanes;
use crate::life::{Alive, End, Kills, Passed, Point};
use picture::Picture;
use scenes::{Ask, SCENES, Scene};

/// Calls of one recovery that are drilled, next to its writes.
const CALLS_OF_A_RECOVERY: usize = 2;

/// Points of a recovery that are drilled where the whole drill was not asked for.
const OF_A_RECOVERY: usize = 8;

/// For whom vGPUs are made.
const USER: Requester = Requester {
    uid: 1_000,
    gid: Some(1_000),
    pid: None,
};

/// How the asks of a scene go when nothing disturbs them.
struct Course {
    scene: &'static Scene,
    lane: Lane,
    base: Image,
    strangers: Picture,
    /// Before the first ask, and after each.
    pictures: Vec<Picture>,
    passed: Passed,
}

/// Asks the owner for one thing.
async fn carry_out(host: &HostHandle, ask: Ask) -> Result<(), HostError> {
    match ask {
        Ask::Create { kind, placement } => {
            let wish = NewVgpu {
                gpu: "0".to_owned(),
                kind: kind.to_owned(),
                function: None,
                placement,
                enable_sriov: true,
                for_containers: false,
                by: USER,
            };
            let made = host.ask(|reply| Command::vgpu(VgpuWish::Create(wish), reply));
            made.await.map(drop)
        }
        Ask::Delete { disable_sriov } => {
            let shown = Arc::clone(&host.view().vgpu_gpus);
            let mut rows = shown.iter().flat_map(|(_, rows)| rows.clone());
            let row = rows.next().expect("the one that was made");
            let wish = OldVgpu {
                name: row.uuid.unwrap_or(row.function),
                fence: Some(row.fence),
                disable_sriov,
                by: USER,
            };
            let gone = host.ask(|reply| Command::vgpu(VgpuWish::Delete(wish), reply));
            gone.await.map(drop)
        }
    }
}

impl Course {
    fn new(scene: &'static Scene) -> Self {
        let lane = scene.lane();
        let (base, strangers) = (Image::take(&lane), Picture::take(&lane));
        let (end, passed) = lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            let mut pictures = vec![Picture::take(&lane)];
            for ask in scene.asks {
                let done = carry_out(&alive.host, *ask).await;
                done.unwrap_or_else(|error| panic!("{}: {ask:?}: {error}", scene.name));
                pictures.push(Picture::take(&lane));
            }
            pictures
        });
        let End::Done(pictures) = end else {
            panic!("nothing kills the first run");
        };
        for picture in &pictures {
            assert_eq!(picture.faults(&strangers), [""; 0], "{}", scene.name);
        }
        Self {
            scene,
            lane,
            base,
            strangers,
            pictures,
            passed,
        }
    }

    /// Killed at a point; how many asks were answered by then.
    fn kill(&self, point: Point) -> (usize, End<()>) {
        self.base.put_back(&self.lane);
        let answered = AtomicUsize::new(0);
        let (end, _) = self.lane.live(Some(point), false, async |alive: Alive| {
            at_rest(&alive).await;
            for ask in self.scene.asks {
                let outcome = carry_out(&alive.host, *ask).await;
                if outcome.is_err() || alive.is_dead() {
                    return;
                }
                answered.fetch_add(1, Ordering::SeqCst);
            }
            alive.host.refresh().await;
        });
        (answered.into_inner(), end)
    }

    /// What is wrong after a recovery; then everything that is left to do must succeed.
    fn judge(&self, answered: usize, mut faults: Vec<String>) -> Vec<String> {
        let now = Picture::take(&self.lane);
        faults.extend(now.faults(&self.strangers));
        let (old, new) = (self.pictures.get(answered), self.pictures.get(answered + 1));
        let is = |picture: Option<&Picture>| picture.is_some_and(|one| one.shape() == now.shape());
        let reached = match (is(new), is(old)) {
            (true, _) => answered + 1,
            (false, true) => answered,
            (false, false) => {
                faults.push(format!("a third state: {}", now.shape()));
                return faults;
            }
        };
        let left = self.scene.asks.get(reached..).unwrap_or_default();
        let (end, _) = self.lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            let mut faults = Vec::new();
            for ask in left {
                if let Err(error) = carry_out(&alive.host, *ask).await {
                    faults.push(format!("{ask:?} afterwards: {error}"));
                }
            }
            faults
        });
        let End::Done(refused) = end else {
            panic!("nothing kills the rest");
        };
        faults.extend(refused);
        let end = Picture::take(&self.lane);
        faults.extend(end.faults(&self.strangers));
        if Some(end.shape()) != self.pictures.last().map(Picture::shape) {
            faults.push(format!("at the end {}", end.shape()));
        }
        faults
    }

    /// One kill and its recovery, which is killed too at so many points: writes first, then commits and some calls.
    fn drill(&self, point: Point, of_recovery: usize, kills: &mut Kills) -> Vec<String> {
        let (answered, end) = self.kill(point);
        kills.count(&end);
        let left = Image::take(&self.lane);
        let (End::Done(degraded), passed) = self.lane.recover(None) else {
            panic!("nothing kills this recovery");
        };
        let mut faults = self.judge(answered, degraded);
        let is_write = |name: &String| name.starts_with("write ");
        let writes = (0..).zip(&passed.calls).filter(|(_, name)| is_write(name));
        let calls = writes.map(|(number, _)| Point::Call(number));
        let commits = passed.points().into_iter();
        let commits = commits.filter(|one| matches!(one, Point::Write(..)));
        let others = (0..passed.calls.len()).step_by(passed.calls.len() / CALLS_OF_A_RECOVERY + 1);
        let others = others.map(|at| Point::Call(u64::try_from(at).expect("a count")));
        let seconds = calls.chain(commits).chain(others);
        for second in seconds.take(of_recovery) {
            left.put_back(&self.lane);
            kills.count(&self.lane.recover(Some(second)).0);
            let (End::Done(degraded), _) = self.lane.recover(None) else {
                panic!("nothing kills the second recovery");
            };
            let found = self.judge(answered, degraded);
            let found = found.iter();
            faults.extend(found.map(|fault| format!("then {second} of the recovery: {fault}")));
        }
        let scene = self.scene.name;
        let found = faults.iter();
        found
            .map(|fault| format!("{scene}, killed at {point}, {answered} answered: {fault}"))
            .collect()
    }
}

/// What came of a scene.
struct Drilled {
    name: &'static str,
    faults: Vec<String>,
    kills: Kills,
    /// Writes under `/sys` among the points.
    writes: usize,
}

/// A scene with all its points.
fn drill(scene: &'static Scene, all: bool) -> Drilled {
    let course = Course::new(scene);
    let (mut faults, mut kills) = (Vec::new(), Kills::default());
    let points = course.passed.points();
    for (at, point) in points.iter().enumerate() {
        let of_recovery = match all {
            true => usize::MAX,
            // One recovery of each scene.
            false if at == points.len() / 2 => OF_A_RECOVERY,
            false => 0,
        };
        faults.extend(course.drill(*point, of_recovery, &mut kills));
    }
    let calls = course.passed.calls.iter();
    Drilled {
        name: scene.name,
        faults,
        kills,
        writes: calls.filter(|name| name.starts_with("write ")).count(),
    }
}

#[test]
fn a_kill_at_any_point_leaves_a_vgpu_whole_and_owned_or_gone() {
    let all = std::env::var(POINTS_ENV).is_ok_and(|text| text == "all");
    let done = on_lanes(SCENES.iter(), |scene| drill(scene, all));
    for one in &done {
        let (name, kills, writes) = (one.name, one.kills, one.writes);
        let Kills { meant, met } = kills;
        println!(
            "{name}: {meant} kills, of which {met} met their point, {writes} writes under /sys among the points"
        );
        kills.assert_met();
    }
    for Drilled { faults, writes, .. } in &done {
        assert_no_faults(faults);
        assert!(*writes >= 2, "a vGPU is written at least, and cleared");
    }
}
