//! Processes and containers that are not kerf's own: what is done to them, and what is looked up of them, always in the
//! real `/proc` and the real cgroups.
//!
//! Owns the worker that does what takes rights for it ([`worker`]), with the words of its socket ([`wire`]). Who decides
//! calls nothing here that changes something: it asks the worker, which has no network. What everybody may read is read
//! by these functions in any process. Ends nobody.

pub mod attach;
pub mod carriers;
pub mod cgroup;
mod check;
pub mod confine;
pub mod control;
pub mod guard;
pub mod holders;
pub mod job;
mod sys;
pub mod wire;
mod within;
pub mod worker;

use std::sync::OnceLock;

use kerf_types::lease::InitProcess;

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

/// Whether this very process still runs.
pub fn is_alive(process: &InitProcess) -> bool {
    identify(process.pid).as_ref() == Some(process)
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

/// The folder that this very process works in, where it may be looked at.
pub fn working_folder(process: &InitProcess) -> Option<std::path::PathBuf> {
    let folder = std::fs::read_link(format!("/proc/{}/cwd", process.pid)).ok()?;
    is_alive(process).then_some(folder)
}
