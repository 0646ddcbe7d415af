//! `kerf-cluster-sim`: runs a scenario for one seed or many, prints what it measured, fails with the seed of a
//! violated check.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use kerf_cluster_sim::scenario::Scenario;
use kerf_cluster_sim::{HEAD, Sealing, Setup};

/// Simulate a fleet of kerf hosts in virtual time.
///
/// Exit codes: 0 all checks held, 1 one was violated (its seed is told), 2 usage.
#[derive(Debug, Parser)]
struct Cli {
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
    seeds: Option<std::ops::Range<u64>>,
    /// Datagrams lost in a thousand, for the scenario `loss`
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(..=900))]
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
}

fn range(text: &str) -> Result<std::ops::Range<u64>> {
    let (from, to) = text.split_once("..").context("A..B expected")?;
    Ok(from.parse()?..to.parse()?)
}

fn record_bytes(text: &str) -> Result<usize> {
    let bytes: usize = text.parse()?;
    anyhow::ensure!((32..=8_192).contains(&bytes), "32 to 8192 bytes expected");
    Ok(bytes)
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let scenario = match cli.scenario {
        Name::Join => Scenario::Join,
        Name::Crash => Scenario::Crash,
        Name::Partition => Scenario::Partition,
        Name::Loss => Scenario::Loss(cli.loss),
        Name::Churn => Scenario::Churn,
    };
    let mut out = std::io::stdout();
    writeln!(out, "{} hosts, {:?}\n{HEAD}", cli.hosts, cli.scenario)?;
    for seed in cli.seeds.unwrap_or(cli.seed..cli.seed + 1) {
        let mut setup = Setup::new(cli.hosts, seed);
        setup.record_bytes = cli.record_bytes;
        if cli.sealed {
            setup.sealing = Sealing::Real;
        }
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
