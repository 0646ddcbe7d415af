//! What 50,000 datagrams of junk a second do to a host of three real ones: probes that are lost, memory that grows.
//!
//! `cargo xtask bench junk` builds what it needs and runs it.

#![expect(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

use std::time::Duration;

use kerf_tests::junk::{self, Plan};
use kerf_tests::world::{Fleet, Ring};
use kerf_tests::{Capability, Scratch, poll, require};

/// How long three hosts may take to find each other.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if !args.iter().any(|arg| arg == "--bench") {
        println!("skipped: run by `cargo bench` alone");
        return Ok(());
    }
    let needed = [Capability::Root, Capability::Containerd, Capability::Cgroup];
    if !needed.into_iter().all(require) {
        return Ok(());
    }
    let option = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1).cloned()
    };
    let number = |name: &str, usual: u32| -> anyhow::Result<u32> {
        Ok(option(name).map_or(Ok(usual), |word| word.parse())?)
    };
    let plan = Plan {
        per_second: number("--rate", 50_000)?,
        time: Duration::from_secs(number("--seconds", 120)?.into()),
        before: Duration::from_secs(number("--before", 60)?.into()),
    };
    let mut fleet = Fleet::new(Scratch::new("kj")?)?;
    let ring = Ring::new()?;
    for number in 1..=3 {
        let settings = fleet.settings(&format!("node-{number}"), "h100x1", "")?;
        ring.give(&settings)?;
        fleet.start(settings)?;
    }
    poll::until_true("three hosts that know each other", LIMIT, || {
        fleet.hosts().iter().all(|host| {
            let metrics = host.metrics().unwrap_or_default();
            metrics.contains("kerf_peers{state=\"alive\"} 2\n")
        })
    })?;
    let outcome = junk::measure(&fleet, 1, plan)?;
    fleet.stop()?;
    if option("-o").as_deref() == Some("json") {
        println!("{}", outcome.document());
        return Ok(());
    }
    for (key, value) in outcome.document().as_object().into_iter().flatten() {
        println!("{key:24} {value}");
    }
    Ok(())
}
