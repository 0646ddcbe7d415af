//! A host with the old layout of a scene, how an undisturbed apply of the new one goes, and one that is disturbed.

use std::collections::BTreeMap;

use kerf_agent::errors::chain;
use nvidia_ml::control::{FaultRequest, fault};
use nvidia_ml::kernel::Kernel;

use super::journal::Journal;
use super::scenes::Scene;
use crate::course::{FIRST_PID, at_rest, occupy};
use crate::image::Image;
use crate::judge::{Instance, Picture, Place};
use crate::lane::Lane;
use crate::life::{Alive, End, ailments, is_change};
use crate::script::{Op, Runtime, carry_out};

/// How many times the calls of an undisturbed apply a disturbed one may take: forward, again, and back, each with
/// a look at every GPU.
const CALLS_LIMIT: usize = 6;

/// Looks after which what is refused for ever must rest: kerfd asks a dozen times.
const LOOKS: u64 = 14;

/// Looks in which it then rests.
const QUIET: u64 = 3;

/// How often the threads of several GPUs may come in each other's way before an apply is as it was before.
const TRIES: u32 = 20;

/// One scene.
pub struct Bench {
    pub scene: Scene,
    pub lane: Lane,
    runtime: Runtime,
    base: Image,
    pub old: Picture,
    pub new: Picture,
    /// The layouts that are kept before and after.
    kept: [Vec<serde_json::Value>; 2],
    /// Calls of an undisturbed apply.
    pub calls: Vec<String>,
    /// Instances in both layouts, with a process on each.
    untouched: BTreeMap<Place, Instance>,
    /// What the kernel has of vGPUs.
    vgpus: String,
}

/// How the driver is disturbed.
#[derive(Debug, Clone, Copy)]
pub enum Fault<'a> {
    /// The call of this number in an undisturbed apply answers the code once.
    Once(usize, u32),
    /// Every call of this function does.
    Ever(&'a str, u32),
}

/// What came of an apply.
pub struct Outcome {
    /// `None` where it was applied, else why not.
    pub said: Option<String>,
    calls: usize,
    /// Whether the call that was to fail came.
    is_met: bool,
    /// What is not well after it.
    degraded: Vec<String>,
    /// Changes that were asked of a driver that goes on refusing, after so many looks.
    restless: Vec<String>,
}

impl Outcome {
    /// Whether what is half done is shown for as long as it stands.
    fn shows(&self, said: &str) -> bool {
        let mut ailments = self.degraded.iter();
        !said.contains("; what was done before it stands")
            || ailments.any(|what| what.starts_with("degraded: layout of GPU "))
    }
}

/// Modes, and slices by GPU and profile: where nothing was taken back a layout may lie in several ways.
fn profiles(picture: &Picture) -> Vec<String> {
    let modes = picture.modes.iter().map(|mode| format!("{mode:?}"));
    let instances = picture.instances.iter();
    let instances = instances.map(|(place, instance)| {
        let parts = instance.compute.iter().map(|ci| &ci.1);
        let parts: Vec<&String> = parts.collect();
        format!("{} {} {parts:?}", place.0, instance.profile)
    });
    let mut all: Vec<String> = modes.chain(instances).collect();
    all.sort();
    all
}

fn vgpus(lane: &Lane) -> String {
    let kernel = Kernel::open(&lane.info.dir).expect("the kernel");
    let state = kernel.state().expect("its state");
    state
        .vgpu
        .map_or_else(String::new, |vgpu| format!("{:?}", vgpu.gpus[0].functions))
}

impl Bench {
    pub fn new(scene: Scene) -> Self {
        let (lane, runtime) = (scene.lane(), Runtime::start());
        run(&lane, &runtime, scene.old);
        scene.befall(&lane);
        let (base, old) = (Image::take(&lane), Picture::take(&lane));
        run(&lane, &runtime, scene.new);
        let later = Picture::take(&lane).instances;
        let stays = |(place, instance): &(&Place, &Instance)| later.get(place) == Some(*instance);
        let kept: Vec<(&Place, &Instance)> = old.instances.iter().filter(stays).collect();
        base.put_back(&lane);
        for ((place, instance), pid) in kept.iter().zip(FIRST_PID..) {
            occupy(&lane, **place, instance, pid);
        }
        let places: Vec<Place> = kept.iter().map(|(place, _)| **place).collect();
        let (base, old) = (Image::take(&lane), Picture::take(&lane));
        let journal = Journal::read(&lane);
        let (vgpus, before) = (vgpus(&lane), journal.kept());
        let calls = steady(&lane, &runtime, &base, scene.new);
        let (new, journal) = (Picture::take(&lane), Journal::read(&lane));
        assert_ne!(old.shape(), new.shape(), "{}", scene.name);
        let untouched: BTreeMap<Place, Instance> = places
            .into_iter()
            .map(|place| (place, old.instances[&place].clone()))
            .collect();
        let wrong = new.disturbed(untouched.iter());
        assert_eq!(wrong, [""; 0], "{}", scene.name);
        Self {
            kept: [before, journal.kept()],
            scene,
            lane,
            runtime,
            base,
            old,
            new,
            calls,
            untouched,
            vgpus,
        }
    }

