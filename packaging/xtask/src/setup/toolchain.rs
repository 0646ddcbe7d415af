//! Parts of the Rust toolchain: the static target, rustfmt, clippy.
//!
//! `rust-toolchain.toml` names them, and rustup fetches them by itself unless it was told not to.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use kerf_tests::{bins, process, tree};

use crate::out;
use crate::phase::{cargo, visible};

/// Adds with rustup what is missing.
pub fn install() -> Result<()> {
    if !has_target()? {
        rustup(&["target", "add", bins::RUNTIME_TARGET])?;
    }
    for (verb, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if process::run(&mut cargo(&[verb, "--version"])).is_err() {
            rustup(&["component", "add", component])?;
        }
    }
    Ok(())
}

/// Whether the standard library for the static target lies where rustc looks for it.
fn has_target() -> Result<bool> {
    let mut command = Command::new("rustc");
    command.args(["--print", "target-libdir", "--target", bins::RUNTIME_TARGET]);
    let folder = process::run(command.current_dir(tree::workspace_root()))?;
    let mut entries = std::fs::read_dir(Path::new(folder.trim()))
        .into_iter()
        .flatten()
        .flatten();
    Ok(entries.any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}

fn rustup(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("rustup");
    command.args(arguments).current_dir(tree::workspace_root());
    out::line(&format!("# {}", process::shell_line(&command)));
    visible(&mut command)
        .context("a part of the Rust toolchain is missing and rustup cannot add it")
}
