//! The system calls of the benchmark: CPU time of ended children, and reaping what runc leaves behind.

use std::io;
use std::time::Duration;

/// Makes this process the parent of containers whose runtime has ended.
pub fn become_subreaper() {
    // SAFETY: the option takes one integer and no pointer.
    let done = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// Waits for the end of the child `pid`.
pub fn reap(pid: i32) {
    let mut status = 0;
    // SAFETY: `status` lives through the call.
    let reaped = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(reaped, pid, "{}", io::Error::last_os_error());
}

/// User and system time of all children that ended and were reaped.
pub fn children_cpu() -> Duration {
    // SAFETY: rusage is integers only, for which zero bytes are a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` lives through the call.
    let done = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    let time = |t: libc::timeval| {
        let micros = t.tv_sec * 1_000_000 + t.tv_usec;
        Duration::from_micros(u64::try_from(micros).expect("a positive time"))
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}
