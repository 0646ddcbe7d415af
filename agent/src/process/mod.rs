//! Facts about processes, always from the real `/proc`, and waiting for their end.
//!
//! What takes rights that kerfd does not have is asked of the worker for processes ([`workers`]). What others only name,
//! and everybody may read, comes from [`kerf_partitioner::process`].

mod boot;
mod limits;
mod sys;
pub mod workers;

use std::io;
use std::time::Duration;

#[cfg(test)]
pub(crate) use boot::SIMULATED_FROM_MS;
pub use boot::{BootMoment, boot_ms};
pub use kerf_partitioner::process::{
    attach, boot_id, carriers, cgroup, confine, holders, identify, is_alive,
};
use kerf_types::lease::InitProcess;
pub use limits::{lift_locked_memory, raise_open_files};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;

/// How often `/proc` is asked where there is no pidfd: a grant is taken back this much late at most.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

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

/// Ends this very process at once, whoever has its pid by then.
///
/// # Errors
/// When it is somebody else's, or has ended.
pub fn kill(process: &InitProcess) -> io::Result<()> {
    let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    // What is checked after it was opened is what is ended.
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    if !is_alive(process) {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(pidfd_send_signal(handle, Signal::KILL)?)
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
