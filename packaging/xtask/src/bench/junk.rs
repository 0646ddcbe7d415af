//! `cargo xtask bench junk`: the benchmark of `tests`, with the kerfd that it floods built as it is shipped.

use anyhow::Result;
use kerf_tests::{bins, tree};

use super::{Output, PROGRAMS, runtime};
use crate::phase::{cargo, visible};

/// `cargo xtask bench junk`
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Datagrams a second
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// How long; each host probes another in 0.7 s
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(5..=86_400))]
    seconds: u32,
    /// A table, or one JSON document
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Builds kerfd and the benchmark, and runs it.
///
/// # Errors
/// When one of them cannot be built, or the benchmark fails.
pub fn run(options: &Options) -> Result<()> {
    let shim = runtime()?;
    visible(&mut cargo(&PROGRAMS))?;
    let mut bench = cargo(&["bench", "--quiet", "--package=kerf-tests", "--bench=junk"]);
    bench.args(["--", "--rate", &options.rate.to_string()]);
    bench.args(["--seconds", &options.seconds.to_string()]);
    if let Output::Json = options.output {
        bench.args(["-o", "json"]);
    }
    bench.env(bins::PROGRAMS_ENV, tree::target_dir()?.join("release"));
    bench.env(bins::RUNTIME_ENV, &shim);
    visible(&mut bench)
}
