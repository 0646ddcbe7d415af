//! Seeing a container end, whatever ends it: a pidfd on its first process, and before that one on the
//! runtime that makes it. Hooks that run at the end are not relied upon: when the shim dies, none runs.

use kerf_types::LeaseId;
use kerf_types::lease::InitProcess;

use super::{Command, HostHandle};
use crate::process;
use crate::store::{LeaseRow, PendingLaunch};

/// Watches the container of a lease; tells the owner when its process is known, and when it has ended.
pub(super) fn start(handle: &HostHandle, row: &LeaseRow) {
    let (handle, lease) = (handle.clone(), row.lease.id);
    if let Some(init) = row.lease.init.clone() {
        tokio::spawn(until_end(handle, lease, init));
    } else if let Some(pending) = row.pending.clone() {
        tokio::spawn(until_known(handle, lease, pending));
    }
}

async fn until_end(handle: HostHandle, lease: LeaseId, init: InitProcess) {
    process::wait_for(&init).await;
    handle.tell(Command::Gone { lease }).await;
}

/// The runtime's `create` ends once the container exists or has failed; then its pid file says which.
async fn until_known(handle: HostHandle, lease: LeaseId, pending: PendingLaunch) {
    process::wait_for(&pending.runtime).await;
    match init_of(&pending) {
        Some(init) => handle.tell(Command::Started { lease, init }).await,
        None => handle.tell(Command::Gone { lease }).await,
    }
}

/// The process that the pid file of a launch names, if it runs.
pub(super) fn init_of(pending: &PendingLaunch) -> Option<InitProcess> {
    let path = pending.pid_file.as_ref()?;
    let pid: u32 = std::fs::read_to_string(path).ok()?.trim().parse().ok()?;
    let init = process::identify(pid)?;
    // A pid file left by an earlier container names a process that is older than this launch, or none.
    let later = init.start_ticks >= pending.runtime.start_ticks;
    (later && init.boot_id == pending.runtime.boot_id).then_some(init)
}
