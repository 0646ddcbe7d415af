//! A kerfd that is killed in the middle of a layout, and a driver that refuses the rest of it from then on: the next one
//! gives it up, says so for as long as that stands, and the one after it makes good what was kept. Where nothing was
//! kept it goes on saying so, until somebody applies a layout.

use nvidia_ml::control::{FaultRequest, fault};

use super::scenes::SCENES;
use crate::course::at_rest;
use crate::image::Image;
use crate::judge::Picture;
use crate::lane::Lane;
use crate::life::{Alive, End, Point, ailments, is_change};
use crate::script::{Op, Runtime, carry_out};

/// What the driver refuses.
const FUNCTION: &str = "nvmlDeviceCreateGpuInstanceWithPlacement";

/// Looks within which an interrupted layout is given up.
pub const LOOKS: u64 = 14;

/// Applies a layout, killed at a point if there is one; the calls that it made.
pub fn apply(lane: &Lane, runtime: &Runtime, layout: &str, point: Option<Point>) -> Vec<String> {
    let (_, passed) = lane.live(point, false, async |alive: Alive| {
        at_rest(&alive).await;
        drop(carry_out(&alive.host, runtime, &Op::apply(layout, true)).await);
    });
    passed.calls
}

/// What is said of GPUs after so many looks.
pub fn told(lane: &Lane, looks: u64) -> Vec<String> {
    let (end, _) = lane.live(None, false, async |alive: Alive| {
        alive.looked().await;
        alive.look_often().await;
        alive.looks(looks).await;
        ailments(&alive.host.view())
    });
    let End::Done(told) = end else {
        panic!("nothing kills it");
    };
    told
}

/// Kills a kerfd that applies a layout where it would make its first instance, which is refused from then on. Whether
/// something has gone by then.
pub fn interrupt(lane: &Lane, runtime: &Runtime, layout: &str) -> bool {
    let base = Image::take(lane);
    let calls = apply(lane, runtime, layout, None);
    let create = calls.iter().position(|call| call == FUNCTION);
    let create = create.expect("it makes an instance");
    base.put_back(lane);
    let point = Point::Call(u64::try_from(create).expect("a count"));
    apply(lane, runtime, layout, Some(point));
    let refuse = FaultRequest::Refuse {
        function: FUNCTION.to_owned(),
        code: 11,
    };
    fault(&lane.info.dir, refuse).expect("the machine");
    calls[..create].iter().any(|call| is_change(call))
}

pub fn assert_told(told: &[String], what: &str) {
    assert!(
        matches!(told, [one] if one.contains(what)),
        "not {what:?}: {told:?}"
    );
}

#[test]
fn an_interrupted_layout_that_is_given_up_is_told_and_made_good() {
    let scene = SCENES[0];
    let (lane, runtime) = (scene.lane(), Runtime::start());
    apply(&lane, &runtime, scene.old, None);
    let old = Picture::take(&lane).shape();
    assert!(interrupt(&lane, &runtime, scene.new));
    let half = Picture::take(&lane).shape();
    assert_ne!(half, old);
    assert_told(
        &told(&lane, LOOKS),
        "an interrupted change of it was given up",
    );
    assert_eq!(Picture::take(&lane).shape(), half);
    fault(&lane.info.dir, FaultRequest::DriverClear).expect("the machine");
    assert_eq!(told(&lane, 1), [""; 0]);
    assert_eq!(Picture::take(&lane).shape(), old);
}

#[test]
fn where_nothing_was_kept_it_is_told_until_a_layout_is_applied() {
    let (lane, runtime) = (Lane::new("h100x8", 1), Runtime::start());
    let first = r#"{"rules":[{"gpus":[0],"slices":{"3g.40gb":1}}]}"#;
    assert!(interrupt(&lane, &runtime, first));
    assert_told(&told(&lane, LOOKS), "nothing is kept for it");
    assert_told(&told(&lane, 1), "nothing is kept for it");
    fault(&lane.info.dir, FaultRequest::DriverClear).expect("the machine");
    apply(&lane, &runtime, first, None);
    assert_eq!(told(&lane, 1), [""; 0]);
}
