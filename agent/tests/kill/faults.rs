//! One call of the driver fails, once or for ever, or lies: the layout is applied or taken back, what can be
//! neither is said, what the store says is true, and nobody asks the driver for ever.
//!
//! Every call of an apply can be the one, and every code of nvml.h its answer. `cargo test` takes a share of the pairs,
//! `KERF_KILL_POINTS=all` all of them.

mod amount;
mod bench;
mod given_up;
mod journal;
mod scenes;
mod several;
mod writes;

use kerf_agent::errors::chain;
use nvidia_ml::control::{FaultRequest, fault};

use crate::course::at_rest;
use crate::judge::{Picture, assert_no_faults};
use crate::lane::Lane;
use crate::lanes::on_lanes;
use crate::life::{Alive, End};
use crate::script::{Op, Runtime, carry_out};
use amount::Amount;
use bench::{Bench, Fault};
use scenes::SCENES;

/// `NVML_ERROR_INVALID_ARGUMENT`: to a function that describes a profile, that there is none.
const INVALID_ARGUMENT: u32 = 2;

/// Calls about profiles, from the last one backwards.
const HIDDEN: usize = 24;

/// `NVML_ERROR_IN_USE`.
const IN_USE: u32 = 19;

/// What came of a scene.
struct Tried {
    words: String,
    faults: usize,
    wrong: Vec<String>,
}

/// A scene with its share of faults.
fn try_all(number: usize) -> Tried {
    let bench = Bench::new(SCENES[number]);
    let amount = Amount::of(number);
    let (once, ever) = (amount.once(&bench.calls), amount.ever(&bench.calls));
    let single = once.iter().map(|(call, code)| Fault::Once(*call, *code));
    let lasting = ever.iter().map(|(name, code)| Fault::Ever(name, *code));
    let (mut wrong, mut applied) = (Vec::new(), 0);
    for disturbed in single.chain(lasting) {
        let (found, is_applied) = bench.check(disturbed);
        wrong.extend(found);
        applied += usize::from(is_applied);
    }
    let (name, calls) = (bench.scene.name, bench.calls.len());
    let (once, ever) = (once.len(), ever.len());
    Tried {
        words: format!(
            "{name}: {once} single faults in {calls} calls, {ever} lasting ones; {applied} applied all the same"
        ),
        faults: once + ever,
        wrong,
    }
}

#[test]
fn a_call_that_fails_leaves_the_old_layout_or_the_new() {
    let begun = std::time::Instant::now();
    let tried = on_lanes(0..SCENES.len(), try_all);
    for scene in &tried {
        println!("{}", scene.words);
    }
    let faults: usize = tried.iter().map(|scene| scene.faults).sum();
    println!("{faults} faults of NVML calls, {:?}", begun.elapsed());
    let wrong: Vec<String> = tried.into_iter().flat_map(|scene| scene.wrong).collect();
    assert_no_faults(&wrong);
}

#[test]
fn lies_and_a_client_of_a_moment_are_seen() {
    let bench = Bench::new(SCENES[1]);
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
        let calls = bench.calls.iter().enumerate();
        let calls = calls.filter(|(_, name)| *name == function);
        let calls: Vec<usize> = calls.map(|(at, _)| at).collect();
        assert!(!calls.is_empty(), "{function} is never called");
        for call in calls {
            let outcome = bench.run(Fault::Once(call, code));
            assert_eq!(
                outcome.said, None,
                "{function} answers {code} at call {call}"
            );
            let now = Picture::take(&bench.lane).shape();
            assert_eq!(now, bench.new.shape(), "{function} answers {code}");
        }
    }
    // What is read back after a create is another thing.
    let made = bench.calls.iter().enumerate();
    let made = made.filter(|(_, name)| *name == "nvmlDeviceCreateGpuInstanceWithPlacement");
    for (call, _) in made {
        let (wrong, _) = bench.check(Fault::Once(call + 1, 0));
        assert_eq!(wrong, [""; 0]);
    }
}

/// A plan from a wrong picture has steps that all succeed, and leads elsewhere: that is seen, and made good.
#[test]
fn a_picture_that_was_wrong_is_seen_at_the_end() {
    let bench = Bench::new(SCENES[0]);
    let calls = bench.calls.iter().enumerate();
    let calls = calls.filter(|(_, name)| *name == "nvmlDeviceGetMigMode");
    let calls: Vec<usize> = calls.map(|(at, _)| at).collect();
    assert!(calls.len() > 2, "{calls:?}");
    for call in calls {
        let (wrong, is_applied) = bench.check(Fault::Once(call, 0));
        assert_eq!(wrong, [""; 0]);
        assert!(is_applied, "a lie at call {call}");
    }
}

/// A profile that is hidden in the last look makes the layout one that cannot be planned: it is not taken for done.
#[test]
fn a_profile_that_is_hidden_at_the_end_is_seen() {
    let scene = SCENES.into_iter().find(|scene| scene.name == "parts");
    let bench = Bench::new(scene.expect("a scene"));
    let calls = bench.calls.iter().enumerate();
    let name = "nvmlGpuInstanceGetComputeInstanceProfileInfo";
    let calls = calls.filter(|(_, function)| function.starts_with(name));
    let mut calls: Vec<usize> = calls.map(|(at, _)| at).collect();
    calls.reverse();
    calls.truncate(HIDDEN);
    assert_eq!(calls.len(), HIDDEN);
    for call in calls {
        let (wrong, _) = bench.check(Fault::Once(call, INVALID_ARGUMENT));
        assert_eq!(wrong, [""; 0], "call {call}");
    }
}

/// The slices of the first GPU go before the mode of the second one is refused: they come back.
#[test]
fn a_mode_that_is_refused_takes_back_what_was_done_on_another_gpu() {
    let (lane, runtime) = (Lane::new("h100x8", 2), Runtime::start());
    let both = |first: &str, second: &str| {
        let layout =
            format!(r#"{{"rules":[{{"gpus":[0],"slices":{first}}},{{"gpus":[1],{second}}}]}}"#);
        Op::apply(&layout, true)
    };
    let old = both(r#"{"1g.10gb":2}"#, r#""mig":true"#);
    let new = both(r#"{"3g.40gb":2}"#, r#""mig":false"#);
    let (end, _) = lane.live(None, false, async |alive: Alive| {
        at_rest(&alive).await;
        let applied = carry_out(&alive.host, &runtime, &old).await;
        applied.expect("nothing disturbs it");
        let before = Picture::take(&lane).shape();
        let (function, code) = ("nvmlDeviceSetMigMode".to_owned(), IN_USE);
        let request = FaultRequest::Refuse { function, code };
        fault(&lane.info.dir, request).expect("the machine");
        let refused = carry_out(&alive.host, &runtime, &new).await;
        let refused = chain(&refused.expect_err("the mode is refused"));
        assert!(refused.contains("taken back"), "{refused}");
        assert_eq!(Picture::take(&lane).shape(), before, "{refused}");
        fault(&lane.info.dir, FaultRequest::DriverClear).expect("the machine");
    });
    assert!(matches!(end, End::Done(())));
}