    /// Applies the new layout to the old one while the driver is disturbed.
    pub fn run(&self, disturbed: Fault<'_>) -> Outcome {
        self.base.put_back(&self.lane);
        let (fuse, folder) = (&self.lane.fuse, &self.lane.info.dir);
        let (end, _) = self.lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            match disturbed {
                Fault::Once(call, code) => {
                    let (function, earlier) = self.of_its_function(call);
                    fuse.answer_to(function, earlier, code).expect("a fuse");
                }
                Fault::Ever(function, code) => {
                    let function = function.to_owned();
                    fault(folder, FaultRequest::Refuse { function, code }).expect("the machine");
                }
            }
            let before = fuse.calls().expect("a fuse");
            let said =
                carry_out(&alive.host, &self.runtime, &Op::apply(self.scene.new, true)).await;
            let calls = fuse.calls().expect("a fuse") - before;
            let is_met = !fuse.awaits().expect("a fuse");
            // A call that the apply did not come to is not made to fail later.
            fuse.resume().expect("a fuse");
            let restless = match Journal::read(&self.lane).open {
                0 => Vec::new(),
                _ => self.restless(&alive).await,
            };
            let view = match disturbed {
                Fault::Once(..) => alive.host.refresh().await,
                Fault::Ever(..) => alive.host.view(),
            };
            Outcome {
                said: said.err().map(|error| chain(&error)),
                calls: usize::try_from(calls).expect("a count"),
                is_met,
                degraded: ailments(&view),
                restless,
            }
        });
        fault(folder, FaultRequest::DriverClear).expect("the machine");
        let End::Done(outcome) = end else {
            panic!("nothing kills it");
        };
        outcome
    }

    /// The function of the call of this number, and how many calls of it come before: several GPUs are asked at a
    /// time, so that the place among all calls is another each time.
    fn of_its_function(&self, call: usize) -> (&str, u64) {
        let function = &self.calls[call];
        let earlier = self.calls.iter().take(call);
        let earlier = earlier.filter(|name| *name == function).count();
        (function, u64::try_from(earlier).expect("a count"))
    }

    /// Changes that are still asked for once everybody has had time to see that they are refused.
    async fn restless(&self, alive: &Alive) -> Vec<String> {
        alive.look_often().await;
        alive.looks(LOOKS).await;
        let before = self.lane.fuse.calls().expect("a fuse");
        alive.looks(QUIET).await;
        let names = self.lane.fuse.names().expect("a fuse").into_iter();
        let late = names.skip(usize::try_from(before).expect("a count"));
        late.filter(|name| is_change(name)).collect()
    }

    /// What is wrong with an outcome.
    fn faults(&self, disturbed: Fault<'_>, outcome: &Outcome) -> Vec<String> {
        let (now, journal) = (Picture::take(&self.lane), Journal::read(&self.lane));
        let said = outcome.said.as_deref();
        let (shape, [old_kept, new_kept]) = (now.shape(), &self.kept);
        let mut wrong = now.disturbed(self.untouched.iter());
        wrong.extend(journal.faults(&now, said));
        wrong.extend(
            outcome
                .restless
                .iter()
                .map(|call| format!("restless {call}")),
        );
        if vgpus(&self.lane) != self.vgpus {
            wrong.push(format!("vGPUs are now {}", vgpus(&self.lane)));
        }
        let is_right = match said {
            None => shape == self.new.shape(),
            Some(said) if shape == self.old.shape() => !said.is_empty(),
            Some(said) => is_told(disturbed, said) && outcome.shows(said),
        };
        if !is_right {
            wrong.push(format!("a third state after {said:?}:\n{shape}"));
        }
        let kept = if said.is_none() { new_kept } else { old_kept };
        if journal.kept() != *kept {
            wrong.push(format!("kept is {:?} after {said:?}", journal.kept()));
        }
        if let Some(said) = said {
            wrong.extend(self.unsaid(disturbed, said));
        }
        if matches!(disturbed, Fault::Once(..)) {
            wrong.extend(outcome.degraded.iter().cloned());
        }
        if !outcome.is_met {
            wrong.push("it was never called".to_owned());
        }
        let (calls, usual) = (outcome.calls, self.calls.len());
        if calls > usual * CALLS_LIMIT {
            wrong.push(format!("{calls} calls, usually {usual}"));
        }
        wrong
    }

    /// What an error does not name: the function that failed, or what its code means, and the GPU. A lie is seen by
    /// what came of it.
    fn unsaid(&self, disturbed: Fault<'_>, said: &str) -> Option<String> {
        let (function, code) = match disturbed {
            Fault::Once(call, code) => (self.calls[call].as_str(), code),
            Fault::Ever(function, code) => (function, code),
        };
        let means = meaning(function, code);
        let names_call = means.iter().any(|word| said.contains(word))
            || code == 0
            || hides_a_profile(function, code) && said.contains("no profile ")
            || said.contains(unversioned(function));
        let pcis = self.old.addresses();
        let names_gpu = pcis
            .iter()
            .any(|pci| said.to_lowercase().contains(pci.as_str()));
        (!names_call || !names_gpu).then(|| format!("it does not name call and GPU: {said}"))
    }

    /// With the driver well again the next owner brings the new layout about, and nothing is left degraded.
    fn is_mended(&self) -> Result<(), String> {
        let (end, _) = self.lane.live(None, false, async |alive: Alive| {
            alive.looked().await;
            let applied =
                carry_out(&alive.host, &self.runtime, &Op::apply(self.scene.new, true)).await;
            (applied, alive.host.refresh().await.degraded.clone())
        });
        let End::Done((applied, degraded)) = end else {
            panic!("nothing kills it");
        };
        applied.map_err(|error| chain(&error))?;
        let now = Picture::take(&self.lane);
        if profiles(&now) != profiles(&self.new) || !degraded.is_empty() {
            return Err(format!("{}, {degraded:?}", now.shape()));
        }
        match now.disturbed(self.untouched.iter()).as_slice() {
            [] => Ok(()),
            disturbed => Err(disturbed.join("; ")),
        }
    }

    /// One fault with all that follows from it: what is wrong, and whether the layout was applied all the same.
    pub fn check(&self, disturbed: Fault<'_>) -> (Vec<String>, bool) {
        let outcome = self.run(disturbed);
        let mut wrong = self.faults(disturbed, &outcome);
        // What was applied at once and is well needs no mending.
        let is_done = outcome.said.is_none();
        if !(is_done && outcome.degraded.is_empty())
            && let Err(why) = self.is_mended()
        {
            wrong.push(format!("not mended: {why}"));
        }
        let name = match disturbed {
            Fault::Once(call, code) => {
                let function = &self.calls[call];
                format!("call {call}, {function}, answers {code}")
            }
            Fault::Ever(function, code) => format!("{function} goes on answering {code}"),
        };
        let scene = self.scene.name;
        let wrong = wrong.into_iter();
        let wrong = wrong.map(|fault| format!("{scene}: {name}: {fault}"));
        (wrong.collect(), is_done)
    }
}

