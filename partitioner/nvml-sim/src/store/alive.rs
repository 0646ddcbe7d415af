//! Whether the processes of the load still live. Owns the reading of `/proc/<pid>/stat`, always
//! the real one; a process id alone is not enough, for ids come again, and mean something else in
//! another PID namespace.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::model::load::Process;
use crate::model::machine::Machine;

/// Start time of a running process in clock ticks since boot, `None` when there is none. A zombie
/// counts as gone: the driver has freed its contexts by then.
#[must_use]
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command, in parentheses, may hold anything; the fields count from the last `)`.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The PID namespace of this process: the inode of its file, which is a namespace's name in the
/// kernel. `None` where `/proc` does not tell.
#[must_use]
pub fn pid_namespace() -> Option<u64> {
    let facts = fs::metadata("/proc/self/ns/pid").ok()?;
    Some(facts.ino())
}

/// Whether a process of the load lives, as far as this process can tell. One that was no real
/// process when the load was set lives until it is cleared. One of another PID namespace is for
/// its own namespace to judge: from inside a container every process of the host seems to be gone.
#[must_use]
pub fn lives(process: &Process) -> bool {
    let Some(started) = process.started else {
        return true;
    };
    process.pid_namespace.is_none()
        || process.pid_namespace != pid_namespace()
        || start_time(process.pid) == Some(started)
}

/// Whether the load names a process that has ended.
#[must_use]
pub fn any_dead(machine: &Machine) -> bool {
    machine
        .gpus
        .iter()
        .flat_map(|gpu| &gpu.processes)
        .any(|process| !lives(process))
}
