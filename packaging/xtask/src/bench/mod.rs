//! `cargo xtask bench`: the numbers of SPECIFICATION.md, measured by the programs that would be shipped.

mod grants;
mod junk;
mod launch;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use kerf_tests::{bins, tree};

use crate::phase::{cargo, visible};
use crate::setup;

/// kerfd and what it runs on.
const PROGRAMS: [&str; 6] = [
    "build",
    "--release",
    "--package=kerf-agent",
    "--package=kerf-partitioner",
    "--package=kerf-nvml-sim",
    "--package=kerf-sim-tools",
];

/// How what was measured is told.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// Programs as they are shipped.
struct Shipped {
    /// The folder of kerfd and what it runs on.
    programs: PathBuf,
    /// kerf-runtime.
    shim: PathBuf,
}

/// What is measured.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// What kerf-runtime adds to a container's life, against the same runc in interleaved pairs; and its way to kerfd
    Launch(launch::Options),
    /// Grants a second between real kerfds: reserve, decide and confirm of one member, with the stores on; and their CPU time
    Grants(grants::Options),
    /// Probes that are lost and memory that grows in a fleet of three while one host is sent junk
    Junk(junk::Options),
}

/// Installs what is missing, builds, and measures.
///
/// # Errors
/// When something cannot be installed or built, or a container that must start does not.
pub fn run(bench: &Bench) -> Result<()> {
    setup::run_for_benchmarks()?;
    match bench {
        Bench::Launch(options) => launch::run(options),
        Bench::Grants(options) => grants::run(options),
        Bench::Junk(options) => junk::run(options),
    }
}

/// Builds kerfd, the wrapper and these packages besides.
fn ship(packages: &[&str]) -> Result<Shipped> {
    let target = format!("--target={}", bins::RUNTIME_TARGET);
    let wrapper = [
        "build",
        "--profile=release-runtime",
        "--package=kerf-runtime",
        &target,
    ];
    visible(&mut cargo(&wrapper))?;
    visible(cargo(&PROGRAMS).args(packages))?;
    let folder = tree::target_dir()?;
    Ok(Shipped {
        programs: folder.join("release"),
        shim: folder
            .join(bins::RUNTIME_TARGET)
            .join("release-runtime/kerf-runtime"),
    })
}
