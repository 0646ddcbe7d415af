//! Programs that a test makes and then runs.
//!
//! A test never writes such a file itself. Tests are threads of one process that starts programs all the
//! time, and a child has every open file of its parent until it executes: as long as one has a file open
//! for writing, the kernel executes that file for nobody (ETXTBSY, execve(2)). So another process writes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::process;

/// Takes the text on standard input; a file that is there already is replaced, not changed.
const WRITE: &str = "rm -f \"$0\" && cat > \"$0\" && chmod 755 \"$0\"";

/// Makes a program with this text, which begins with `#!`.
///
/// # Errors
/// When it cannot be written.
pub fn script(path: &Path, text: &str) -> Result<()> {
    let mut child = Command::new("sh")
        .args(["-c", WRITE])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start sh")?;
    let mut input = child.stdin.take().context("no pipe to sh")?;
    let written = input.write_all(text.as_bytes());
    drop(input);
    let status = child.wait().context("cannot wait for sh")?;
    ensure!(status.success(), "cannot write {}", path.display());
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Copies a program.
///
/// # Errors
/// When it cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut install = Command::new("install");
    process::run(install.args(["-m", "755"]).args([from, to])).map(drop)
}

#[cfg(test)]
mod tests;
