//! Plays steps: says what is done, shows the command that somebody could type, checks the outcome.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};
use kerf_tests::{process, tree};

use crate::out;

/// Longest part of an output that is shown; the demo is read on a terminal.
const SHOWN_LINES: usize = 40;

/// One scene: what it shows, and the function that does it.
pub struct Step<World> {
    /// Said before it starts.
    pub title: &'static str,
    /// Does it, and checks it with [`Stage::check`].
    pub play: fn(&mut Stage, &mut World) -> Result<()>,
}

/// Where steps are played; it counts what held.
#[derive(Debug)]
pub struct Stage {
    interrupted: Arc<AtomicBool>,
    checks: usize,
}

impl Stage {
    /// A stage that ends between two steps once `interrupted` is set.
    pub fn new(interrupted: Arc<AtomicBool>) -> Self {
        Self {
            interrupted,
            checks: 0,
        }
    }

    /// The number of checks that held.
    pub fn checks(&self) -> usize {
        self.checks
    }

    /// Plays the steps in order up to the first that fails or checks nothing.
    pub fn play<World>(&mut self, steps: &[Step<World>], world: &mut World) -> Result<()> {
        for (index, step) in steps.iter().enumerate() {
            if self.interrupted.load(Ordering::Relaxed) {
                bail!("interrupted before step {}", index + 1);
            }
            out::line(&format!("\n[{}/{}] {}", index + 1, steps.len(), step.title));
            let before = self.checks;
            (step.play)(self, world).with_context(|| format!("step {:?} failed", step.title))?;
            ensure!(
                self.checks > before,
                "step {:?} checked nothing",
                step.title
            );
        }
        Ok(())
    }

    /// Explains something in one line.
    pub fn say(&self, text: &str) {
        out::line(&format!("  {text}"));
    }

    /// Shows a command without running it: it runs in the background, or in another way.
    pub fn show(&self, command: &Command) {
        out::line(&format!("  $ {}", typed(command)));
    }

    /// Shows what something printed.
    pub fn print(&self, text: &str) {
        for line in text.lines().take(SHOWN_LINES) {
            out::line(&format!("    {line}"));
        }
        let more = text.lines().count().saturating_sub(SHOWN_LINES);
        if more > 0 {
            out::line(&format!("    ... {more} more lines"));
        }
    }

    /// Shows a command, runs it, and shows what it printed on standard output.
    ///
    /// # Errors
    /// When it does not exit with 0.
    pub fn run(&self, command: &mut Command) -> Result<String> {
        let (code, text) = self.run_any(command)?;
        ensure!(
            code == 0,
            "{} exited with {code}",
            process::shell_line(command)
        );
        Ok(text)
    }

    /// [`Stage::run`] for a command whose exit code is part of the story.
    ///
    /// # Errors
    /// When it cannot be started or a signal ended it; what it said on standard error is shown.
    pub fn run_any(&self, command: &mut Command) -> Result<(i32, String)> {
        self.show(command);
        let output = process::output(command)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        self.print(&text);
        self.print(&String::from_utf8_lossy(&output.stderr));
        let code = output.status.code().context("a signal ended it")?;
        Ok((code, text))
    }

    /// Something that must hold for the demo to go on.
    ///
    /// # Errors
    /// When it does not hold.
    pub fn check(&mut self, what: &str, holds: bool) -> Result<()> {
        if !holds {
            bail!("this did not hold: {what}");
        }
        self.checks += 1;
        out::line(&format!("  ok: {what}"));
        Ok(())
    }
}

/// A command as somebody types it who has kerf's programs in the path: where they were built tells nobody anything.
fn typed(command: &Command) -> String {
    let built = tree::target_dir().ok();
    let short = |word: &OsStr| -> OsString {
        let path = Path::new(word);
        let ours = built.as_ref().is_some_and(|built| path.starts_with(built));
        let name = path.file_name().filter(|_| ours);
        name.unwrap_or(word).to_owned()
    };
    let mut shown = Command::new(short(command.get_program()));
    shown.args(command.get_args().map(short));
    process::shell_line(&shown)
}

#[cfg(test)]
mod tests;
