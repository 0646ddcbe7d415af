//! A daemon as a process: whether it lives, its end, and SIGTERM to it and to nobody else. Process facts always come
//! from the real `/proc`.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use procfs::process::Process;
use procfs::{ProcError, ProcResult};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{MpsDaemon, SharingError};

/// Start time of a process in clock ticks since boot; `None` where there is none, or nothing of it but what its
/// parent has not looked at.
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = process(pid).and_then(|process| process.stat()).ok()?;
    (!has_ended(stat.state, stat.num_threads)).then_some(stat.starttime)
}

/// A zombie has ended; only its parent has not looked yet. One with other threads is a process whose first thread has
/// ended alone: the rest still runs.
fn has_ended(state: char, threads: i64) -> bool {
    matches!(state, 'Z' | 'X') && threads <= 1
}

/// What a process has under that name in the environment that it was started with; nothing where there is no such
/// process.
pub fn variable(pid: u32, name: &str) -> io::Result<Option<OsString>> {
    match process(pid).and_then(|process| process.environ()) {
        Ok(mut environment) => Ok(environment.remove(&OsString::from(name))),
        Err(ProcError::NotFound(_)) => Ok(None),
        Err(error) => Err(cause_of(error)),
    }
}

fn process(pid: u32) -> ProcResult<Process> {
    let pid = i32::try_from(pid).map_err(|_| ProcError::NotFound(None))?;
    Process::new(pid)
}

fn cause_of(error: ProcError) -> io::Error {
    match error {
        ProcError::Io(cause, _) => cause,
        ProcError::NotFound(_) => io::ErrorKind::NotFound.into(),
        ProcError::PermissionDenied(_) => io::ErrorKind::PermissionDenied.into(),
        other => io::Error::other(other),
    }
}

impl MpsDaemon {
    /// Whether it runs.
    pub fn is_alive(&self) -> bool {
        start_ticks(self.pid) == Some(self.start_ticks)
    }

    /// A descriptor that can be polled: readable once the process has ended. `None` where it has ended already.
    ///
    /// # Errors
    /// `Process` where the kernel gives none.
    pub fn watch(&self) -> Result<Option<OwnedFd>, SharingError> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else {
            return Ok(None);
        };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Ok(None),
            Err(errno) => return Err(self.failed("watch", errno.into())),
        };
        // The descriptor means the process of that id now: only if it is the one that was meant is it kept.
        Ok(self.is_alive().then_some(pidfd))
    }

    /// Its child processes, of each of its threads; none where it has ended.
    pub(super) fn children(&self) -> Result<Vec<u32>, SharingError> {
        let failed = |error| self.failed("list the children of", cause_of(error));
        let tasks = match process(self.pid).and_then(|process| process.tasks()) {
            Ok(tasks) => tasks,
            Err(_) if !self.is_alive() => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut children = Vec::new();
        for task in tasks.flatten() {
            match task.children() {
                Ok(some) => children.extend(some),
                // A thread that has ended meanwhile has given its children to another one of the process.
                Err(ProcError::NotFound(_)) if task.stat().is_err() => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(children)
    }

    /// Asks it to end, by signal.
    pub(super) fn terminate(&self) -> Result<(), SharingError> {
        let Some(pidfd) = self.watch()? else {
            return Ok(());
        };
        match pidfd_send_signal(&pidfd, Signal::TERM) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(self.failed("signal", errno.into())),
        }
    }

    /// Waits for its end; says whether it came in time.
    pub(super) fn ends(&self, within: Duration) -> Result<bool, SharingError> {
        let end = Instant::now() + within;
        let Some(pidfd) = self.watch()? else {
            return Ok(true);
        };
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // A longer time than the kernel can count is as good as none.
            let timeout = Timespec::try_from(left).ok();
            let mut watched = [PollFd::new(&pidfd, PollFlags::IN)];
            match poll(&mut watched, timeout.as_ref()) {
                Ok(0) if left.is_zero() => return Ok(false),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(errno) => return Err(self.failed("wait for", errno.into())),
            }
        }
    }

    fn failed(&self, operation: &'static str, cause: io::Error) -> SharingError {
        SharingError::Process {
            operation,
            pid: self.pid,
            cause,
        }
    }
}

#[cfg(test)]
mod tests;
