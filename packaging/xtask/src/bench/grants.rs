//! `cargo xtask bench grants`: the benchmark of the fleet's driver, with kerfds built as they are shipped.

use std::process::Command;

use anyhow::Result;
use kerf_tests::bins;

use super::{Output, Shipped, ship};
use crate::phase::visible;

/// `cargo xtask bench grants`
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Hosts that own slices, 56 each; the submitting host comes to them
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=16))]
    hosts: u32,
    /// How long each leg is measured
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Jobs that are on their way at a time; more than there are slices would measure refusals
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=800))]
    in_flight: u32,
    /// Only legs whose name has these words: `disk`, `tmpfs`, `slice`, `no devices`
    #[arg(long)]
    only: Option<String>,
    /// A table, or one JSON document
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Builds kerfd, the wrapper and the benchmark, and runs it.
///
/// # Errors
/// When one of them cannot be built, or the benchmark fails.
pub fn run(options: &Options) -> Result<()> {
    let Shipped { programs, shim } = ship(&["--package=kerf-bench"])?;
    let mut bench = Command::new(programs.join("kerf-bench"));
    for (name, number) in [
        ("--hosts", options.hosts),
        ("--seconds", options.seconds),
        ("--in-flight", options.in_flight),
    ] {
        bench.args([name, &number.to_string()]);
    }
    if let Some(only) = &options.only {
        bench.args(["--only", only]);
    }
    if let Output::Json = options.output {
        bench.arg("--json");
    }
    bench.env(bins::PROGRAMS_ENV, &programs);
    bench.env(bins::RUNTIME_ENV, &shim);
    visible(&mut bench)
}
