//! `kerf-cluster-sim`: fleets in virtual time, from a seed. One file of `cli` for each verb.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Simulate fleets of kerf hosts in virtual time.
///
/// Exit codes: 0 all checks held, 1 one was violated (its seed is told), 2 usage.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Gossip(cli::gossip::Args),
    Run(cli::run::Args),
    Scenario(cli::scenario::Args),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().verb {
        Verb::Gossip(args) => cli::gossip::run(&args),
        Verb::Run(args) => cli::run::run(&args),
        Verb::Scenario(args) => cli::scenario::run(args),
    }
}
