//! Giving up the capabilities that a process does not need, before it loads or starts anything.

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;

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

/// Keeps only these of what this process has, for good, and for whatever it starts or becomes.
///
/// # Errors
/// `ConfineError` where the kernel refuses; some may have been given up by then.
pub fn keep(kept: &[Capability]) -> Result<(), ConfineError> {
    nix::sys::prctl::set_no_new_privs().map_err(|cause| ConfineError::NoNewPrivileges { cause })?;
    let failed = |set| move |cause| ConfineError::Capabilities { set, cause };
    let kept: CapsHashSet = kept.iter().copied().collect();
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
