//! Of several GPUs one is gone, waits for a reset or keeps a mode that it should not have: what is said and done about
//! the others does not hang on it.

use nvidia_ml::control::{self, FaultRequest, fault};
use nvidia_ml::model::machine::{AmpereMode, Policy};

use super::given_up::{LOOKS, apply, assert_told, interrupt, told};
use crate::course::at_rest;
use crate::judge::Picture;
use crate::lane::Lane;
use crate::life::{Alive, End, ailments};
use crate::script::{Op, Runtime, carry_out};

/// `NVML_ERROR_UNKNOWN`.
const UNKNOWN: u32 = 999;

#[test]
fn a_gpu_that_is_gone_hides_no_other_of_a_layout_that_is_given_up() {
    let (lane, runtime) = (Lane::new("h100x8", 2), Runtime::start());
    let layout = r#"{"rules":[{"gpus":[0,1],"slices":{"3g.40gb":1}}]}"#;
    assert!(interrupt(&lane, &runtime, layout));
    fault(&lane.info.dir, FaultRequest::Gone { gpu: 1 }).expect("the machine");
    assert_told(&told(&lane, LOOKS), "nothing is kept for it");
}

#[test]
fn a_gpu_that_waits_for_a_reset_goes_on_waiting_when_a_layout_is_given_up() {
    let (lane, runtime) = (Lane::new("a100x8", 2), Runtime::start());
    let second = r#"{"rules":[{"gpus":[1],"slices":{"1g.10gb":2}}]}"#;
    apply(&lane, &runtime, second, None);
    // As passed through to a virtual machine: only a reset from outside changes the mode.
    let policy = Policy {
        ampere_mode: AmpereMode::ResetRequired,
        ..Policy::default()
    };
    control::set_policy(&lane.info.dir, policy).expect("the machine");
    let first = r#"{"rules":[{"gpus":[0],"slices":{"3g.40gb":1}}]}"#;
    apply(&lane, &runtime, first, None);
    let both =
        r#"{"rules":[{"gpus":[0],"slices":{"3g.40gb":1}},{"gpus":[1],"slices":{"2g.20gb":1}}]}"#;
    assert!(interrupt(&lane, &runtime, both));
    let said = told(&lane, LOOKS);
    let (waits, given_up): (Vec<_>, Vec<_>) =
        said.into_iter().partition(|one| one.contains("reset"));
    assert_told(&given_up, "an interrupted change of it was given up");
    assert!(
        matches!(&waits[..], [one] if one.contains("layout of GPU 0")),
        "{waits:?}"
    );
    fault(&lane.info.dir, FaultRequest::DriverClear).expect("the machine");
    control::reset(&lane.info.dir, 0).expect("it is reset");
    assert_eq!(told(&lane, 1), [""; 0]);
    let have = Picture::take(&lane).instances;
    let have: Vec<_> = have
        .iter()
        .map(|((gpu, ..), instance)| (*gpu, instance.profile.as_str()))
        .collect();
    assert_eq!(have, [(0, "3g.40gb"), (1, "1g.10gb"), (1, "1g.10gb")]);
}

#[test]
fn of_modes_that_are_taken_back_only_the_one_that_stays_is_told() {
    let (lane, runtime) = (Lane::new("a100x8", 2), Runtime::start());
    // Whether a GPU has room for these is known when MIG is on; then it goes off again, on the last GPU first.
    let layout = r#"{"rules":[{"gpus":[0,1],"slices":{"1g.10gb":8}}]}"#;
    let (end, _) = lane.live(None, false, async |alive: Alive| {
        at_rest(&alive).await;
        let set_mode = "nvmlDeviceSetMigMode";
        lane.fuse.answer_to(set_mode, 3, UNKNOWN).expect("a fuse");
        let outcome = carry_out(&alive.host, &runtime, &Op::apply(layout, true)).await;
        let refused = outcome.is_err();
        (refused, ailments(&alive.host.view()))
    });
    let End::Done((true, told)) = end else {
        panic!("it is refused and nothing kills it");
    };
    let modes = Picture::take(&lane).modes;
    assert_eq!(
        modes.values().map(|mode| mode.0).collect::<Vec<_>>(),
        [true, false]
    );
    assert_told(&told, "MIG stays on after a refused layout");
}
