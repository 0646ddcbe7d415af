//! Grants: reserve, decide and confirm of one member each, between real processes on loopback, with the stores on.
//!
//! The owners are kerfds as they are shipped, each on a simulated machine with its slices cut. The submitting host is this
//! process: the scheduler's core, its writer, a store and the peers' links as kerfd has them, and no devices of its own. Where the core
//! would have a container started, all of the grant is durable on both sides, and the job is cancelled instead: so the slice
//! comes free by the protocol's own release, and no container is part of what is measured. Everything is: the placement, the
//! register (r = 1), each write, the owner's lease with its CDI name, and the release as well.
//!
//! `cargo xtask bench grants [--hosts N] [--seconds S] [--in-flight N] [-o json]` builds all that it needs and runs it.

#![expect(
    clippy::print_stdout,
    reason = "a measurement's result is what it prints"
)]

mod coordinator;
mod cpu;
mod hosts;
mod report;

use std::time::Duration;

use clap::Parser;
use kerf_tests::{Capability, require};

use hosts::{Disk, Hosts};
use report::Leg;

/// How long grants go on before they are counted: connections come up, and every table has its size.
const WARM_UP: Duration = Duration::from_secs(2);

/// What a job asks for in the legs, by the name of the leg: the number that counts is of one with a slice.
const ASKS: [(&str, Option<&str>); 2] = [("slice", Some("1g.10gb")), ("no devices", None)];

/// What is measured.
#[derive(Debug, Parser)]
struct Plan {
    /// Hosts that own slices, 56 each; the submitting host comes to them
    #[arg(long, default_value_t = 2)]
    hosts: usize,
    /// How long each leg is measured
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Jobs that are on their way at a time
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Only legs whose name has these words: `disk`, `tmpfs`, `slice`, `no devices`
    #[arg(long, default_value = "")]
    only: String,
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
    let mut legs = Vec::new();
    for disk in [Disk::Real, Disk::Memory] {
        let is_wanted = |name: &str| format!("{}, {name}", disk.name()).contains(&plan.only);
        let asks = ASKS.iter().filter(|(name, _)| is_wanted(name));
        let asks: Vec<_> = asks.collect();
        if asks.is_empty() {
            continue;
        }
        let hosts = Hosts::start(plan.hosts, disk)?;
        for (name, ask) in asks {
            legs.push(measured(&hosts, &plan, name, *ask)?);
        }
        hosts.stop()?;
    }
    match plan.json {
        true => println!("{}", report::document(&plan, &legs)),
        false => report::table(&plan, &legs),
    }
    Ok(())
}

/// One leg: grants for as long as the plan says, after a time that does not count.
fn measured(hosts: &Hosts, plan: &Plan, name: &str, ask: Option<&str>) -> anyhow::Result<Leg> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut coordinator = coordinator::start(hosts, ask).await?;
        coordinator.wait_for_owners(plan.hosts).await?;
        coordinator.grant_for(WARM_UP, plan.in_flight).await;
        let before = (cpu::of(hosts)?, hosts.lease_writes()?);
        let counts = coordinator
            .grant_for(Duration::from_secs(plan.seconds), plan.in_flight)
            .await;
        let after = (cpu::of(hosts)?, hosts.lease_writes()?);
        coordinator.settle().await?;
        Ok(Leg {
            disk: hosts.disk().name(),
            ask: name.to_owned(),
            counts,
            cpu: after.0.since(&before.0),
            writes: after.1 - before.1,
        })
    })
}
