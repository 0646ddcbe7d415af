//! The few system calls that std does not offer: files relative to a directory, a bounded connect, and the
//! identity of a socket's peer.
//!
//! The only unsafe code of the crate. Every function takes safe types and gives `io::Error`.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The user that this process acts as.
pub(crate) fn effective_uid() -> u32 {
    // SAFETY: geteuid takes nothing, cannot fail and touches no memory of ours.
    unsafe { libc::geteuid() }
}

/// The group that this process acts as.
pub(crate) fn effective_gid() -> u32 {
    // SAFETY: getegid takes nothing, cannot fail and touches no memory of ours.
    unsafe { libc::getegid() }
}

/// Whether this process is in another user namespace than the host's first, or is not root: the device cgroup cannot
/// be set then, and runtimes leave it out.
pub(crate) fn is_in_user_namespace() -> bool {
    /// PROC_USER_INIT_INO (include/linux/proc_ns.h), the inode of the first user namespace in all of them.
    const FIRST: u64 = 0xEFFF_FFFD;
    let first = std::fs::metadata("/proc/self/ns/user").is_ok_and(|file| file.ino() == FIRST);
    effective_uid() != 0 || !first
}

/// Opens `name` in `dir`, close-on-exec; `flags` and `mode` as for openat(2).
pub(crate) fn open_in(
    dir: BorrowedFd<'_>,
    name: &str,
    flags: libc::c_int,
    mode: u32,
) -> io::Result<File> {
    let name = CString::new(name)?;
    // SAFETY: `dir` is open for the call and `name` is a C string that outlives it; openat keeps neither.
    let fd = unsafe {
        libc::openat(
            dir.as_raw_fd(),
            name.as_ptr(),
            flags | libc::O_CLOEXEC,
            mode,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: openat just made `fd`, and nothing else owns it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Renames `from` to `to`, both in `dir`, in the place of what `to` was.
pub(crate) fn rename_in(dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
    let (from, to) = (CString::new(from)?, CString::new(to)?);
    let dir = dir.as_raw_fd();
    // SAFETY: both names are C strings that outlive the call, and `dir` is open for its length.
    checked(unsafe { libc::renameat(dir, from.as_ptr(), dir, to.as_ptr()) })
}

/// Removes the file `name` in `dir`.
pub(crate) fn unlink_in(dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let name = CString::new(name)?;
    // SAFETY: `name` is a C string that outlives the call, and `dir` is open for its length.
    checked(unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), 0) })
}

/// Connects to the stream socket at `path` within `limit`.
///
/// std's connect has no bound, and a listener with a full backlog, which a stopped kerfd has, makes it
/// wait for ever.
pub(crate) fn connect(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let (address, length) = unix_address(path)?;
    // SAFETY: plain integers in, a descriptor or -1 out.
    let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: socket just made `fd`, and nothing else owns it.
    let stream = UnixStream::from(unsafe { OwnedFd::from_raw_fd(fd) });
    // For an AF_UNIX stream the kernel bounds connect by the send timeout.
    stream.set_write_timeout(Some(limit))?;
    // SAFETY: `address` is a sockaddr_un that lives through the call, and `length` is within its size.
    checked(unsafe { libc::connect(fd, (&raw const address).cast(), length) })?;
    Ok(stream)
}

fn unix_address(path: &Path) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    // SAFETY: sockaddr_un is integers only, for which zero bytes are a value.
    let mut address: libc::sockaddr_un = unsafe { mem::zeroed() };
    address.sun_family = libc::sa_family_t::try_from(libc::AF_UNIX).map_err(io::Error::other)?;
    let bytes = path.as_os_str().as_bytes();
    // One byte stays zero: the kernel wants the path to end.
    if bytes.is_empty() || bytes.contains(&0) || bytes.len() >= address.sun_path.len() {
        let message = "a socket path of 1 to 107 bytes expected";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    let length = mem::offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + 1;
    let length = libc::socklen_t::try_from(length).map_err(io::Error::other)?;
    Ok((address, length))
}

/// The user of the process that listens at the other end (as it was when it called listen).
pub(crate) fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    let mut peer = libc::ucred {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    let size = mem::size_of::<libc::ucred>();
    let mut length = libc::socklen_t::try_from(size).map_err(io::Error::other)?;
    // SAFETY: `peer` and `length` live through the call, and `length` is the size of `peer`.
    checked(unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    })?;
    Ok(peer.uid)
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
