//! `cargo xtask bench launch`: the benchmark of `runtime-shim`, with what it starts built as it is shipped.

use anyhow::Result;
use kerf_tests::bins;

use super::{Output, Shipped, ship};
use crate::phase::{cargo, visible};

/// Fewer rounds would leave the 95 % interval of a median wider than the promise.
const ROUNDS: u32 = 50;

/// `cargo xtask bench launch`
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Lives of each kind; the interval of a median narrows with their square root
    #[arg(long, default_value_t = ROUNDS, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    rounds: u32,
    /// A table, or one JSON document
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Builds kerfd, the wrapper and the benchmark, and runs it.
///
/// # Errors
/// When one of them cannot be built, or the benchmark fails.
pub fn run(options: &Options) -> Result<()> {
    let Shipped { programs, shim } = ship(&[])?;
    let rounds = options.rounds.to_string();
    let mut bench = cargo(&[
        "bench",
        "--quiet",
        "--package=kerf-runtime",
        "--bench=launch",
        "--",
    ]);
    bench.args(["--rounds", &rounds]).arg("--shim").arg(&shim);
    if let Output::Json = options.output {
        bench.args(["-o", "json"]);
    }
    bench.env(bins::PROGRAMS_ENV, programs);
    bench.env(bins::RUNTIME_ENV, &shim);
    visible(&mut bench)
}
