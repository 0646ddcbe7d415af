//! `cargo xtask setup`: makes a fresh Debian machine able to build and test kerf.
//!
//! What is there already is left alone, so a second run does nothing and needs no network.

mod engines;
mod oracle;
pub mod packages;
pub mod programs;
mod python;
mod toolchain;

use anyhow::Result;

/// Looks for the packages alone and installs nothing.
///
/// # Errors
/// When one is missing and this is not root; the text has the line to type.
pub fn check() -> Result<()> {
    packages::check(&packages::NEEDS)
}

/// Installs what is missing, or says what to do when it may not.
///
/// # Errors
/// When something is missing and cannot be installed. Python clients are an exception: without
/// them the tests that compare with them skip.
pub fn run() -> Result<()> {
    packages::install(&packages::NEEDS)?;
    toolchain::install()?;
    python::install()
}

/// [`run`], and what benchmarks compare with: a leg that is left out is a number that nobody gets.
///
/// # Errors
/// As [`run`].
pub fn run_for_benchmarks() -> Result<()> {
    run()?;
    packages::install(&packages::MEASURED)
}

/// [`run`], and what only tests want and can do without.
///
/// # Errors
/// As [`run`].
pub fn run_for_tests() -> Result<()> {
    run()?;
    packages::install_wanted();
    oracle::install()?;
    engines::install()
}
