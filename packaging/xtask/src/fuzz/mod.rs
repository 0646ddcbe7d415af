//! `cargo xtask fuzz`: libFuzzer on everything that kerf reads from outside.
//!
//! The promises and the seeds are the package `fuzz`'s; here the fuzzers are built and run, one after the other, each
//! for some seconds. What breaks a promise is kept in `fuzz/regressions/TARGET`, where every run of the tests tries it
//! again. What a fuzzer has learnt besides lies in the build folder and is where the next run goes on.

mod build;
mod report;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use kerf_tests::tree;

use crate::out;
use crate::phase::phase;
use report::Outcome;

/// Most memory of a fuzzer, in MiB, with what its checks of addresses take; and most of one allocation, for no text
/// may make kerf ask for much at once.
const MEMORY_MIB: [&str; 2] = ["-rss_limit_mb=2048", "-malloc_limit_mb=256"];

/// Seconds after which one text has hung the reader, on a machine that does other things besides; a text that only
/// takes long is no finding, and not kept.
const HANG: [&str; 2] = ["-timeout=60", "-report_slow_units=60"];

/// Longest text that is tried.
const LONGEST: &str = "-max_len=16384";

/// Which fuzzers, and for how long.
#[derive(Debug, Args)]
pub struct Options {
    /// Only this one
    target: Option<String>,
    /// How long each of them runs
    #[arg(long, value_name = "N", default_value_t = 30)]
    seconds: u32,
}

/// Builds the fuzzers, runs them, and sums up.
///
/// # Errors
/// Where one cannot be built or run, or has found something.
pub fn run(options: &Options) -> Result<()> {
    let targets = chosen(&package(), options.target.as_deref())?;
    phase("setup", || {
        crate::setup::run()?;
        build::install(&folder()?)
    })?;
    let programs = phase("build", || {
        build::build(&folder()?, options.target.as_deref())
    })?;
    let mut outcomes = Vec::new();
    for target in &targets {
        let outcome = phase(target, || fuzz(target, &programs, options.seconds))?;
        out::line(&outcome.line());
        outcomes.push(outcome);
    }
    out::line(&report::table(&outcomes));
    let broken = outcomes.iter().filter(|outcome| !outcome.is_good());
    let broken: Vec<&str> = broken.map(|outcome| outcome.target.as_str()).collect();
    ensure!(
        broken.is_empty(),
        "something was found by {}",
        broken.join(", ")
    );
    Ok(())
}

/// The package with promises, seeds and findings.
fn package() -> PathBuf {
    tree::workspace_root().join("fuzz")
}

/// Everything that is built or learnt.
fn folder() -> Result<PathBuf> {
    Ok(tree::target_dir()?.join("fuzz"))
}

/// The one that is wanted, or all.
fn chosen(package: &Path, wanted: Option<&str>) -> Result<Vec<String>> {
    let folder = package.join("engine/targets");
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let name = |entry: std::fs::DirEntry| Some(entry.path().file_stem()?.to_str()?.to_owned());
    let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
    names.sort();
    let Some(wanted) = wanted else {
        return Ok(names);
    };
    ensure!(
        names.iter().any(|name| name == wanted),
        "no fuzzer is called {wanted:?}; there are {}",
        names.join(", ")
    );
    Ok(vec![wanted.to_owned()])
}

fn fuzz(target: &str, programs: &Path, seconds: u32) -> Result<Outcome> {
    let log = folder()?.join("logs").join(target);
    let learnt = folder()?.join("corpus").join(target);
    let kept = package().join("regressions").join(target);
    for folder in [log.parent().unwrap_or(&log), &learnt, &kept] {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(programs.join(target));
    command.args([&learnt, &package().join("seeds").join(target), &kept]);
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={}/", kept.display()));
    command.args([LONGEST, "-print_final_stats=1", "-detect_leaks=0"]);
    command.args(HANG).args(MEMORY_MIB);
    let status = command
        .stdout(file.try_clone().context("cannot duplicate a handle")?)
        .stderr(file)
        .status()
        .with_context(|| format!("cannot start the fuzzer {target}"))?;
    // An empty folder says nothing.
    std::fs::remove_dir(&kept).ok();
    let bytes = std::fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let outcome = Outcome::read(target, &String::from_utf8_lossy(&bytes), status.success());
    if !outcome.is_good() {
        out::line(&format!("see {}", log.display()));
    }
    Ok(outcome)
}
