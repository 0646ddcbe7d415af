//! Maintenance: the owner killed at driver calls and both sides of commits while the driver is closed for somebody who
//! works on it and opened again. Afterwards it is in maintenance and leaves the driver alone, or it is not and everything
//! is as before; and leaving brings back what the GPUs had.

mod unread;

use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;

use crate::course::at_rest;
use crate::drill::POINTS_ENV;
use crate::image::Image;
use crate::judge::{Picture, assert_no_faults, documents};
use crate::lane::Lane;
use crate::lanes::on_lanes;
use crate::life::{Alive, End, Kills, Passed, Point, ailments};
use crate::script::{Op, Runtime, carry_out};

/// A host, and for what its driver is closed.
#[derive(Debug, Clone, Copy)]
struct Scene {
    name: &'static str,
    machine: &'static str,
    layout: &'static str,
    gpu: Option<u32>,
    /// Whether the GPU is reset meanwhile, so that nothing is left on it.
    is_reset: bool,
}

const SCENES: [Scene; 4] = [
    Scene {
        name: "the whole host",
        machine: "h100x8",
        layout: r#"{"rules":[{"gpus":[0],"slices":{"3g.40gb":1,"1g.10gb":2}},{"gpus":[1],"slices":{"2g.20gb":1}}]}"#,
        gpu: None,
        is_reset: false,
    },
    Scene {
        name: "one GPU, reset",
        machine: "h100x8",
        layout: r#"{"rules":[{"gpus":[0],"slices":{"3g.40gb":1,"1g.10gb":1}},{"gpus":[1],"slices":{"2g.20gb":1}}]}"#,
        gpu: Some(0),
        is_reset: true,
    },
    Scene {
        name: "one GPU with parts, reset",
        machine: "a100x8",
        layout: r#"{"rules":[{"gpus":[0],"slices":{"1c.3g.40gb":2,"1g.10gb":1}},{"gpus":[1],"slices":{"2g.20gb":1}}]}"#,
        gpu: Some(0),
        is_reset: true,
    },
    Scene {
        name: "the whole host, with parts, one GPU reset",
        machine: "h100x8",
        layout: r#"{"rules":[{"gpus":[0],"slices":{"1c.2g.20gb":2,"3g.40gb":1}},{"gpus":[1],"slices":{"2g.20gb":1}}]}"#,
        gpu: None,
        is_reset: true,
    },
];

/// Points of a scene, and of the recovery from a few of them, where the whole drill was not asked for.
const SHARE: (usize, usize) = (24, 4);

/// Of the points one in so many has its recovery killed too.
const RECOVERY_EACH: usize = 8;

struct Course {
    scene: Scene,
    lane: Lane,
    runtime: Runtime,
    base: Image,
    before: Picture,
    passed: Passed,
}

