//! Seeing a container end, whatever ends it: a pidfd on its first process, and before that one on the
//! runtime that makes it. A bare process is one without a container around it. Hooks that run at the end are not relied upon: when the shim dies, none runs.

use std::time::Duration;

use kerf_types::LeaseId;
use kerf_types::lease::InitProcess;

use super::{Command, HostHandle};
use crate::process;
use crate::process::cgroup::{self, Cgroup};
use crate::process::confine::{self, Confined};
use crate::process::workers::Processes;
use crate::store::{LeaseRow, PendingLaunch};

/// Time between two looks into the cgroup of a container whose first process has ended: the engine kills the
/// others within milliseconds, unless its shim is dead.
const FIRST_LOOK: Duration = Duration::from_millis(10);

/// The same after a while; a slice is given back this much late at most.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Watches the container of a lease; tells the owner when its process is known, and when it has ended.
pub(super) fn start(handle: &HostHandle, processes: &Processes, row: &LeaseRow) {
    let (handle, lease) = (handle.clone(), row.lease.id);
    if let Some(init) = row.lease.init.clone() {
        let (processes, cgroup) = (processes.clone(), row.cgroup.clone());
        tokio::spawn(async move {
            until_end(&processes, lease, &init, cgroup).await;
            handle.tell(Command::Gone { lease }).await;
        });
    } else if let Some(pending) = row.pending.clone() {
        tokio::spawn(until_known(handle, lease, pending, name_of(row)));
    }
}

async fn until_end(
    processes: &Processes,
    lease: LeaseId,
    init: &InitProcess,
    cgroup: Option<Cgroup>,
) {
    process::wait_for(init).await;
    until_empty(&cgroup).await;
    // That of a bare process is taken away by nobody else.
    if let Some(cgroup) = cgroup.filter(|cgroup| confine::is_own(cgroup, lease)) {
        processes.remove_confinement(&cgroup, lease).await;
    }
}

/// Takes a cgroup away that was made for a process which is about to end, since it does not get its lease.
pub(super) fn forget_cgroup(processes: &Processes, row: &LeaseRow, confined: Confined) {
    let (processes, lease) = (processes.clone(), row.lease.id);
    if let Some(init) = row.lease.init.clone() {
        tokio::spawn(async move { until_end(&processes, lease, &init, confined.cgroup).await });
    }
}

async fn until_empty(cgroup: &Option<Cgroup>) {
    let mut pause = FIRST_LOOK;
    while cgroup.as_ref().is_some_and(Cgroup::is_populated) {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_LOOK);
    }
}

/// Whether a lease is of a boot before this one: whatever held it has ended with that. A process that has the pid of its
/// holder now is another one, and a cgroup that has its folder is another one too, also where the kernel, which counts
/// anew, has given that the same inode.
pub(super) fn is_of_earlier_boot(row: &LeaseRow) -> bool {
    let now = process::boot_id();
    let init = row.lease.init.as_ref().map(|init| &init.boot_id);
    let runtime = row.pending.as_ref().map(|pending| &pending.runtime.boot_id);
    let until = row.until.as_ref().map(|until| &until.boot_id);
    let boots = [init, runtime, until];
    // A kernel that does not tell its boot is no proof of another.
    !now.is_empty() && boots.into_iter().flatten().any(|boot| *boot != now)
}

/// Whether the container of a lease runs, or is about to, or has left processes behind.
pub(super) fn runs(row: &LeaseRow) -> bool {
    if is_of_earlier_boot(row) {
        return false;
    }
    row.lease.init.as_ref().is_some_and(process::is_alive)
        || row.cgroup.as_ref().is_some_and(Cgroup::is_populated)
        || row.pending.as_ref().is_some_and(|pending| {
            process::is_alive(&pending.runtime)
                || init_of(pending).is_some()
                || cgroup::named(&name_of(row)).is_some_and(|left| left.is_populated())
        })
}

fn name_of(row: &LeaseRow) -> String {
    let container = row.lease.container.as_ref();
    container.map_or_else(String::new, |container| container.id.clone())
}

/// The runtime's `create` ends once the container exists or has failed; then its pid file says which. A first
/// process that is gone by then may have left others behind.
async fn until_known(handle: HostHandle, lease: LeaseId, pending: PendingLaunch, name: String) {
    process::wait_for(&pending.runtime).await;
    if let Some(init) = init_of(&pending) {
        return handle.tell(Command::Started { lease, init }).await;
    }
    until_empty(&cgroup::named(&name)).await;
    handle.tell(Command::Gone { lease }).await;
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
