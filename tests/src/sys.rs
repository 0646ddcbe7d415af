//! What a child does before it becomes another program. The only unsafe code of this package.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// Has the kernel kill the child when the thread that starts it ends (`PR_SET_PDEATHSIG`, prctl(2)), so
/// that a test process that is killed takes its daemons with it.
///
/// It is the thread and not the process that counts: start a child from a thread that outlives it.
pub fn die_with_parent(command: &mut Command) {
    let parent = Pid::this();
    let tie = move || -> io::Result<()> {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // A parent that ended before the call above sends nothing any more.
        if Pid::parent() == parent {
            Ok(())
        } else {
            Err(Errno::ESRCH.into())
        }
    };
    // SAFETY: between fork and exec only functions that are safe in a signal handler may be called. `tie`
    // makes two system calls, takes no lock and allocates nothing: its errors are numbers.
    unsafe {
        command.pre_exec(tie);
    }
}
