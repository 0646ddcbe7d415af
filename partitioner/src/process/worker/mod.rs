//! The worker for processes: does what it is told to containers and processes on a socket, one thing at a time, until the
//! other end closes it.
//!
//! It has the rights that this takes, and no network; kerfd has the network, and decides. It keeps nothing between calls
//! and believes nothing unchecked. It opens no driver, so nothing is lost when it is killed in the middle of a call: what
//! it has half done, kerfd has written down before and has taken back by the next one.

mod answer;
#[cfg(test)]
mod tests;

use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use caps::{CapSet, Capability};
use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;

use crate::confine::{ConfineError, keep};
use crate::worker::{WorkerError, converse};

/// What a worker for processes is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The folder that stands for `/` of the machine: its driver and its nodes lie there. Processes are always those of
    /// the real one.
    pub sysroot: PathBuf,
    /// The program that is started as guard; `None` starts none.
    pub runtime: Option<PathBuf>,
}

/// What stays, and why:
/// - SYS_ADMIN: the kernel takes rules for devices from nobody else (`security/device_cgroup.c`);
/// - MKNOD, CHOWN: nodes in a container's own `/dev`, and whose they are;
/// - SYS_PTRACE, DAC_READ_SEARCH: the root, the descriptors and the memory map of processes of any user;
/// - KILL: guards end what a container of any user has left behind;
/// - DAC_OVERRIDE: cgroups that belong to a user; the unit does not give it.
const KEPT: [Capability; 7] = [
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_MKNOD,
    Capability::CAP_CHOWN,
    Capability::CAP_SYS_PTRACE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_KILL,
    Capability::CAP_DAC_OVERRIDE,
];

/// Keeps only what this worker needs of what this process has, for good. Folders that it makes, cgroups among them, are
/// for others to read alone, whoever started it.
///
/// # Errors
/// `ConfineError` where the kernel refuses.
pub fn confine() -> Result<(), ConfineError> {
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    keep(&KEPT)?;
    if !may_look() {
        tracing::warn!(
            "no CAP_SYS_PTRACE: processes are not looked into; is kerf-process.socket there?"
        );
    }
    Ok(())
}

/// Whether processes of others can be looked into: root without the right for it would take them for ones that hold
/// nothing. Who is not root has its own business alone.
fn may_look() -> bool {
    let right = Capability::CAP_SYS_PTRACE;
    !geteuid().is_root() || caps::has_cap(None, CapSet::Effective, right).unwrap_or(false)
}

/// Serves one client until it closes its end.
///
/// # Errors
/// When the socket fails, or what comes is no request.
pub fn serve(stream: UnixStream, site: &Site) -> Result<(), WorkerError> {
    converse(stream, |request| answer::answer(site, request))
}
