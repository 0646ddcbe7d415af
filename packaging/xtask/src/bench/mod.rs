//! `cargo xtask bench`: the numbers of SPECIFICATION.md, measured by the programs that would be shipped.

mod grants;
mod launch;

use anyhow::Result;
use clap::Subcommand;

use crate::setup;

/// What is measured.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// What kerf-runtime adds to a container's life, against the same runc in interleaved pairs; and its way to kerfd
    Launch(launch::Options),
    /// Grants a second between real kerfds: reserve, decide and confirm of one member, with the stores on; and their CPU time
    Grants(grants::Options),
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
    }
}
