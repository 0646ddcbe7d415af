//! A kerfd that is killed in the middle of a layout, and a driver that refuses the rest of it from then on: the next one
//! gives it up, says so for as long as that stands, and the one after it makes good what was kept.

use nvidia_ml::control::{FaultRequest, fault};

use super::scenes::SCENES;
use crate::course::at_rest;
use crate::image::Image;
use crate::judge::Picture;
use crate::lane::Lane;
use crate::life::{Alive, End, Point, is_change};
use crate::script::{Op, Runtime, carry_out};

/// What the driver refuses.
const FUNCTION: &str = "nvmlDeviceCreateGpuInstanceWithPlacement";

/// Looks within which an interrupted layout is given up.
const LOOKS: u64 = 14;

/// Applies a layout, killed at a point if there is one; the calls that it made.
fn apply(lane: &Lane, runtime: &Runtime, layout: &str, point: Option<Point>) -> Vec<String> {
    let (_, passed) = lane.live(point, false, async |alive: Alive| {
        at_rest(&alive).await;
        drop(carry_out(&alive.host, runtime, &Op::apply(layout, true)).await);
    });
    passed.calls
}

/// What is said of GPUs after so many looks.
fn told(lane: &Lane, looks: u64) -> Vec<String> {
    let (end, _) = lane.live(None, false, async |alive: Alive| {
        alive.looked().await;
        alive.look_often().await;
        alive.looks(looks).await;
        let view = alive.host.view();
        let entries = view.degraded.iter();
        entries
            .map(|(what, entry)| format!("{what}: {}", entry.why))
            .collect()
    });
    let End::Done(told) = end else {
        panic!("nothing kills it");
    };
    told
}

#[test]
fn an_interrupted_layout_that_is_given_up_is_told_and_made_good() {
    let scene = SCENES[0];
    let (lane, runtime) = (scene.lane(), Runtime::start());
    apply(&lane, &runtime, scene.old, None);
    let (base, old) = (Image::take(&lane), Picture::take(&lane).shape());
    let calls = apply(&lane, &runtime, scene.new, None);
    // Something has gone, and nothing is made yet.
    let create = calls.iter().position(|call| call == FUNCTION);
    let create = create.expect("it makes an instance");
    assert!(calls[..create].iter().any(|call| is_change(call)));
    base.put_back(&lane);
    let point = Point::Call(u64::try_from(create).expect("a count"));
    apply(&lane, &runtime, scene.new, Some(point));
    let half = Picture::take(&lane).shape();
    assert_ne!(half, old);
    let refuse = FaultRequest::Refuse {
        function: FUNCTION.to_owned(),
        code: 11,
    };
    fault(&lane.info.dir, refuse).expect("the machine");
    let given_up = told(&lane, LOOKS);
    let what = "an interrupted change of it was given up";
    assert!(
        matches!(given_up.as_slice(), [one] if one.contains(what)),
        "{given_up:?}"
    );
    assert_eq!(Picture::take(&lane).shape(), half);
    fault(&lane.info.dir, FaultRequest::DriverClear).expect("the machine");
    assert_eq!(told(&lane, 1), [""; 0]);
    assert_eq!(Picture::take(&lane).shape(), old);
}
