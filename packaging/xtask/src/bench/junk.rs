//! `cargo xtask bench junk`: a flood of junk on a kerfd that is built as it is shipped.

use std::process::Command;

use anyhow::Result;
use kerf_tests::bins;

use super::{Output, Shipped, ship};
use crate::phase::visible;

/// `cargo xtask bench junk`
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Datagrams a second
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// How long; each host probes another in 0.7 s
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(5..=86_400))]
    seconds: u32,
    /// How long the fleet is looked at before, in peace
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    before: u32,
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
    let mut bench = Command::new(programs.join("kerf-bench-junk"));
    for (name, number) in [
        ("--rate", options.rate),
        ("--seconds", options.seconds),
        ("--before", options.before),
    ] {
        bench.args([name, &number.to_string()]);
    }
    if let Output::Json = options.output {
        bench.arg("--json");
    }
    bench.env(bins::PROGRAMS_ENV, &programs);
    bench.env(bins::RUNTIME_ENV, &shim);
    visible(&mut bench)
}