impl Course {
    fn new(scene: Scene) -> Self {
        let (lane, runtime) = (Lane::new(scene.machine, 2), Runtime::start());
        let layout = Op::Apply {
            layout: scene.layout.to_owned(),
            allow_reset: true,
        };
        let (end, _) = lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            let applied = carry_out(&alive.host, &runtime, &layout).await;
            applied.expect("nothing is in the way");
            alive.host.drain().await;
        });
        assert!(matches!(end, End::Done(())), "nothing kills it");
        let (base, before) = (Image::take(&lane), Picture::take(&lane));
        let mut course = Self {
            scene,
            lane,
            runtime,
            base,
            before,
            passed: Passed::default(),
        };
        let (answered, _, passed) = course.script(None);
        assert_eq!(answered, 2, "{}", scene.name);
        assert_eq!(course.wrong_at_the_end(), [""; 0], "{}", scene.name);
        course.passed = passed;
        course
    }

    /// In, the work, and out again; how many of the two were answered by the point.
    fn script(&self, point: Option<Point>) -> (usize, End<()>, Passed) {
        self.base.put_back(&self.lane);
        let answered = AtomicUsize::new(0);
        let (end, passed) = self.lane.live(point, false, async |alive: Alive| {
            at_rest(&alive).await;
            self.lane.forget_workers();
            let gpu = self.scene.gpu;
            for op in [Op::Enter { gpu }, Op::Leave] {
                if op == Op::Leave {
                    self.work();
                }
                let outcome = carry_out(&alive.host, &self.runtime, &op).await;
                if outcome.is_err() || alive.is_dead() {
                    return;
                }
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
        (answered.into_inner(), end, passed)
    }

    /// What somebody does to a GPU whose driver is closed.
    fn work(&self) {
        if self.scene.is_reset {
            nvidia_ml::control::reset(&self.lane.info.dir, 0).expect("nobody has it open");
        }
    }

    fn is_in_maintenance(&self) -> bool {
        let path = self.lane.config.paths.state_dir.join("state.db");
        let store = Connection::open(path).expect("the store");
        !documents(&store, "maintenance").is_empty()
    }

    /// What is wrong with a recovered owner; then it comes out of maintenance, and everything is as before.
    fn judge(&self, degraded: Vec<String>, calls: &[String], answered: usize) -> Vec<String> {
        let (now, is_in) = (Picture::take(&self.lane), self.is_in_maintenance());
        let mut faults = now.faults();
        // What was begun is not gone on with before the driver is open.
        faults.retain(|fault| !(is_in && fault.starts_with("intents are open")));
        let (own, other): (Vec<String>, Vec<String>) = degraded
            .into_iter()
            .partition(|what| what.starts_with("degraded: maintenance: "));
        faults.extend(other);
        if own.is_empty() == is_in {
            faults.push(format!("in maintenance is {is_in}, and it says {own:?}"));
        }
        if is_in && !calls.is_empty() {
            faults.push(format!("{} calls of a closed driver", calls.len()));
        }
        if !is_in && now.shape() != self.before.shape() {
            faults.push(format!("it is out of it, and has\n{}", now.shape()));
        }
        if answered == 2 && is_in {
            faults.push("it is in maintenance again".to_owned());
        }
        let (end, _) = self.lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            let left = carry_out(&alive.host, &self.runtime, &Op::Leave).await;
            let degraded = ailments(&*alive.host.refresh().await);
            let refused = left
                .err()
                .map(|error| format!("it does not leave: {error}"));
            refused.into_iter().chain(degraded).collect::<Vec<String>>()
        });
        let End::Done(left) = end else {
            panic!("nothing kills it");
        };
        faults.extend(left);
        faults.extend(self.wrong_at_the_end());
        faults
    }

    /// Everything is as before; what was not worked on is the same life.
    fn wrong_at_the_end(&self) -> Vec<String> {
        let now = Picture::take(&self.lane);
        let mut faults = now.faults();
        let is_kept = |gpu: u32| !self.scene.is_reset || gpu != 0;
        let kept = self.before.instances.iter();
        let kept = kept.filter(|(place, _)| is_kept(place.0));
        faults.extend(now.disturbed(kept));
        if now.shape() != self.before.shape() {
            faults.push(format!("at the end\n{}", now.shape()));
        }
        faults
    }

    fn recovered(&self, answered: usize) -> (Vec<String>, Passed) {
        let (End::Done(degraded), passed) = self.lane.recover(None) else {
            panic!("nothing kills this recovery");
        };
        let faults = self.judge(degraded, &passed.calls, answered);
        (faults, passed)
    }
}

/// So many of the points, at equal distances.
fn spread(points: Vec<Point>, most: usize) -> impl Iterator<Item = Point> {
    let step = points.len().div_ceil(most.max(1)).max(1);
    points.into_iter().step_by(step)
}

fn drill(scene: Scene) -> (String, Kills, Vec<String>) {
    let course = Course::new(scene);
    let (most, of_recovery) = match std::env::var(POINTS_ENV).ok().as_deref() {
        None => SHARE,
        Some("all") => (usize::MAX, usize::MAX),
        Some(text) => (text.parse().expect("a number or all"), SHARE.1),
    };
    let (commits, calls): (Vec<Point>, Vec<Point>) = course
        .passed
        .points()
        .into_iter()
        .partition(|point| matches!(point, Point::Write(..)));
    let (mut faults, mut kills) = (Vec::new(), Kills::default());
    let all = calls.len() + commits.len();
    let calls = spread(calls, most.saturating_sub(commits.len()));
    for (at, point) in commits.into_iter().chain(calls).enumerate() {
        let (answered, end, _) = course.script(Some(point));
        kills.count(&end);
        let left = Image::take(&course.lane);
        let (found, passed) = course.recovered(answered);
        let told = |fault: String| format!("{}, killed at {point}: {fault}", scene.name);
        faults.extend(found.into_iter().map(told));
        if at % RECOVERY_EACH != 1 {
            continue;
        }
        for second in spread(passed.points(), of_recovery) {
            left.put_back(&course.lane);
            kills.count(&course.lane.recover(Some(second)).0);
            let (found, _) = course.recovered(answered);
            let told = |fault: String| {
                let name = scene.name;
                format!("{name}, killed at {point}, then at {second} of the recovery: {fault}")
            };
            faults.extend(found.into_iter().map(told));
        }
    }
    let (name, Kills { meant, met }) = (scene.name, kills);
    let words = format!(
        "maintenance of {name}: {meant} kills, of which {met} met their point; {all} points in all"
    );
    (words, kills, faults)
}

#[test]
fn a_kill_at_any_point_leaves_the_driver_closed_or_everything_as_before() {
    let done = on_lanes(SCENES.into_iter(), drill);
    let mut sum = Kills::default();
    for (words, kills, _) in &done {
        println!("{words}");
        sum += *kills;
    }
    sum.assert_met();
    let faults: Vec<String> = done.into_iter().flat_map(|(.., faults)| faults).collect();
    assert_no_faults(&faults);
}
