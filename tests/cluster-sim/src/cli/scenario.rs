//! `kerf-cluster-sim scenario`: runs a scenario for one seed or many, prints what it measured, fails with the seed of
//! a violated check.

use std::io::Write;
use std::ops::Range;
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use kerf_cluster_sim::scenario::Scenario;
use kerf_cluster_sim::{HEAD, Setup};

use super::{in_thousand, range, record_bytes, sealing};

/// Do something to a fleet, and check that it comes through
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of hosts
    #[arg(long, default_value_t = 50)]
    hosts: usize,
    /// What is done to them
    #[arg(long, value_enum, default_value_t = Name::Join)]
    scenario: Name,
    /// The seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seeds A..B instead of one, B not included
    #[arg(long, value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Share of datagrams lost, for the scenario `loss`: a fraction, 0.2, or 20%
    #[arg(long, default_value = "0.2", value_parser = in_thousand)]
    loss: u64,
    /// Length of each host's record in bytes
    #[arg(long, default_value_t = 300, value_parser = record_bytes)]
    record_bytes: usize,
    /// Seal and sign as kerfd does, instead of with a stand-in
    #[arg(long)]
    sealed: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    Join,
    Crash,
    Partition,
    Loss,
    Churn,
    Slow,
}

/// Runs it.
pub fn run(args: Args) -> Result<ExitCode> {
    let scenario = match args.scenario {
        Name::Join => Scenario::Join,
        Name::Crash => Scenario::Crash,
        Name::Partition => Scenario::Partition,
        Name::Loss => Scenario::Loss(args.loss),
        Name::Churn => Scenario::Churn,
        Name::Slow => Scenario::Slow,
    };
    let mut out = std::io::stdout();
    writeln!(out, "{} hosts, {:?}\n{HEAD}", args.hosts, args.scenario)?;
    for seed in args.seeds.unwrap_or(args.seed..args.seed + 1) {
        let mut setup = Setup::new(args.hosts, seed);
        setup.record_bytes = args.record_bytes;
        setup.sealing = sealing(args.sealed);
        let report = scenario.run(setup);
        writeln!(out, "{}", report.line())?;
        if !report.violations.is_empty() {
            writeln!(out, "seed {seed} violates:")?;
            for violation in &report.violations {
                writeln!(out, "  {violation}")?;
            }
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
