//! Starts the guard of a job's container, `kerf-runtime fence`, so that it has the rights of the worker's unit: it writes
//! to cgroups, and ends what any user has left in one. The guard outlives who starts it. What a guard does is
//! kerf-runtime's business, and whether it stands is judged by who asked for it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Most that is told of what it said, in bytes: a line or two.
const SAID_MAX: usize = 4 << 10;

/// What became of the process that starts a guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Whether it ended well.
    pub success: bool,
    /// Its standard output.
    pub out: Vec<u8>,
    /// Its standard error.
    pub err: Vec<u8>,
}

/// A guard whose program cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be started as guard", program.display())]
pub struct GuardError {
    /// kerf-runtime.
    pub program: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Starts one with the deadline in this file, for the container with these cgroups; returns once it stands, or has ended.
pub fn stand(program: &Path, file: &Path, folders: &[PathBuf]) -> Result<Said, GuardError> {
    let mut command = Command::new(program);
    command
        .arg("fence")
        .arg(file)
        .args(folders)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null());
    let output = command.output().map_err(|source| GuardError {
        program: program.to_owned(),
        source,
    })?;
    let mut said = Said {
        success: output.status.success(),
        out: output.stdout,
        err: output.stderr,
    };
    said.out.truncate(SAID_MAX);
    said.err.truncate(SAID_MAX);
    Ok(said)
}
