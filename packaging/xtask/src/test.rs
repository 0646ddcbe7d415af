//! `cargo xtask test`: everything that must hold before a change lands, in the order of cost; or some of
//! the tests, with everything built that they start.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use kerf_tests::{bins, process, tree};

use crate::phase::{cargo, phase, visible};
use crate::{out, setup};

/// Which tests.
#[derive(Debug, Args)]
pub struct Options {
    /// Run only tests whose path has this in it, and neither the format check nor clippy
    filter: Option<String>,
    /// Run only tests of this package; may be given more than once
    #[arg(short, long)]
    package: Vec<String>,
}

impl Options {
    fn is_part(&self) -> bool {
        self.filter.is_some() || !self.package.is_empty()
    }
}

/// Sets up, then checks format, lints, build and tests; stops at the first that fails.
pub fn run(options: &Options) -> Result<()> {
    phase("setup", setup::run_for_tests)?;
    if !options.is_part() {
        phase("format", || {
            visible(&mut cargo(&["fmt", "--all", "--check"]))
        })?;
        phase("clippy", clippy)?;
    }
    let runtime = phase("build", build)?;
    phase("tests", || {
        if options.is_part() {
            ensure_some(options, &runtime)?;
        }
        visible(&mut tests(options, &runtime))
    })
}

fn clippy() -> Result<()> {
    let lints = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    visible(&mut cargo(&lints))
}

/// One runner for all of them: unit tests, the integration binary, documentation. It goes on after a
/// failure, so that one run names all of them.
fn tests(options: &Options, runtime: &Path) -> Command {
    let mut tests = cargo(&["test", "--no-fail-fast"]);
    if options.package.is_empty() {
        tests.arg("--workspace");
    }
    for package in &options.package {
        tests.args(["--package", package]);
    }
    tests.env(bins::RUNTIME_ENV, runtime);
    tests.arg("--").args(&options.filter);
    tests
}

/// A misspelt filter must not pass for want of tests.
fn ensure_some(options: &Options, runtime: &Path) -> Result<()> {
    let list = process::run(tests(options, runtime).arg("--list"))?;
    let count = listed(&list);
    ensure!(count > 0, "no test has {:?} in its path", options.filter);
    out::line(&format!("{count} tests"));
    Ok(())
}

/// How many tests libtest has listed: `path::of::one: test`.
fn listed(list: &str) -> usize {
    list.lines().filter(|line| line.ends_with(": test")).count()
}

/// Builds what tests start as processes of their own: `cargo test` alone would not make the
/// simulator's shared library nor the static programs. Returns the path of the runtime.
pub fn build() -> Result<PathBuf> {
    visible(&mut cargo(&["build", "--workspace"]))?;
    let target = bins::RUNTIME_TARGET;
    visible(&mut cargo(&[
        "build",
        "--package",
        "kerf-runtime",
        "--package",
        "kerf-alltoall",
        "--target",
        target,
    ]))?;
    let path = tree::target_dir()?.join(target).join("debug/kerf-runtime");
    path.canonicalize()
        .with_context(|| format!("{} was not built", path.display()))
}

#[cfg(test)]
mod tests;
