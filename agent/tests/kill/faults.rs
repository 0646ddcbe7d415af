//! One call of the driver fails, once or for ever, or lies: the layout is applied or taken back, what can be
//! neither is said, and nobody asks the driver for ever.

use std::collections::BTreeSet;

use kerf_agent::host::HostError;
use nvidia_ml::control::{FaultRequest, fault};

use crate::corpus::Random;
use crate::course::at_rest;
use crate::drill::POINTS_ENV;
use crate::image::Image;
use crate::judge::Picture;
use crate::lane::Lane;
use crate::life::{Alive, End};
use crate::script::{Op, Runtime, carry_out};

/// Codes of nvml.h that a driver answers with (`reference/partitioning.md` 1.2), and 0: success, and nothing done.
const CODES: [u32; 19] = [
    0, 1, 2, 3, 4, 6, 7, 10, 13, 15, 16, 18, 19, 20, 23, 25, 27, 28, 999,
];

/// `NVML_ERROR_IN_USE`.
const IN_USE: u32 = 19;

/// Codes that each function is tried with where the whole drill was not asked for.
const CODES_OF_A_FUNCTION: usize = 4;

/// How many times the calls of an undisturbed apply a disturbed one may take: forward, again, and back, each with
/// a look at every GPU.
const CALLS_LIMIT: usize = 6;

/// How often a look at the hardware may come in between.
const TRIES: u32 = 10;

const OLD: &str = r#"{"rules":[{"gpus":[0],"slices":{"1g.10gb":2,"3g.40gb":1}}]}"#;
const NEW: &str = r#"{"rules":[{"gpus":[0],"slices":{"2g.20gb":2,"1g.10gb":1}}]}"#;

/// A host with the old layout, and how an undisturbed apply of the new one goes.
struct Bench {
    lane: Lane,
    runtime: Runtime,
    base: Image,
    old: Vec<String>,
    new: Vec<String>,
    names: Vec<String>,
}

/// How the driver is disturbed.
#[derive(Debug, Clone, Copy)]
enum Fault<'a> {
    /// This call, counted from the beginning, answers the code once.
    Once(u64, u32),
    /// Every call of this function does.
    Ever(&'a str, u32),
}

/// What came of an apply.
struct Outcome {
    answer: Result<(), HostError>,
    calls: Vec<String>,
}

fn apply(layout: &str) -> Op {
    Op::Apply {
        layout: layout.to_owned(),
        allow_reset: true,
    }
}

/// Slices by GPU and profile: an old layout that is made again may lie elsewhere.
fn slices(lane: &Lane) -> Vec<String> {
    let picture = Picture::take(lane);
    let instances = picture.instances.iter();
    let mut slices: Vec<String> = instances
        .map(|(place, instance)| {
            let whole = instance.compute.len() == 1;
            format!("{} {} {whole}", place.0, instance.profile)
        })
        .collect();
    slices.sort();
    slices
}

impl Bench {
    fn new() -> Self {
        let (lane, runtime) = (Lane::new("h100x8", 1), Runtime::start());
        let run = |layout: &str| {
            let (end, passed) = lane.live(None, false, async |alive: Alive| {
                at_rest(&alive).await;
                let applied = carry_out(&alive.host, &runtime, &apply(layout)).await;
                applied.expect("nothing disturbs it");
                alive.host.drain().await;
            });
            assert!(matches!(end, End::Done(())));
            passed.calls
        };
        run(OLD);
        let (base, old) = (Image::take(&lane), slices(&lane));
        let names = run(NEW);
        let new = slices(&lane);
        assert_ne!(old, new);
        Self {
            lane,
            runtime,
            base,
            old,
            new,
            names,
        }
    }

