//! Where this library lies, and with it the machine's state. Owns the one question to the dynamic
//! linker.

use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

use crate::store::STATE_FILE;

/// From the library's place in the tree, `root/usr/lib/x86_64-linux-gnu`, up to the machine.
const LEVELS_IN_TREE: usize = 4;

/// The machine's folder: the one that holds this library, or, for the library in the machine's
/// tree, the one that holds the tree.
pub fn folder() -> Option<PathBuf> {
    let library = library()?.canonicalize().ok()?;
    let beside = library.parent()?;
    let above = beside.ancestors().nth(LEVELS_IN_TREE);
    let candidates = [Some(beside), above];
    let found = candidates
        .into_iter()
        .flatten()
        .find(|dir| dir.join(STATE_FILE).is_file());
    Some(found.unwrap_or(beside).to_owned())
}

/// The path under which the linker loaded this library.
fn library() -> Option<PathBuf> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    let here: fn() -> Option<PathBuf> = library;
    // SAFETY: `info` is writable for the call, and any address may be asked about.
    let found = unsafe { libc::dladdr(here as *const c_void, info.as_mut_ptr()) };
    if found == 0 {
        return None;
    }
    // SAFETY: all-zero is a valid `Dl_info`, and the call has succeeded and filled it.
    let name = unsafe { info.assume_init() }.dli_fname;
    if name.is_null() {
        return None;
    }
    // SAFETY: the linker's name of a loaded object is NUL-terminated and lives as long as it.
    let name = unsafe { CStr::from_ptr(name) };
    Some(Path::new(name.to_str().ok()?).to_owned())
}
