//! The unsafe calls of the agent: handing a pidfd to the reactor, and asking a user namespace for its owner.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a pidfd, which becomes readable when its process ends.
pub fn watch(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned, so it stays open until the `AsyncFd` that takes it deregisters it on
    // drop, and an `OwnedFd` gives the same number each time it is asked.
    unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }.map_err(Into::into)
}

/// `NS_GET_OWNER_UID` of `linux/nsfs.h`, `_IO(0xb7, 0x4)`.
const NS_GET_OWNER_UID: nix::libc::Ioctl = 0xb704;

/// The user who made a user namespace, as this process sees users; `namespace` is an open `/proc/<pid>/ns/user`.
pub fn owner_of(namespace: &File) -> io::Result<u32> {
    let mut uid: nix::libc::uid_t = 0;
    // SAFETY: the request writes one uid_t to the address, which is that of a local that outlives the call; the
    // descriptor is open for its length.
    let done = unsafe { nix::libc::ioctl(namespace.as_raw_fd(), NS_GET_OWNER_UID, &raw mut uid) };
    match done {
        0 => Ok(uid),
        _ => Err(io::Error::last_os_error()),
    }
}
