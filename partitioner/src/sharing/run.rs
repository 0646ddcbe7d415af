//! Runs one of the vendor's tools with a deadline, and takes all of its words.
//!
//! A tool that does not come back is ended where it only waits for a daemon, and left behind where it may be inside
//! a driver call: a process killed there has frozen GPUs in the field. Of those no more than [`MAX_STUCK`] are left.

use std::ffi::OsString;
use std::io::{self, PipeReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::SharingError;

/// As for workers: who hangs twice hangs a third time, and each holds a process.
const MAX_STUCK: usize = 2;
/// Words that are kept; the longest answer is a list of clients.
const MAX_WORDS: u64 = 64 << 10;
/// Time between two looks whether a program that has said everything has ended.
const END_POLL: Duration = Duration::from_millis(1);

/// How many tools of a host were left behind and have not come back.
#[derive(Debug, Clone, Default)]
pub struct Stuck(Arc<AtomicUsize>);

/// One call of a tool.
pub struct Call<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: &'a [&'a str],
    /// The whole of its environment.
    pub env: Vec<(OsString, OsString)>,
    /// Its standard input.
    pub input: &'a str,
    /// What is asked, for messages.
    pub asked: &'a str,
    /// Who counts it when it hangs, where it may be inside a driver call and so is not killed.
    pub in_driver: Option<&'a Stuck>,
}

impl Call<'_> {
    /// What it says, where it ends well within the time.
    pub fn run(&self, within: Duration) -> Result<String, SharingError> {
        let (status, said) = self.output(within)?;
        if status.success() {
            return Ok(said);
        }
        let said = match said.trim() {
            "" => status.to_string(),
            said => said.replace('\n', "; "),
        };
        Err(SharingError::Refused {
            program: self.program.to_owned(),
            asked: self.asked.to_owned(),
            said,
        })
    }

    fn output(&self, within: Duration) -> Result<(ExitStatus, String), SharingError> {
        let program = self.program.to_owned();
        if !program.is_file() {
            return Err(SharingError::NoTool { program });
        }
        if let Some(Stuck(stuck)) = self.in_driver {
            let count = stuck.load(Ordering::Relaxed);
            if count >= MAX_STUCK {
                return Err(SharingError::StillHangs { program, count });
            }
        }
        let end = Instant::now() + within;
        let failed = |cause| SharingError::Run {
            program: self.program.to_owned(),
            cause,
        };
        let (mut child, words) = self.start().map_err(failed)?;
        let said = words.recv_timeout(within).ok();
        let status = match said {
            None => None,
            Some(_) => ended(&mut child, end).map_err(failed)?,
        };
        match (status, said) {
            (Some(status), Some(said)) => Ok((status, said.map_err(failed)?)),
            _ => {
                self.give_up(child);
                Err(SharingError::Hangs {
                    program,
                    asked: self.asked.to_owned(),
                    within,
                })
            }
        }
    }

    fn start(&self) -> io::Result<(Child, mpsc::Receiver<io::Result<String>>)> {
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(self.program);
        command
            .args(self.arguments)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let mut child = command.spawn()?;
        // It holds our ends of the pipe.
        drop(command);
        if let Some(mut stdin) = child.stdin.take() {
            match stdin.write_all(self.input.as_bytes()) {
                // It has ended without reading: its words say why.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                other => other?,
            }
        }
        let (sender, words) = mpsc::sync_channel(1);
        thread::spawn(move || {
            // Nobody may wait for it any more.
            sender.send(read(reader)).ok();
        });
        Ok((child, words))
    }

    fn give_up(&self, mut child: Child) {
        let stuck = self.in_driver.cloned();
        match &stuck {
            Some(Stuck(stuck)) => {
                stuck.fetch_add(1, Ordering::Relaxed);
            }
            None => {
                if let Err(error) = child.kill() {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(tool.pid = child.id(), error, "tool not ended");
                }
            }
        }
        thread::spawn(move || {
            if let Err(error) = child.wait() {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(tool.pid = child.id(), error, "tool not waited for");
            }
            if let Some(Stuck(stuck)) = stuck {
                stuck.fetch_sub(1, Ordering::Relaxed);
            }
        });
    }
}

/// Everything up to its end; what is beyond the limit is read and dropped, so that nobody waits for us.
fn read(mut reader: PipeReader) -> io::Result<String> {
    let mut bytes = Vec::new();
    reader.by_ref().take(MAX_WORDS).read_to_end(&mut bytes)?;
    io::copy(&mut reader, &mut io::sink())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How a program that says no more has ended, if it does in time.
fn ended(child: &mut Child, end: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        thread::sleep(END_POLL);
    }
}
