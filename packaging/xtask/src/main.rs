//! `cargo xtask`: the commands of development. A table of contents; each verb is a file or folder.
//!
//! It builds on a machine that has rustc and a C linker and nothing else, since it is what
//! installs the rest.

mod bench;
mod demo;
mod dist;
mod fuzz;
mod gpu_check;
mod out;
mod phase;
mod setup;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Development commands of kerf.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Install what is missing: Debian packages, parts of the Rust toolchain, Python clients
    Setup,
    /// Set up, then run every check there is: format, clippy, build, all tests; or only some of the tests
    Test(test::Options),
    /// Show kerf on a simulated machine: discover, plan, cut, launch, measure, free
    Demo(demo::Options),
    /// Make the packages: deb and rpm of kerf, and of its simulator apart
    Dist(dist::Options),
    /// Measure what SPECIFICATION.md promises
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Feed whatever kerf reads from outside with texts that nobody would write, and keep what breaks a promise
    Fuzz(fuzz::Options),
    /// Compare what kerf sees of real GPUs with nvidia-smi, field by field; only reads
    GpuCheck(gpu_check::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &Verb) -> Result<()> {
    match verb {
        Verb::Setup => setup::run_for_tests(),
        Verb::Test(options) => test::run(options),
        Verb::Demo(options) => demo::run(options),
        Verb::Dist(options) => dist::run(options),
        Verb::Bench(bench) => bench::run(bench),
        Verb::Fuzz(options) => fuzz::run(options),
        Verb::GpuCheck(options) => gpu_check::run(options),
    }
}
