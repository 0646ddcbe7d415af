//! Child processes that end with the test that started them.
//!
//! Only processes started here are ever signalled, and always by their own id.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{poll, sys};

/// How long a process that was killed may take to be gone: it can sit in an uninterruptible call.
const KILL_LIMIT: Duration = Duration::from_secs(60);

/// A running child; dropping it kills it and waits for its end, and it does not outlive this process.
#[derive(Debug)]
pub struct ChildGuard {
    name: String,
    child: Child,
    log: PathBuf,
}

impl ChildGuard {
    /// Starts `command` with its output appended to `log` and nothing on its standard input.
    ///
    /// It becomes the leader of a process group of its own: a Ctrl-C on the terminal reaches only
    /// the program that owns the guard, which then ends its children in the right order. The kernel kills
    /// it when the thread that called this ends: a thread that starts a child keeps its guard.
    ///
    /// # Errors
    /// When the log cannot be opened or the program cannot be started.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(open_log(log)?);
        Self::start(name, command, log)
    }

    /// [`ChildGuard::spawn`] with pipes to its standard input and from its standard output; the log has what it says
    /// of errors.
    ///
    /// # Errors
    /// As [`ChildGuard::spawn`].
    pub fn spawn_talking(
        name: &str,
        command: &mut Command,
        log: &Path,
    ) -> Result<(Self, ChildStdin, ChildStdout)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut guard = Self::start(name, command, log)?;
        let input = guard.child.stdin.take().context("it has an input")?;
        let output = guard.child.stdout.take().context("it has an output")?;
        Ok((guard, input, output))
    }

    fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        command.stderr(open_log(log)?).process_group(0);
        sys::die_with_parent(command);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", shell_line(command)))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_path_buf(),
        })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file with everything that the process printed.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines that the process printed, for error messages.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        all.get(all.len().saturating_sub(lines)..)
            .unwrap_or_default()
            .join("\n")
    }

    /// The exit status, or none while it runs.
    ///
    /// # Errors
    /// When the state of the child cannot be read.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot look after {}", self.name))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process has been waited for already, or may not be signalled.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if let Some(status) = self.exited()? {
            bail!("{} has ended already ({status})", self.name);
        }
        let pid = Pid::from_raw(i32::try_from(self.child.id()).context("no process id")?);
        kill(pid, signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    /// Asks it to end with SIGTERM and waits.
    ///
    /// # Errors
    /// When it has not ended after `grace`; it is killed then.
    pub fn terminate(&mut self, grace: Duration) -> Result<ExitStatus> {
        if self.exited()?.is_none() {
            self.signal(Signal::SIGTERM)?;
        }
        let name = self.name.clone();
        let ended = self.wait(grace);
        if ended.is_err() {
            self.kill()?;
        }
        ended.with_context(|| format!("{name} was asked to end"))
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        poll::until(&what, limit, || self.exited().transpose())?
    }

    /// Kills it with SIGKILL and waits for its end.
    ///
    /// # Errors
    /// When it does not go.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child
            .kill()
            .with_context(|| format!("cannot kill {}", self.name))?;
        self.wait(KILL_LIMIT)
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        drop(self.kill());
    }
}

/// Runs a command to its end and returns what it printed on standard output.
///
/// # Errors
/// When it cannot be started or does not exit with 0; the text holds what it said.
pub fn run(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if !output.status.success() {
        bail!(
            "{}: {}\n{}{}",
            shell_line(command),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr).trim_end(),
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command to its end, whatever its exit status; nothing stands on its standard input.
///
/// # Errors
/// When it cannot be started.
pub fn output(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shell_line(command)))
}

/// The command as somebody would type it.
#[must_use]
pub fn shell_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn open_log(log: &Path) -> Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot open {}", log.display()))
}

#[cfg(test)]
mod tests;
