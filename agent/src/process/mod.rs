//! Facts about processes, always from the real `/proc`, and waiting for their end.

pub mod attach;
mod boot;
pub mod carriers;
pub mod cgroup;
pub mod confine;
pub mod holders;
mod limits;
mod sys;
pub mod within;

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

pub use boot::{BootMoment, boot_ms};
use kerf_types::lease::InitProcess;
pub use limits::raise_open_files;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;

/// How often `/proc` is asked where there is no pidfd: a grant is taken back this much late at most.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The running process with this pid, with what tells it from a later one with the same pid.
pub fn identify(pid: u32) -> Option<InitProcess> {
    let process = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?;
    let stat = process.stat().ok()?;
    // A zombie has ended; only its parent has not looked yet. One with other threads is a process whose first
    // thread has ended alone: the rest still runs, and may still use what it was granted.
    if matches!(stat.state, 'Z' | 'X') && stat.num_threads <= 1 {
        return None;
    }
    Some(InitProcess {
        pid,
        start_ticks: stat.starttime,
        boot_id: boot_id(),
    })
}

/// The process that has started the one with this pid.
pub fn parent(pid: u32) -> Option<u32> {
    let process = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?;
    u32::try_from(process.stat().ok()?.ppid).ok()
}

/// Whose process it is, by its effective uid.
pub fn owner(pid: u32) -> Option<u32> {
    let process = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?;
    process.uid().ok()
}

/// Whether this very process still runs.
pub fn is_alive(process: &InitProcess) -> bool {
    identify(process.pid).as_ref() == Some(process)
}

/// Whether this very process has lost its first thread, which is gone for good. Others of it may still be there: stuck in
/// the kernel, where what was to end them all does not reach them.
pub fn is_first_thread_over(process: &InitProcess) -> bool {
    let found = i32::try_from(process.pid).ok();
    let found = found.and_then(|pid| procfs::process::Process::new(pid).ok());
    match found.and_then(|found| found.stat().ok()) {
        Some(stat) => stat.starttime != process.start_ticks || matches!(stat.state, 'Z' | 'X'),
        None => true,
    }
}

/// The kernel's id of this boot, which no process sees another of. Empty where it cannot be read.
pub fn boot_id() -> String {
    static READ: OnceLock<String> = OnceLock::new();
    if let Some(read) = READ.get() {
        return read.clone();
    }
    let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let read = read.map(|text| text.trim().to_owned());
    // What cannot be read now may be in a moment.
    read.map_or_else(|_| String::new(), |read| READ.get_or_init(|| read).clone())
}

/// Returns once this very process has ended, whoever has its pid by then.
pub async fn wait_for(process: &InitProcess) {
    // The pidfd is opened first and the identity checked after: what is checked is what is waited for.
    let handle = open(process.pid);
    if !is_alive(process) {
        return;
    }
    match handle {
        // A pidfd becomes readable when its process ends; an error of the reactor is met by asking /proc.
        Ok(handle) if handle.readable().await.is_ok() => {}
        _ => {
            while is_alive(process) {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }
}

fn open(pid: u32) -> io::Result<AsyncFd<std::os::fd::OwnedFd>> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    sys::watch(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}

/// CPUs and memory nodes that this process may use: what a container can be pinned to at all.
pub fn allowed() -> Option<(String, String)> {
    let status = procfs::process::Process::myself().ok()?.status().ok()?;
    let list = |ranges: Vec<(u32, u32)>| {
        let parts: Vec<String> = ranges
            .into_iter()
            .map(|(from, to)| {
                if from == to {
                    from.to_string()
                } else {
                    format!("{from}-{to}")
                }
            })
            .collect();
        parts.join(",")
    };
    Some((
        list(status.cpus_allowed_list?),
        list(status.mems_allowed_list?),
    ))
}
