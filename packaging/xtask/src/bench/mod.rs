//! `cargo xtask bench`: the numbers of SPECIFICATION.md, measured by the programs that would be shipped.

mod junk;
mod launch;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use kerf_tests::{bins, tree};

use crate::phase::{cargo, visible};

/// kerfd and what it runs on.
const PROGRAMS: [&str; 6] = [
    "build",
    "--release",
    "--package=kerf-agent",
    "--package=kerf-partitioner",
    "--package=kerf-nvml-sim",
    "--package=kerf-sim-tools",
];

/// How a result is told.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// What is measured.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// What kerf-runtime adds to a container's life, against the same runc in interleaved pairs; and its way to kerfd
    Launch(launch::Options),
    /// What a flood of junk does to one of three hosts: probes that are lost, memory that grows
    Junk(junk::Options),
}

/// Builds, and measures.
///
/// # Errors
/// When something cannot be built, or a container that must start does not.
pub fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Launch(options) => launch::run(options),
        Bench::Junk(options) => junk::run(options),
    }
}

/// Builds the wrapper as it is shipped.
fn runtime() -> Result<PathBuf> {
    let target = format!("--target={}", bins::RUNTIME_TARGET);
    let wrapper = [
        "build",
        "--profile=release-runtime",
        "--package=kerf-runtime",
        &target,
    ];
    visible(&mut cargo(&wrapper))?;
    let folder = tree::target_dir()?.join(bins::RUNTIME_TARGET);
    Ok(folder.join("release-runtime/kerf-runtime"))
}
