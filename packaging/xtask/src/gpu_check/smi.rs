//! The program `nvidia-smi`: is it there, does it answer, what does it say.
//!
//! Only asks, never changes a setting. A call that does not return in time is left behind: killing a
//! process inside the driver has frozen GPUs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kerf_tests::bins;

use super::parse::list::{ListedGpu, list};
use super::parse::query::{FIELDS, refused_field};

/// How long one call may take: without persistence mode each one wakes every GPU, which takes seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// Exit codes that mean that there is nothing to compare with (nvidia-smi's manual, RETURN VALUE): no
/// device was found, the driver is not loaded, its library is not installed. Every other one is a driver
/// that is there and does not do its work, which a check must not pass over.
const NO_GPU: [i32; 3] = [6, 9, 12];

/// What a call printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its arguments as somebody would type them.
    pub arguments: String,
    /// Standard output, then standard error.
    pub text: String,
    /// Exit code; none where a signal ended it.
    pub code: Option<i32>,
}

impl Answer {
    /// Whether the call was carried out.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// The first line that it printed.
    pub fn first_line(&self) -> &str {
        self.text
            .lines()
            .find(|line| !line.is_empty())
            .unwrap_or("")
    }
}

/// An nvidia-smi that answers, or why there is none.
#[derive(Debug)]
pub enum Presence {
    /// There is nothing to compare with.
    NoGpu(String),
    /// It names at least one GPU.
    Here(Smi, Vec<ListedGpu>),
}

/// The program.
#[derive(Debug)]
pub struct Smi {
    program: PathBuf,
}

impl Smi {
    /// Looks for it, and asks it for its GPUs.
    ///
    /// # Errors
    /// When it does not return, or answers what is not understood: a sick driver is not the same as none.
    pub fn find(named: Option<&Path>) -> Result<Presence> {
        let found = named.map_or_else(|| bins::system("nvidia-smi"), |path| Some(path.to_owned()));
        let Some(program) = found else {
            return Ok(Presence::NoGpu("nvidia-smi is not installed".to_owned()));
        };
        let smi = Self { program };
        let answer = smi.ask(&["-L"])?;
        if !answer.succeeded() {
            let says = format!("{} says: {}", smi.program.display(), answer.first_line());
            if answer.code.is_some_and(|code| NO_GPU.contains(&code)) {
                return Ok(Presence::NoGpu(says));
            }
            bail!("the driver is sick: {says} (exit code {:?})", answer.code);
        }
        let gpus = list(&answer.text)?;
        if gpus.is_empty() {
            return Ok(Presence::NoGpu("nvidia-smi lists no GPU".to_owned()));
        }
        Ok(Presence::Here(smi, gpus))
    }

    /// Where it lies.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// One call to its end, whatever its exit code.
    ///
    /// # Errors
    /// When it cannot be started or does not return.
    pub fn ask(&self, arguments: &[&str]) -> Result<Answer> {
        self.ask_within(arguments, LIMIT)
    }

    fn ask_within(&self, arguments: &[&str], limit: Duration) -> Result<Answer> {
        let line = arguments.join(" ");
        let child = Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let (send, receive) = mpsc::sync_channel(1);
        // The thread is left behind together with the call.
        std::thread::spawn(move || send.send(child.wait_with_output()));
        let Ok(output) = receive.recv_timeout(limit) else {
            bail!("nvidia-smi {line} has not returned within {limit:?}, the driver may hang");
        };
        let output = output.with_context(|| format!("nvidia-smi {line}"))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok(Answer {
            arguments: line,
            text,
            code: output.status.code(),
        })
    }

    /// The fields of [`FIELDS`] that this nvidia-smi knows, and its answer. It refuses a query for one
    /// field that it does not know, which differs between drivers; such a field is left out.
    ///
    /// # Errors
    /// When it refuses for another reason.
    pub fn query(&self) -> Result<(Vec<&'static str>, Answer)> {
        let mut fields = FIELDS.to_vec();
        loop {
            let asked = format!("--query-gpu={}", fields.join(","));
            let answer = self.ask(&[&asked, "--format=csv,noheader,nounits"])?;
            if answer.succeeded() {
                return Ok((fields, answer));
            }
            let Some(refused) = refused_field(&answer.text) else {
                bail!("nvidia-smi --query-gpu says: {}", answer.first_line());
            };
            let before = fields.len();
            fields.retain(|field| *field != refused);
            if fields.len() == before {
                bail!("nvidia-smi refuses {refused}, which was not asked for");
            }
        }
    }
}

#[cfg(test)]
mod tests;
