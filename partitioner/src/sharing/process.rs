//! A daemon as a process: whether it lives, its end, and SIGTERM to it and to nobody else. Process facts always come
//! from the real `/proc`.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{MpsDaemon, SharingError};

/// Start time of a process in clock ticks since boot; `None` where there is none, or nothing of it but what its
/// parent has not looked at.
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command, in parentheses, may hold anything; the fields count from the last `)`.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Whether a process has this in its environment, as it was started with.
pub fn has_in_environment(pid: u32, entry: &[u8]) -> io::Result<bool> {
    let environment = fs::read(format!("/proc/{pid}/environ"))?;
    Ok(environment.split(|byte| *byte == 0).any(|one| one == entry))
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
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(errno) => return Err(self.failed("watch", errno.into())),
        };
        // The descriptor means the process of that id now: only if it is the one that was meant is it kept.
        Ok(self.is_alive().then_some(pidfd))
    }

    /// Its child processes, of each of its threads; none where it has ended.
    pub(super) fn children(&self) -> Result<Vec<u32>, SharingError> {
        let tasks = match fs::read_dir(format!("/proc/{}/task", self.pid)) {
            Ok(tasks) => tasks,
            Err(_) if !self.is_alive() => return Ok(Vec::new()),
            Err(cause) => return Err(self.failed("list the children of", cause)),
        };
        let mut children = Vec::new();
        for task in tasks.flatten() {
            let text = match fs::read_to_string(task.path().join("children")) {
                Ok(text) => text,
                // A thread that has ended meanwhile has given its children to another one of the process.
                Err(_) if !task.path().exists() => continue,
                Err(cause) => return Err(self.failed("list the children of", cause)),
            };
            children.extend(
                text.split_ascii_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
        Ok(children)
    }

    /// Asks it to end, by signal.
    pub(super) fn terminate(&self) -> Result<(), SharingError> {
        let Some(pidfd) = self.watch()? else {
            return Ok(());
        };
        match pidfd_send_signal(&pidfd, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
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
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut watched = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
            match poll(&mut watched, timeout) {
                Ok(0) if left.is_zero() => return Ok(false),
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
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
