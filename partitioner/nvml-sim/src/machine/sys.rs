//! The one system call of machine creation that the standard library lacks.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// `mknod` of a character device, mode 0600 before the caller's `chmod`.
pub fn make_character_node(path: &Path, major: u32, minor: u32) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let device = libc::makedev(major, minor);
    // SAFETY: `path` is a NUL-terminated string that outlives the call, which keeps no pointer.
    let made = unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o600, device) };
    if made == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
