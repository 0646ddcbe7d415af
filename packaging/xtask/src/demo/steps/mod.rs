//! The scenes of the demo, in their order.

mod fleet;
mod hardware;
mod launch;
mod layout;
mod loss;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kerf_tests::{poll, process};
use serde_json::Value;

use super::answers::{self, Node, Slice};
use super::hosts::Hosts;
use super::stage::{Stage, Step};

/// How long something that kerf does in the background may take before a step gives up.
const LIMIT: Duration = Duration::from_secs(20);

/// Everything that the demo shows.
pub const STEPS: [Step<Hosts>; 16] = [
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
    Step {
        title: "Three hosts: two more come up, and all find each other",
        play: fleet::meet,
    },
    Step {
        title: "Placement: node-3 has a job that only node-1 can hold",
        play: fleet::run_elsewhere,
    },
    Step {
        title: "Placement: where a job is, and why there",
        play: fleet::explain,
    },
    Step {
        title: "Members: one job on two hosts",
        play: fleet::members,
    },
    Step {
        title: "Loss: node-2 is killed",
        play: loss::kill,
    },
    Step {
        title: "Return: node-2 is back, and nothing has started twice",
        play: loss::back,
    },
    Step {
        title: "Pages: each host has one",
        play: fleet::pages,
    },
];

fn containerd(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    let fleet = hosts.start_containerd()?;
    let namespace = fleet.namespace(1);
    let ctr = || fleet.containerd().ctr_in(&namespace);
    stage.run(ctr().args(["images", "import"]).arg(fleet.archive()))?;
    let images = stage.run(ctr().args(["images", "list", "-q"]))?;
    stage.check(
        "containerd has the busybox image",
        images.trim() == kerf_tests::world::IMAGE,
    )
}

/// The slices of the host, asked without showing it.
fn slices(hosts: &Hosts) -> Result<Vec<Slice>> {
    let text = process::run(&mut hosts.kerf(&["slices", "-o", "json"])?)?;
    answers::slices(&answers::document(&text, "Slices")?)
}

/// The hosts that a host knows, asked without showing it.
fn nodes(hosts: &Hosts, number: usize) -> Result<Vec<Node>> {
    let text = process::run(&mut hosts.kerf_on(number, &["nodes", "-o", "json"])?)?;
    answers::nodes(&answers::document(&text, "Nodes")?)
}

/// A job as the host tells it that it was submitted to.
fn job(hosts: &Hosts, number: usize, id: &str) -> Result<Value> {
    let text = process::run(&mut hosts.kerf_on(number, &["jobs", id, "-o", "json"])?)?;
    answers::document(&text, "Job")
}

/// The hosts of a job's members, in the order of the members.
fn hosts_of(job: &Value) -> Result<Vec<String>> {
    let members = answers::list(job, "members")?.iter();
    members
        .map(|member| answers::text(member, "host"))
        .collect()
}

/// Waits until a job is in a state; one that will not get there any more is not waited for.
fn until_state(hosts: &Hosts, number: usize, id: &str, state: &str) -> Result<()> {
    let mut last = String::new();
    poll::until(&format!("job {id} to be {state}"), LIMIT, || {
        let job = job(hosts, number, id).ok()?;
        last = answers::text(&job, "state").unwrap_or_default();
        let reason = answers::text(&job, "reason").unwrap_or_default();
        let over = job.get("ended_at").is_some_and(|at| !at.is_null());
        let held = last == state;
        last = format!("it is {last}: {reason}");
        (held || over).then_some(held)
    })
    .and_then(|held| held.then_some(()).context("it has ended otherwise"))
    .with_context(|| last)
}

/// Time since then, as somebody reads it.
fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f32())
}
