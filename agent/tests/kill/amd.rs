//! Layouts of AMD GPUs: the owner killed at every write under `/sys` and side of a commit while it applies one after the
//! other, and at those of a recovery. Afterwards every GPU has the modes that it had before the layout that was under
//! way, or every one those after it, and the rest can be applied.

use std::sync::atomic::{AtomicUsize, Ordering};

use nvidia_ml::kernel::Kernel;

use crate::course::at_rest;
use crate::drill::POINTS_ENV;
use crate::image::Image;
use crate::judge::assert_no_faults;
use crate::lane::Lane;
use crate::life::{Alive, End, Kills, Passed, Point};
use crate::script::{Op, Runtime, carry_out};

/// Compute modes of all eight, then of two, then of all again.
const LAYOUTS: [&str; 3] = [
    r#"{"rules":[{"gpus":["all"],"amd":{"compute":"cpx"}}]}"#,
    r#"{"rules":[{"gpus":[0,1],"amd":{"compute":"dpx"}}]}"#,
    r#"{"rules":[{"gpus":["all"],"amd":{"compute":"spx"}}]}"#,
];

/// Of the points, and of those of a recovery, each so manyth is drilled where the whole drill was not asked for.
const STEPS: (usize, usize) = (4, 29);

/// The same where it was.
const ALL_STEPS: (usize, usize) = (1, 7);

struct Course {
    lane: Lane,
    runtime: Runtime,
    base: Image,
    /// Modes before the first layout, and after each.
    modes: Vec<String>,
    passed: Passed,
}

/// The modes of the GPUs, as their kernel has them.
pub fn modes(lane: &Lane) -> String {
    let kernel = Kernel::open(&lane.info.dir).expect("the kernel");
    let state = kernel.state().expect("its state");
    let gpus = state.amd.expect("AMD GPUs").gpus;
    let gpus = gpus.iter().map(|gpu| format!("{:?}", gpu.compute));
    gpus.collect::<Vec<String>>().join(" ")
}

impl Course {
    fn new() -> Self {
        let lane = Lane::with_kernel("mi300x8", 8);
        let (runtime, base) = (Runtime::start(), Image::take(&lane));
        let (end, passed) = lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            let mut seen = vec![modes(&lane)];
            for layout in LAYOUTS {
                let done = carry_out(&alive.host, &runtime, &Op::apply(layout, false)).await;
                done.expect("nothing disturbs it");
                seen.push(modes(&lane));
            }
            seen
        });
        let End::Done(modes) = end else {
            panic!("nothing kills the first run");
        };
        Self {
            lane,
            runtime,
            base,
            modes,
            passed,
        }
    }

    /// Killed at a point; how many layouts were answered by then.
    fn kill(&self, point: Point) -> (usize, End<()>) {
        self.base.put_back(&self.lane);
        let answered = AtomicUsize::new(0);
        let (end, _) = self.lane.live(Some(point), false, async |alive: Alive| {
            at_rest(&alive).await;
            for layout in LAYOUTS {
                let outcome =
                    carry_out(&alive.host, &self.runtime, &Op::apply(layout, false)).await;
                if outcome.is_err() || alive.is_dead() {
                    return;
                }
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
        (answered.into_inner(), end)
    }

    /// What is wrong after a recovery; then the rest must be applied.
    fn judge(&self, answered: usize, mut faults: Vec<String>) -> Vec<String> {
        let now = modes(&self.lane);
        let around = self
            .modes
            .get(answered..(answered + 2).min(self.modes.len()));
        if !around.is_some_and(|around| around.contains(&now)) {
            faults.push(format!("a third state: {now}"));
        }
        let (end, _) = self.lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            let mut refused = Vec::new();
            for layout in LAYOUTS.iter().skip(answered) {
                if let Err(error) =
                    carry_out(&alive.host, &self.runtime, &Op::apply(layout, false)).await
                {
                    refused.push(format!("{layout} afterwards: {error}"));
                }
            }
            refused
        });
        let End::Done(refused) = end else {
            panic!("nothing kills the rest");
        };
        faults.extend(refused);
        if Some(&modes(&self.lane)) != self.modes.last() {
            faults.push(format!("at the end {}", modes(&self.lane)));
        }
        faults
    }
}

/// Points that are worth a kill: writes under `/sys`, and both sides of commits.
fn points(passed: &Passed) -> Vec<Point> {
    let is_write = |name: &str| name.starts_with("write ");
    let is_worth = |point: &Point| match point {
        Point::Call(number) => usize::try_from(*number)
            .ok()
            .and_then(|number| passed.calls.get(number))
            .is_some_and(|name| is_write(name)),
        Point::Write(..) | Point::Step(..) => true,
    };
    passed.points().into_iter().filter(is_worth).collect()
}

#[test]
fn a_kill_at_any_write_leaves_the_old_modes_or_the_new() {
    let course = Course::new();
    let all = points(&course.passed);
    let writes = all.iter().filter(|point| matches!(point, Point::Call(_)));
    assert!(writes.count() >= 18, "each GPU that changes is written to");
    let is_all = std::env::var_os(POINTS_ENV).is_some();
    let (step, of_recovery) = if is_all { ALL_STEPS } else { STEPS };
    let (mut faults, mut kills) = (Vec::new(), Kills::default());
    for point in all.iter().step_by(step) {
        let (answered, end) = course.kill(*point);
        kills.count(&end);
        let left = Image::take(&course.lane);
        let (End::Done(degraded), passed) = course.lane.recover(None) else {
            panic!("nothing kills this recovery");
        };
        let found = course.judge(answered, degraded);
        faults.extend(
            found
                .iter()
                .map(|fault| format!("killed at {point}: {fault}")),
        );
        for second in points(&passed).into_iter().step_by(of_recovery) {
            left.put_back(&course.lane);
            kills.count(&course.lane.recover(Some(second)).0);
            let (End::Done(degraded), _) = course.lane.recover(None) else {
                panic!("nothing kills the second recovery");
            };
            let found = course.judge(answered, degraded);
            let told = |fault: &String| format!("killed at {point}, then at {second}: {fault}");
            faults.extend(found.iter().map(told));
        }
    }
    let (Kills { meant, met }, all) = (kills, all.len());
    println!("AMD modes: {meant} kills, of which {met} met their point; {all} points in all");
    kills.assert_met();
    assert_no_faults(&faults);
}
