//! Where the cgroup of a job's container is. kerf names it, so nothing has to be asked to find it.

use std::path::PathBuf;

use kerf_types::ContainerRef;

use crate::process::cgroup::mount_points;

/// Its path in a hierarchy, as the runtime is told it. An absolute one is taken as it is, and not below the cgroup of
/// containerd.
pub(in crate::launcher) fn path(container: &ContainerRef) -> String {
    format!("/kerf/{}/{}", container.namespace, container.id)
}

/// Its folder in every hierarchy, whether it is there or not.
pub(in crate::launcher) fn folders(container: &ContainerRef) -> Vec<PathBuf> {
    let path = path(container);
    let below = path.trim_start_matches('/');
    let mounts = mount_points().into_iter();
    mounts.map(|mount| mount.join(below)).collect()
}
