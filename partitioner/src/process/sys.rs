//! The one unsafe call about processes: asking a user namespace for its owner.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

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
