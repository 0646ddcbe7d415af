//! `cargo xtask test`: everything that must hold before a change lands, in the order of cost.

use std::path::PathBuf;

use anyhow::{Context, Result};
use kerf_tests::{bins, tree};

use crate::phase::{cargo, phase, visible};
use crate::setup;

/// Sets up, then checks format, lints, build and tests; stops at the first that fails.
pub fn run() -> Result<()> {
    phase("setup", setup::run)?;
    phase("format", || {
        visible(&mut cargo(&["fmt", "--all", "--check"]))
    })?;
    phase("clippy", || {
        let lints = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        visible(&mut cargo(&lints))
    })?;
    let runtime = phase("build", build)?;
    phase("tests", || {
        // One runner for all of them: unit tests, the integration binary, documentation. It goes on after a
        // failure, so that one run names all of them.
        let mut tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
        tests.env(bins::RUNTIME_ENV, runtime);
        // The same environment for the tests of packages that do not know the helpers.
        tests.env("KERF_PYTHON", bins::python_env()?.join("bin/python"));
        visible(&mut tests)
    })
}

/// Builds what tests start as processes of their own: `cargo test` alone would not make the
/// simulator's shared library nor the static runtime. Returns the path of the latter.
pub fn build() -> Result<PathBuf> {
    visible(&mut cargo(&["build", "--workspace"]))?;
    let target = bins::RUNTIME_TARGET;
    visible(&mut cargo(&[
        "build",
        "--package",
        "kerf-runtime",
        "--target",
        target,
    ]))?;
    let path = tree::target_dir()?.join(target).join("debug/kerf-runtime");
    path.canonicalize()
        .with_context(|| format!("{} was not built", path.display()))
}
