//! What one plan leads to: its run to the end, and what becomes of the host when its owner is killed at a point
//! and the next one makes good what that left.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use kerf_agent::host::HostError;
use nvidia_ml::control::{LoadRequest, load};

use crate::corpus::Plan;
use crate::image::Image;
use crate::judge::{Instance, Picture, Place, Shape};
use crate::lane::Lane;
use crate::life::{Alive, End, Passed, Point, ailments};
use crate::script::{Op, Runtime, carry_out, request};

/// Process ids that no process has: above what Linux gives out.
pub const FIRST_PID: u32 = 5_000_000;

/// What the requests of a plan lead to, from its run to the end.
pub struct Course<'a> {
    plan: &'a Plan,
    lane: Lane,
    runtime: Runtime,
    base: Image,
    /// Before the first request, and after each.
    shapes: Vec<Shape>,
    /// Requests that were refused.
    refused: Vec<bool>,
    /// Instances that none of them touches.
    untouched: BTreeMap<Place, Instance>,
    pub passed: Passed,
}

/// What a recovered owner shows.
struct Recovered {
    ailments: Vec<String>,
    /// For each request that applies a layout: whether a plan to it is empty now.
    planned: Vec<Option<bool>>,
}

impl<'a> Course<'a> {
    /// Runs a plan to its end.
    pub fn new(plan: &'a Plan) -> Self {
        let lane = Lane::new(plan.machine, plan.gpus);
        let runtime = Runtime::start();
        let (end, _) = lane.live(None, false, async |alive: Alive| {
            for op in &plan.setup {
                // What does not fit is left out: the host is what it is.
                drop(carry_out(&alive.host, &runtime, op).await);
            }
            alive.host.drain().await;
        });
        assert!(matches!(end, End::Done(())), "nothing kills the set-up");
        burden(&lane, plan.loads);
        let base = Image::take(&lane);
        let before = Picture::take(&lane);
        let faults = before.faults();
        assert!(faults.is_empty(), "plan {}: {faults:?}", plan.number);
        let (end, passed) = lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            let (mut pictures, mut refused) = (Vec::new(), Vec::new());
            for op in &plan.script {
                refused.push(carry_out(&alive.host, &runtime, op).await.is_err());
                pictures.push(Picture::take(&lane));
            }
            (pictures, refused)
        });
        let End::Done((pictures, refused)) = end else {
            panic!("nothing kills the first run");
        };
        let same = |(place, instance): &(Place, Instance)| {
            let mut all = pictures.iter();
            all.all(|picture| picture.instances.get(place) == Some(instance))
        };
        let untouched = before.instances.clone().into_iter().filter(same).collect();
        let shapes = std::iter::once(&before).chain(&pictures);
        Self {
            shapes: shapes.map(Picture::shape).collect(),
            plan,
            lane,
            runtime,
            base,
            refused,
            untouched,
            passed,
        }
    }

    /// Begins from the base and is killed at the point; how many requests were answered by then, and whether
    /// the point was met at all.
    fn kill(&self, point: Point) -> (usize, bool) {
        self.base.put_back(&self.lane);
        let answered = AtomicUsize::new(0);
        let (end, _) = self.lane.live(Some(point), false, async |alive: Alive| {
            at_rest(&alive).await;
            for op in &self.plan.script {
                let outcome = carry_out(&alive.host, &self.runtime, op).await;
                if outcome.is_err_and(|error| matches!(error, HostError::Ended)) || alive.is_dead()
                {
                    return;
                }
                answered.fetch_add(1, Ordering::SeqCst);
            }
            // The last point may be behind the last answer.
            alive.host.refresh().await;
        });
        (answered.into_inner(), matches!(end, End::Killed))
    }

    /// The next owner makes good what is there, and is killed at the point, if there is one.
    fn recover(&self, point: Option<Point>) -> (End<Recovered>, Passed) {
        self.lane.live(point, true, async |alive: Alive| {
            let view = alive.looked().await;
            let mut planned = Vec::new();
            for op in &self.plan.script {
                planned.push(match op {
                    Op::Apply {
                        layout,
                        allow_reset,
                    } => {
                        let plan = alive.host.plan(request(layout, *allow_reset)).await;
                        plan.ok().map(|(_, plan)| plan.is_empty())
                    }
                    _ => None,
                });
            }
            Recovered {
                ailments: ailments(&view),
                planned,
            }
        })
    }

    /// What is wrong after a recovery. `intent` says that the kill left a layout half applied.
    fn faults(&self, recovered: &Recovered, answered: usize, intent: bool) -> Vec<String> {
        let now = Picture::take(&self.lane);
        let (shape, active) = (now.shape(), now.with_promises_kept().shape());
        let mut faults = now.faults();
        faults.extend(now.disturbed(self.untouched.iter()));
        faults.extend(recovered.ailments.iter().cloned());
        let (old, new) = (self.shapes.get(answered), self.shapes.get(answered + 1));
        // A launch is a promise first, and that stands until it runs out: the same container finds it again.
        let launched = matches!(self.plan.script.get(answered), Some(Op::Launch { .. }));
        let reached = if Some(&shape) == new || launched && Some(&active) == new {
            answered + 1
        } else if Some(&shape) == old {
            answered
        } else {
            let (old, new) = (old.cloned(), new.cloned());
            let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
            faults.push(format!(
                "a third state:\n{shape}\nneither the old:\n{old}\nnor the new:\n{new}"
            ));
            return faults;
        };
        if intent && reached == answered && old != new {
            faults.push("a layout whose intent was written was not finished".to_owned());
        }
        let applied = reached.checked_sub(1);
        let applied = applied.filter(|at| !self.refused[*at]);
        if let Some(at) = applied
            && recovered.planned[at] == Some(false)
        {
            faults.push("the layout is there, and applying it would change something".to_owned());
        }
        faults
    }

    /// Kills at one point, recovers, judges.
    pub fn drill(&self, point: Point) -> (Kill, Passed, Vec<String>) {
        let (answered, met) = self.kill(point);
        let image = Image::take(&self.lane);
        let intents = Picture::take(&self.lane).intents;
        let intent = intents.iter().any(|work| work["layout"].is_object());
        let kill = Kill {
            answered,
            intent,
            met,
            image,
        };
        let (end, passed) = self.recover(None);
        let End::Done(recovered) = end else {
            panic!("nothing kills this recovery");
        };
        let faults = self.faults(&recovered, answered, intent);
        (kill, passed, faults)
    }

    /// The same with the recovery killed at a point of its own, and whether it was.
    pub fn drill_recovery(&self, kill: &Kill, point: Point) -> (bool, Vec<String>) {
        kill.image.put_back(&self.lane);
        let met = matches!(self.recover(Some(point)).0, End::Killed);
        let (End::Done(recovered), _) = self.recover(None) else {
            panic!("nothing kills the second recovery");
        };
        (met, self.faults(&recovered, kill.answered, kill.intent))
    }
}

