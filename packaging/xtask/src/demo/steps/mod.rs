//! The scenes of the demo, in their order.

mod hardware;
mod launch;
mod layout;

use std::time::Duration;

use anyhow::Result;

use super::answers::{self, Slice};
use super::host::Host;
use super::stage::{Stage, Step};

/// How long something that kerf does in the background may take before a step gives up.
const LIMIT: Duration = Duration::from_secs(20);

/// Everything that the demo shows.
pub const STEPS: [Step<Host>; 9] = [
    Step {
        title: "A containerd of our own, and an image from no registry",
        play: containerd,
    },
    Step {
        title: "kerfd on a simulated machine with eight H100",
        play: hardware::start,
    },
    Step {
        title: "Discover: what is really there",
        play: hardware::discover,
    },
    Step {
        title: "Plan: what a layout would change",
        play: layout::plan,
    },
    Step {
        title: "Apply: cut the slices",
        play: layout::apply,
    },
    Step {
        title: "Launch: a container sees its slice and nothing else",
        play: launch::isolation,
    },
    Step {
        title: "Launch: a job that stays",
        play: launch::submit,
    },
    Step {
        title: "Measure: the metrics of this slice",
        play: launch::metrics,
    },
    Step {
        title: "Free: the job ends and the slice is free again",
        play: launch::free,
    },
];

fn containerd(stage: &mut Stage, host: &mut Host) -> Result<()> {
    let containerd = host.start_containerd()?;
    let images = stage.run(containerd.ctr().args(["images", "list", "-q"]))?;
    stage.check(
        "containerd has the busybox image",
        images.trim() == kerf_tests::world::IMAGE,
    )
}

/// The slices of the host, asked without showing it.
fn slices(host: &Host) -> Result<Vec<Slice>> {
    let text = kerf_tests::process::run(&mut host.kerf(&["slices", "-o", "json"])?)?;
    answers::slices(&answers::document(&text, "Slices")?)
}
