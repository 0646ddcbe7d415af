//! What a flood of junk does to a host of three real ones: probes that are lost, memory that grows, processor time.
//!
//! `cargo xtask bench junk [--rate N] [--seconds S] [-o json]` builds all that it needs and runs it.

#![expect(
    clippy::print_stdout,
    reason = "a measurement's result is what it prints"
)]

use std::time::Duration;

use clap::Parser;
use kerf_tests::world::Fleet;
use kerf_tests::{Capability, Scratch, junk, poll, require};

/// How long three hosts may take to find each other.
const LIMIT: Duration = Duration::from_secs(60);

/// The host that is flooded: not the one that the others have joined.
const TARGET: usize = 2;

/// What is measured.
#[derive(Debug, Parser)]
struct Plan {
    /// Datagrams a second
    #[arg(long, default_value_t = 50_000)]
    rate: u32,
    /// How long
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// How long the fleet is looked at before, in peace
    #[arg(long, default_value_t = 60)]
    before: u64,
    /// One JSON document instead of a table
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<()> {
    let plan = Plan::parse();
    let needed = [Capability::Root, Capability::Containerd, Capability::Cgroup];
    if !needed.into_iter().all(require) {
        return Ok(());
    }
    let mut fleet = Fleet::new(Scratch::new("kj")?)?;
    for _ in 0..3 {
        fleet.add("h100x1", "")?;
    }
    poll::until_true("three hosts that know each other", LIMIT, || {
        fleet.hosts().iter().all(|host| {
            let metrics = host.metrics().unwrap_or_default();
            metrics.contains("kerf_peers{state=\"alive\"} 2\n")
        })
    })?;
    let wanted = junk::Plan {
        per_second: plan.rate,
        time: Duration::from_secs(plan.seconds),
        before: Duration::from_secs(plan.before),
    };
    let outcome = junk::measure(&fleet, TARGET, wanted)?.document();
    fleet.stop()?;
    if plan.json {
        println!("{outcome}");
        return Ok(());
    }
    for (key, value) in outcome.as_object().into_iter().flatten() {
        println!("{key:26} {value}");
    }
    Ok(())
}