/// What a kill left.
pub struct Kill {
    pub answered: usize,
    intent: bool,
    pub met: bool,
    image: Image,
}

/// Puts a process of nobody we know on an instance.
pub fn occupy(lane: &Lane, place: Place, instance: &Instance, pid: u32) {
    let request = LoadRequest {
        gpu: place.0,
        gi: Some(instance.gi),
        ci: None,
        sm_percent: 50,
        memory_bytes: 1 << 30,
        pid,
    };
    load(&lane.info.dir, request).expect("a process");
}

/// Puts processes of nobody we know on instances that no lease is for, spread over the GPUs.
fn burden(lane: &Lane, loads: usize) {
    let picture = Picture::take(lane);
    let free: Vec<_> = picture
        .instances
        .iter()
        .filter(|(_, instance)| !picture.is_leased(instance))
        .collect();
    let step = free.len().div_ceil(loads.max(1)).max(1);
    let chosen = free.into_iter().step_by(step).take(loads);
    for ((place, instance), pid) in chosen.zip(FIRST_PID..) {
        occupy(lane, *place, instance, pid);
    }
}

/// Lets the start pass, so that what is counted is the requests' own.
pub async fn at_rest(alive: &Alive) {
    alive.host.refresh().await;
    alive.trigger.arm();
}
