//! System calls of the fence: a process of its own, the clock of the boot, and the end of others.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// SIGTERM has come.
static TOLD_TO_END: AtomicBool = AtomicBool::new(false);

/// What a fence must not end by. Of a terminal it has none, but anybody may send them.
const IGNORED: [libc::c_int; 8] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGALRM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTSTP,
    libc::SIGPIPE,
];

/// Closes everything but the three standard streams: whatever the starter left open would stay open with us.
pub(super) fn close_others() {
    // SAFETY: plain integers in. The process has opened nothing yet, so no descriptor that is closed has an owner
    // here. Before Linux 5.9 there is no such call, and then they stay open.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// Goes on in a process that is nobody's child and the leader of nothing, in a session without a terminal. The
/// process that called this ends with code 0, or 1 when it did not come about.
///
/// Must be called while there is one thread.
pub(super) fn detach() -> io::Result<()> {
    if let Some(child) = fork()? {
        let mut status = 0;
        // SAFETY: `status` lives through the call, and `child` is our own.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        end(libc::c_int::from(waited != child || status != 0));
    }
    // SAFETY: takes nothing and touches no memory; a process that was just forked leads no group, so it may.
    checked(unsafe { libc::setsid() })?;
    // Not being the leader of its session it can get no terminal by opening one.
    if fork()?.is_some() {
        end(0);
    }
    Ok(())
}

fn fork() -> io::Result<Option<libc::pid_t>> {
    // SAFETY: there is one thread, so no lock is held that the child would wait for.
    let pid = checked(unsafe { libc::fork() })?;
    Ok((pid > 0).then_some(pid))
}

fn end(code: libc::c_int) -> ! {
    // SAFETY: takes an integer and does not return; nothing that this process owns needs its destructor.
    unsafe { libc::_exit(code) }
}

/// Leaves all that the starter gave: its folder, its environment, signals meant for it. What is in memory stays
/// there where the system allows it: a disk that hangs must not hold the kill back until the program is read
/// again. Not also what will be asked for: under a small limit that would fail in the middle of the kill.
pub(super) fn stand_alone() {
    // SAFETY: the path is a C string; there is one thread, and nobody holds a pointer into the environment.
    unsafe {
        libc::chdir(c"/".as_ptr());
        libc::clearenv();
        libc::umask(0o077);
        libc::mlockall(libc::MCL_CURRENT);
    }
    for signal in IGNORED {
        // SAFETY: to ignore a signal runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    let noted: extern "C" fn(libc::c_int) = note_term;
    // SAFETY: zero bytes are a value of sigaction: no flags (so that a sleep ends early) and an empty mask. The
    // handler stores to an atomic and does nothing else, which it may at any time.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = noted as libc::sighandler_t;
        libc::sigaction(libc::SIGTERM, &raw const action, ptr::null_mut());
    }
}

extern "C" fn note_term(_: libc::c_int) {
    TOLD_TO_END.store(true, Ordering::Relaxed);
}

/// Whether SIGTERM has come.
pub(super) fn told_to_end() -> bool {
    TOLD_TO_END.load(Ordering::Relaxed)
}

/// Has the three standard streams lead nowhere, which closes what they were.
pub(super) fn silence(null: &OwnedFd) -> io::Result<()> {
    for stream in 0..=2 {
        // SAFETY: `null` is open; the streams have no owner in Rust that would close them.
        checked(unsafe { libc::dup2(null.as_raw_fd(), stream) })?;
    }
    Ok(())
}

/// Milliseconds of `CLOCK_BOOTTIME`: it goes on through suspends, and nobody sets it.
pub(super) fn boot_ms() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` lives through the call, which fails for no clock that Linux has.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    // Since boot, so neither part is ever negative.
    time.tv_sec.unsigned_abs() * 1_000 + time.tv_nsec.unsigned_abs() / 1_000_000
}

/// Sleeps until then, which is soon, or until a signal comes.
pub(super) fn sleep_until(moment_ms: u64) {
    let time = libc::timespec {
        // Both fit: it is a second from now, and a part of a second.
        tv_sec: (moment_ms / 1_000).try_into().unwrap_or_default(),
        tv_nsec: (moment_ms % 1_000 * 1_000_000)
            .try_into()
            .unwrap_or_default(),
    };
    // SAFETY: `time` lives through the call, and the rest is not asked for.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_BOOTTIME,
            libc::TIMER_ABSTIME,
            &raw const time,
            ptr::null_mut(),
        )
    };
}

/// A process that is to be killed, held so that no other one with its pid is meant.
pub(super) struct Target {
    pid: i32,
    /// Not there before Linux 5.3, and where the process has ended already.
    handle: Option<OwnedFd>,
}

/// Holds the process that has this pid now.
pub(super) fn hold(pid: i32) -> Target {
    // SAFETY: plain integers in, a descriptor or -1 out.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = libc::c_int::try_from(fd).ok().filter(|fd| *fd >= 0);
    // SAFETY: pidfd_open just made it, and nothing else owns it.
    let handle = fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    Target { pid, handle }
}

impl Target {
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends SIGKILL. Whether it arrives is seen in the cgroup.
    pub(super) fn kill(&self) {
        match &self.handle {
            Some(handle) => {
                let no_info = ptr::null::<libc::siginfo_t>();
                let (call, fd) = (libc::SYS_pidfd_send_signal, handle.as_raw_fd());
                // SAFETY: `handle` is open, and without an info the kernel makes its own.
                unsafe { libc::syscall(call, fd, libc::SIGKILL, no_info, 0) };
            }
            None => {
                // SAFETY: plain integers in; the pid is greater than 0, so it names one process.
                unsafe { libc::kill(self.pid, libc::SIGKILL) };
            }
        }
    }
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