    /// Applies the new layout to the old one while the driver is disturbed.
    fn run(&self, disturbed: Fault<'_>) -> Outcome {
        self.base.put_back(&self.lane);
        let (end, passed) = self.lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            match disturbed {
                Fault::Once(call, code) => self.lane.fuse.answer_after(call, code).expect("a fuse"),
                Fault::Ever(function, code) => self.refuse(function, code),
            }
            carry_out(&alive.host, &self.runtime, &apply(NEW)).await
        });
        fault(&self.lane.info.dir, FaultRequest::DriverClear).expect("the machine");
        let End::Done(answer) = end else {
            panic!("nothing kills it");
        };
        let calls = passed.calls;
        Outcome { answer, calls }
    }

    /// The same until it was this function that the call of that number was about: a look at the hardware, which
    /// comes every few seconds, moves the numbers.
    fn run_at(&self, (call, function): (u64, &str), code: u32) -> Outcome {
        let number = usize::try_from(call).expect("a number");
        for _ in 0..TRIES {
            let outcome = self.run(Fault::Once(call, code));
            if outcome.calls.get(number).is_some_and(|met| met == function) {
                return outcome;
            }
        }
        panic!("call {call} is never {function}");
    }

    fn refuse(&self, function: &str, code: u32) {
        let function = function.to_owned();
        let request = FaultRequest::Refuse { function, code };
        fault(&self.lane.info.dir, request).expect("the machine");
    }

    /// What is wrong with an outcome.
    fn faults(&self, disturbed: Fault<'_>, outcome: &Outcome) -> Vec<String> {
        let now = slices(&self.lane);
        let said = outcome
            .answer
            .as_ref()
            .err()
            .map(|error| kerf_agent::errors::chain(error));
        let usual = self.names.len();
        let mut wrong = Vec::new();
        let is_right = match &said {
            None => now == self.new,
            Some(said) => now == self.old || self.is_told(disturbed, said),
        };
        if !is_right {
            wrong.push(format!("{disturbed:?}: {now:?} after {said:?}"));
        }
        let calls = outcome.calls.len();
        if calls > usual * CALLS_LIMIT {
            wrong.push(format!("{disturbed:?}: {calls} calls, usually {usual}"));
        }
        wrong
    }

    /// A half layout is right only where the driver goes on refusing, or what it was last asked is not known.
    fn is_told(&self, disturbed: Fault<'_>, said: &str) -> bool {
        let goes_on = matches!(disturbed, Fault::Ever(..));
        goes_on && (said.contains("stands") || said.contains("lost") || said.contains("not known"))
    }

    /// With the driver well again the next owner brings the new layout about, and nothing is left degraded.
    fn is_mended(&self) -> Result<(), String> {
        let (end, _) = self.lane.live(None, false, async |alive: Alive| {
            alive.looked().await;
            let applied = carry_out(&alive.host, &self.runtime, &apply(NEW)).await;
            (applied, alive.host.refresh().await.degraded.clone())
        });
        let End::Done((applied, degraded)) = end else {
            panic!("nothing kills it");
        };
        applied.map_err(|error| kerf_agent::errors::chain(&error))?;
        if slices(&self.lane) != self.new || !degraded.is_empty() {
            return Err(format!("{:?}, {degraded:?}", slices(&self.lane)));
        }
        Ok(())
    }

    fn check(&self, disturbed: Fault<'_>) -> Vec<String> {
        let outcome = self.run(disturbed);
        let mut wrong = self.faults(disturbed, &outcome);
        if let Err(why) = self.is_mended() {
            wrong.push(format!("{disturbed:?}: not mended: {why}"));
        }
        wrong
    }

    /// Functions that an apply calls, each with the place of one of its calls.
    fn functions(&self, random: &mut Random) -> Vec<(&str, u64)> {
        let all: BTreeSet<&str> = self.names.iter().map(String::as_str).collect();
        let mut functions = Vec::new();
        for function in all {
            let calls: Vec<u64> = (0..)
                .zip(&self.names)
                .filter(|(_, name)| *name == function)
                .map(|(at, _)| at)
                .collect();
            let count = u64::try_from(calls.len()).expect("a count");
            let chosen = usize::try_from(random.below(count)).expect("an index");
            functions.push((function, calls[chosen]));
        }
        functions
    }
}

/// The codes that a function is tried with: all where the whole drill was asked for, else a few, which are others
/// for the next function.
fn codes(function: usize) -> Vec<u32> {
    if std::env::var_os(POINTS_ENV).is_some() {
        return CODES.to_vec();
    }
    let first = function * CODES_OF_A_FUNCTION;
    let codes = CODES.into_iter().cycle().skip(first % CODES.len());
    codes.take(CODES_OF_A_FUNCTION).collect()
}

