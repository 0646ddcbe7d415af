//! The way of every verb but those that make a container: at once into the runtime.
//!
//! An engine calls its runtime four to seven times in a container's life, and one call of them has work to do. The
//! others must cost no more than the exec: nothing is allocated, no file is opened, and Rust's own start-up is not
//! run (the program has a C `main`). What is not certain here is left to the whole way, which knows the same rules
//! and says what is wrong: a mistake of this module can cost time and nothing else.
//!
//! Owns which command lines may go this way ([`passes_on`]) and which variables a runtime gets to see
//! ([`is_kept`], for both ways). Never reads a bundle, never decides about a device.

mod sys;
#[cfg(test)]
mod tests;

use std::ffi::CStr;

use crate::settings::{FILE_NAME, LINK_NAME, SYSTEM_FOLDER};

pub use sys::Start;
use sys::{Kind, facts};

/// Longest path that is handled here, in bytes with its end. A longer one goes the whole way; more room would be
/// another page of stack to fault in.
const ROOM: usize = 512;

/// Where `runc` is looked for without any settings, in the order of [`crate::settings`].
const USUAL: [&CStr; 6] = [
    c"/usr/local/sbin/runc",
    c"/usr/local/bin/runc",
    c"/usr/sbin/runc",
    c"/usr/bin/runc",
    c"/sbin/runc",
    c"/bin/runc",
];

/// Variables that a runtime gets to see. Of runc, crun and what they start outside the container (criu,
/// `newuidmap`, hooks): where programs, folders of the user and its bus are, the sockets that an engine hands on,
/// and how many threads Go may have. `USER` tells a rootless runc that it is not root's.
const KEPT: [&[u8]; 11] = [
    b"PATH",
    b"HOME",
    b"USER",
    b"TMPDIR",
    b"XDG_RUNTIME_DIR",
    b"DBUS_SESSION_BUS_ADDRESS",
    b"NOTIFY_SOCKET",
    b"LISTEN_FDS",
    b"LISTEN_PID",
    b"LISTEN_FDNAMES",
    b"GOMAXPROCS",
];

/// What podman tells its runtime about a rootless set-up.
const KEPT_PREFIX: &[u8] = b"_CONTAINERS_";

/// Becomes the runtime if this command line is nobody's business but the runtime's. Returns where it may be ours,
/// and where the runtime is not certain.
pub fn pass_on(start: &mut Start) {
    if !passes_on(start.args().map(CStr::to_bytes)) {
        return;
    }
    let mut room = [0; ROOM];
    if let Some(runtime) = find(&mut room) {
        start.exec(runtime);
    }
}

/// Whether a command line (without the program's name) surely makes no container: the verbs that do stand nowhere
/// in it, also not where they would be a value.
pub fn passes_on<'a>(mut args: impl Iterator<Item = &'a [u8]>) -> bool {
    let is_ours = |arg: &[u8]| matches!(arg, b"create" | b"run" | b"restore");
    match args.next() {
        Some(b"claim" | b"fence") => false,
        Some(first) => !is_ours(first) && !args.any(is_ours),
        None => true,
    }
}

/// Whether the runtime gets to see this entry (`NAME=value`) of the environment. Never what tells a loader or a C
/// library what to do (`LD_*`, `GLIBC_TUNABLES`): runc is linked dynamically, and runs as root.
pub fn is_kept(entry: &[u8]) -> bool {
    let name = entry.split(|byte| *byte == b'=').next().unwrap_or(entry);
    KEPT.contains(&name) || name.starts_with(KEPT_PREFIX)
}

/// The runtime, where it can be told without reading a file: by the link, or by there being no settings at all.
fn find(room: &mut [u8; ROOM]) -> Option<&CStr> {
    let own = c"/proc/self/exe";
    let mut place = [0; ROOM];
    let length = sys::read_link(own, &mut place)?;
    let folder = place.get(..length)?.iter().rposition(|b| *b == b'/')?;
    let (mut beside, mut system) = ([0; ROOM], [0; ROOM]);
    let folders: [(&[u8], &mut [u8; ROOM]); 2] = [
        (place.get(..folder)?, &mut beside),
        (SYSTEM_FOLDER.as_bytes(), &mut system),
    ];
    for (folder, path) in folders {
        let link = join(folder, LINK_NAME, path)?;
        match facts(link, false) {
            Kind::There(facts) if facts.is_link && sys::is_trusted(facts.uid) => {
                let length = sys::read_link(link, room)?;
                let is_rooted = room.first() == Some(&b'/');
                let runtime = CStr::from_bytes_until_nul(room).ok()?;
                let is_whole = is_rooted && runtime.count_bytes() == length;
                return Some(runtime).filter(|path| is_whole && is_program(path, own));
            }
            Kind::Absent => {}
            Kind::There(_) | Kind::Unclear => return None,
        }
        // With settings but no link the file has to be read.
        match facts(join(folder, FILE_NAME, path)?, false) {
            Kind::Absent => {}
            _ => return None,
        }
    }
    USUAL.into_iter().find(|path| is_program(path, own))
}

/// Whether it is a program, and not this one.
fn is_program(path: &CStr, own: &CStr) -> bool {
    match (facts(path, true), facts(own, true)) {
        (Kind::There(it), Kind::There(own)) => it.is_program && it.identity != own.identity,
        _ => false,
    }
}

/// `folder/name` as a C string in `path`.
fn join<'p>(folder: &[u8], name: &str, path: &'p mut [u8; ROOM]) -> Option<&'p CStr> {
    let parts = [folder, b"/", name.as_bytes(), b"\0"];
    let mut at = 0;
    for part in parts {
        path.get_mut(at..at + part.len())?.copy_from_slice(part);
        at += part.len();
    }
    CStr::from_bytes_until_nul(path).ok()
}