/// A function without the version of its structures.
fn unversioned(function: &str) -> &str {
    let function = function.trim_end_matches('V');
    function
        .rsplit_once("_v")
        .map_or(function, |(name, _)| name)
}

/// What is said in place of a code for which kerf has words.
fn meaning(function: &str, code: u32) -> &'static [&'static str] {
    match code {
        6 if function.contains("Create") => &["is not well: lost", "lies at"],
        6 => &["is not well: lost"],
        7 => &["names no MIG profile", "divides into: nothing"],
        15 | 28 => &["is not well: lost"],
        16 => &["is not well: in need of a reset"],
        19 => &["in use by"],
        23 => &["has no such place left", "has no compute slices left"],
        _ => &[],
    }
}

/// To these an invalid argument is a profile that the GPU has not.
fn hides_a_profile(function: &str, code: u32) -> bool {
    matches!(code, 2 | 3) && function.contains("ProfileInfo")
}

/// A half layout is right only where the driver goes on refusing and that is said, or what it was last asked is not
/// known.
fn is_told(disturbed: Fault<'_>, said: &str) -> bool {
    let Fault::Ever(_, code) = disturbed else {
        return false;
    };
    let is_lost = matches!(code, 6 | 15 | 28) && said.contains("is not well: lost");
    said.contains("; what was done before it stands")
        || is_lost
        || said.contains("is not known now")
}

/// Applies a layout undisturbed; the calls that it takes.
fn run(lane: &Lane, runtime: &Runtime, layout: &str) -> Vec<String> {
    let (end, passed) = lane.live(None, false, async |alive: Alive| {
        at_rest(&alive).await;
        let before = lane.fuse.calls().expect("a fuse");
        let applied = carry_out(&alive.host, runtime, &Op::apply(layout, true)).await;
        applied.expect("nothing disturbs it");
        let calls = lane.fuse.calls().expect("a fuse") - before;
        alive.host.drain().await;
        calls
    });
    let End::Done(calls) = end else {
        panic!("nothing kills it");
    };
    let calls = usize::try_from(calls).expect("a count");
    passed.calls.into_iter().take(calls).collect()
}

/// The calls of an apply, once they are the same twice in a row.
fn steady(lane: &Lane, runtime: &Runtime, base: &Image, layout: &str) -> Vec<String> {
    let again = || {
        base.put_back(lane);
        run(lane, runtime, layout)
    };
    let mut before = again();
    for _ in 0..TRIES {
        let now = again();
        if now == before {
            return now;
        }
        before = now;
    }
    panic!("no two applies make the same calls");
}
