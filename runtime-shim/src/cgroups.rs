//! What the host's cgroups can do, as far as a grant asks it of them.
//!
//! A cpuset is locality and no promise: on a unified hierarchy without that controller (a guest or a container whose
//! cpuset stayed with its host) every runtime refuses a spec that has one, and the container would not start for
//! want of what it did not ask for.

use std::path::Path;

use crate::frame::Grant;

/// Where hierarchies are mounted, as every runtime expects them.
pub const MOUNT: &str = "/sys/fs/cgroup";

/// The grant without a cpuset where the unified hierarchy at `mount` has no such controller. Where the file with
/// its controllers is not there, the hierarchies are the older ones, and what cannot be read is left to the
/// runtime.
#[must_use]
pub fn pinnable(mut grant: Grant, mount: &Path) -> Grant {
    if grant.cpuset_cpus.is_none() && grant.cpuset_mems.is_none() {
        return grant;
    }
    let Ok(controllers) = std::fs::read_to_string(mount.join("cgroup.controllers")) else {
        return grant;
    };
    if !controllers.split_whitespace().any(|name| name == "cpuset") {
        grant.cpuset_cpus = None;
        grant.cpuset_mems = None;
    }
    grant
}

#[cfg(test)]
mod tests;
