//! What a worker keeps of its rights.

use caps::Capability;
use nix::sys::stat::{Mode, umask};

use crate::confine::{ConfineError, keep};

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

/// Keeps only what a worker needs of what this process has, for good. Takes no umask over from whoever
/// started it: the nodes that it makes have the modes that it gives them.
///
/// # Errors
/// `ConfineError` where the kernel refuses.
pub fn confine() -> Result<(), ConfineError> {
    umask(Mode::empty());
    keep(&KEPT)
}
