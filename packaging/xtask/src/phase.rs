//! A named piece of work whose duration is told.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use kerf_tests::{process, tree};

use crate::out;

/// Does the work, and says when it starts and how long it took; the first that fails ends xtask.
pub fn phase<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    out::line(&format!("== {name}"));
    let start = Instant::now();
    let result = work();
    let seconds = start.elapsed().as_secs_f32();
    match &result {
        Ok(_) => out::line(&format!("== {name}: ok, {seconds:.1} s")),
        Err(_) => out::line(&format!("== {name}: FAILED after {seconds:.1} s")),
    }
    result.with_context(|| format!("phase {name:?} failed"))
}

/// A command that talks to the terminal itself and must succeed.
pub fn visible(command: &mut Command) -> Result<()> {
    let line = process::shell_line(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start {line}"))?;
    ensure!(status.success(), "{line}: {status}");
    Ok(())
}

/// The cargo that runs us, in the workspace's root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(tree::workspace_root());
    command
}
