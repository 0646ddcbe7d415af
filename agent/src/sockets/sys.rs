//! Taking over a descriptor by its number, which no safe call does.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

use nix::fcntl::{FcntlArg, fcntl};

/// The descriptor of this number as a listener; `None` where none is open. Whether it is one is for the caller to see.
pub fn take(fd: RawFd) -> Option<UnixListener> {
    // SAFETY: the descriptor is borrowed for one call that only asks whether it is open.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    fcntl(borrowed, FcntlArg::F_GETFD).ok()?;
    // SAFETY: it is open, it was handed over by the service manager with the environment that names it, and it is asked
    // for before this process opens anything else: nobody else owns it.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    Some(owned.into())
}
