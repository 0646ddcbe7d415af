//! Other people's NVML and metrics clients, in a Python environment below the build folder.
//!
//! Versions are pinned, dependencies included, in a requirements file of the tests. A copy of it
//! in the environment says that the environment is complete.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use kerf_tests::{Capability, bins, capability, process, tree};

use crate::out;

/// Seconds that pip waits for an answer, once per attempt: without a network the tests should
/// start soon.
const TIMEOUT: &str = "20";

/// Makes the environment unless it is there; says so in one line when pip cannot fetch, and fails where
/// `KERF_REQUIRE` names `python`.
pub fn install() -> Result<()> {
    let requirements = tree::fixtures_dir().join("python/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let environment = bins::python_env()?;
    let mark = environment.join("requirements.txt");
    if std::fs::read_to_string(&mark).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    out::line(&format!(
        "# python environment in {}",
        environment.display()
    ));
    match fetch(&environment, &requirements) {
        Ok(()) => std::fs::write(&mark, wanted)
            .with_context(|| format!("cannot write {}", mark.display())),
        Err(error) => {
            // A half-made environment would look complete to the tests.
            std::fs::remove_dir_all(&environment).ok();
            if capability::demanded_here()?.contains(&Capability::Python) {
                return Err(error.context("no Python clients, which KERF_REQUIRE names"));
            }
            let reason = format!("{error:#}");
            let reason = reason.lines().rev().find(|line| !line.trim().is_empty());
            out::line(&format!(
                "no Python clients: {}",
                reason.unwrap_or_default().trim()
            ));
            out::line("tests that compare with gpustat, nvitop or prometheus-client will skip");
            Ok(())
        }
    }
}

fn fetch(environment: &Path, requirements: &Path) -> Result<()> {
    process::run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(environment),
    )?;
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    pip.args([
        "--no-input",
        "--retries",
        "1",
        "--timeout",
        TIMEOUT,
        "--requirement",
    ]);
    process::run(pip.arg(requirements)).map(drop)
}
