//! The static program that asks the kernel inside a container about device nodes.
//!
//! Its source is a fixture of one file without dependencies; it is built once per content, with rustc for the target
//! of `kerf-runtime`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{bins, process, tree};

/// The program, built if it is not there.
///
/// # Errors
/// When rustc or its static target is not installed.
pub fn program() -> Result<PathBuf> {
    let source = tree::fixtures_dir().join("probe/main.rs");
    let text = std::fs::read(&source).with_context(|| format!("no {}", source.display()))?;
    let digest = Sha256::digest(text);
    let name: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let folder = tree::target_dir()?.join("probe");
    let program = folder.join(&name);
    if program.exists() {
        return Ok(program);
    }
    std::fs::create_dir_all(&folder)?;
    // Another test may be building it as well; a name appears when what it names is whole.
    let unique = format!(
        "{name}.{}.{:?}",
        std::process::id(),
        std::thread::current().id()
    );
    let own = folder.join(unique.replace(['(', ')'], "-"));
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "--crate-name", "probe"]);
    rustc.args([
        "-C",
        "opt-level=s",
        "-C",
        "panic=abort",
        "-C",
        "strip=symbols",
    ]);
    rustc.args(["--target", bins::RUNTIME_TARGET, "-o"]);
    rustc
        .arg(&own)
        .arg(&source)
        .current_dir(tree::workspace_root());
    process::run(&mut rustc)?;
    std::fs::rename(&own, &program).context("cannot name the probe")?;
    Ok(program)
}