#[test]
fn a_call_that_fails_once_is_made_good() {
    let bench = Bench::new();
    let mut random = Random::new(4);
    let functions = bench.functions(&mut random);
    let mut wrong = Vec::new();
    for (number, (_, call)) in (0..).zip(&functions) {
        for code in codes(number) {
            wrong.extend(bench.check(Fault::Once(*call, code)));
        }
    }
    let (count, first) = (wrong.len(), wrong.iter().take(8).collect::<Vec<_>>());
    assert!(wrong.is_empty(), "{count}: {first:#?}");
}

#[test]
fn lies_and_a_client_of_a_moment_are_seen() {
    let bench = Bench::new();
    // Each once; the layout is had all the same.
    let cases = [
        ("nvmlDeviceCreateGpuInstanceWithPlacement", 0),
        ("nvmlGpuInstanceCreateComputeInstance", 0),
        ("nvmlGpuInstanceDestroy", 0),
        ("nvmlComputeInstanceDestroy", 0),
        ("nvmlGpuInstanceDestroy", IN_USE),
        ("nvmlComputeInstanceDestroy", IN_USE),
    ];
    for (function, code) in cases {
        let calls = (0..)
            .zip(&bench.names)
            .filter(|(_, name)| *name == function);
        let calls: Vec<u64> = calls.map(|(at, _)| at).collect();
        assert!(!calls.is_empty(), "{function} is never called");
        for call in calls {
            let outcome = bench.run_at((call, function), code);
            let said = outcome
                .answer
                .map_err(|error| kerf_agent::errors::chain(&error));
            assert_eq!(said, Ok(()), "{function} answers {code} at call {call}");
            assert_eq!(slices(&bench.lane), bench.new, "{function} answers {code}");
        }
    }
    // What is read back after a create is another thing.
    let made = (0..).zip(&bench.names);
    let made = made.filter(|(_, name)| *name == "nvmlDeviceCreateGpuInstanceWithPlacement");
    for (call, _) in made {
        let wrong = bench.check(Fault::Once(call + 1, 0));
        assert_eq!(wrong, Vec::<String>::new());
    }
}

#[test]
fn a_function_that_fails_for_ever_ends_in_words() {
    let bench = Bench::new();
    let functions = bench.functions(&mut Random::new(5));
    let mut wrong = Vec::new();
    for (number, (function, _)) in (0..).zip(&functions) {
        for code in codes(number) {
            wrong.extend(bench.check(Fault::Ever(function, code)));
        }
    }
    let (count, first) = (wrong.len(), wrong.iter().take(8).collect::<Vec<_>>());
    assert!(wrong.is_empty(), "{count}: {first:#?}");
}

/// The slices of the first GPU go before the mode of the second one is refused: they come back.
#[test]
fn a_mode_that_is_refused_takes_back_what_was_done_on_another_gpu() {
    let (lane, runtime) = (Lane::new("h100x8", 2), Runtime::start());
    let both = |first: &str, second: &str| {
        apply(&format!(
            r#"{{"rules":[{{"gpus":[0],"slices":{first}}},{{"gpus":[1],{second}}}]}}"#
        ))
    };
    let old = both(r#"{"1g.10gb":2}"#, r#""mig":true"#);
    let new = both(r#"{"3g.40gb":2}"#, r#""mig":false"#);
    let (end, _) = lane.live(None, false, async |alive: Alive| {
        at_rest(&alive).await;
        let applied = carry_out(&alive.host, &runtime, &old).await;
        applied.expect("nothing disturbs it");
        let before = (slices(&lane), Picture::take(&lane).modes);
        let (function, code) = ("nvmlDeviceSetMigMode".to_owned(), IN_USE);
        let request = FaultRequest::Refuse { function, code };
        fault(&lane.info.dir, request).expect("the machine");
        let refused = carry_out(&alive.host, &runtime, &new).await;
        let refused = kerf_agent::errors::chain(&refused.expect_err("the mode is refused"));
        assert!(refused.contains("taken back"), "{refused}");
        let after = (slices(&lane), Picture::take(&lane).modes);
        assert_eq!(after, before, "{refused}");
        fault(&lane.info.dir, FaultRequest::DriverClear).expect("the machine");
    });
    assert!(matches!(end, End::Done(())));
}
