//! Giving up the capabilities that a worker does not need, before it loads anything.

use std::collections::HashSet;

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};

/// What stays, and why:
/// - SYS_ADMIN: the driver asks for it, or for the `config` capability node, to change MIG;
/// - MKNOD: capability nodes are made here;
/// - DAC_OVERRIDE: `config` and parts of `/proc/driver/nvidia` have mode 0400, and a simulated machine may
///   belong to the user who made it;
/// - FOWNER, CHOWN: the mode and owner of a node in a folder that belongs to that user.
///
/// Not SYS_MODULE: loading the driver is the system's business. NVML would start `nvidia-modprobe` for
/// it, which then fails, and NVML reports that the driver is not loaded, which is the truth.
const KEPT: [Capability; 5] = [
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_MKNOD,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FOWNER,
    Capability::CAP_CHOWN,
];

/// Capabilities that could not be given up.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The kernel refused a capability set.
    #[error("reduce the {set:?} capabilities")]
    Capabilities {
        /// The set.
        set: CapSet,
        /// Why.
        #[source]
        cause: CapsError,
    },
    /// The kernel refused to forbid new privileges.
    #[error("forbid new privileges")]
    NoNewPrivileges {
        /// Why.
        #[source]
        cause: Errno,
    },
}

/// Keeps only what a worker needs of what this process has, for good. Takes no umask over from whoever
/// started it: the nodes that it makes have the modes that it gives them.
pub fn confine() -> Result<(), ConfineError> {
    umask(Mode::empty());
    nix::sys::prctl::set_no_new_privs().map_err(|cause| ConfineError::NoNewPrivileges { cause })?;
    let failed = |set| move |cause| ConfineError::Capabilities { set, cause };
    let kept: CapsHashSet = HashSet::from(KEPT);
    let permitted = caps::read(None, CapSet::Permitted).map_err(failed(CapSet::Permitted))?;
    if permitted.contains(&Capability::CAP_SETPCAP) {
        let bounding = caps::read(None, CapSet::Bounding).map_err(failed(CapSet::Bounding))?;
        for &capability in bounding.difference(&kept) {
            caps::drop(None, CapSet::Bounding, capability).map_err(failed(CapSet::Bounding))?;
        }
    }
    caps::clear(None, CapSet::Ambient).map_err(failed(CapSet::Ambient))?;
    caps::clear(None, CapSet::Inheritable).map_err(failed(CapSet::Inheritable))?;
    let left: CapsHashSet = permitted.intersection(&kept).copied().collect();
    // Effective first: it may not hold what permitted lacks.
    caps::set(None, CapSet::Effective, &left).map_err(failed(CapSet::Effective))?;
    caps::set(None, CapSet::Permitted, &left).map_err(failed(CapSet::Permitted))
}
