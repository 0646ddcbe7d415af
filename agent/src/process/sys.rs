//! The one unsafe call of the agent: handing a pidfd to the reactor.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a pidfd, which becomes readable when its process ends.
pub fn watch(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned, so it stays open until the `AsyncFd` that takes it deregisters it on
    // drop, and an `OwnedFd` gives the same number each time it is asked.
    unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }.map_err(Into::into)
}
