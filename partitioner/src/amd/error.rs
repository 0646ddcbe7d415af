//! Why something could not be done with an AMD GPU.

use kerf_types::amd::{ModeError, check_mode};
use kerf_types::{ComputePartition, MemoryPartition, PciAddress};
use nix::errno::Errno;

use crate::systree::TreeError;
use crate::systree::transaction::{Left, Refusal};

/// Why something could not be done with an AMD GPU.
#[derive(Debug, thiserror::Error)]
pub enum AmdError {
    /// amdgpu has no GPU there.
    #[error("amdgpu serves no GPU {pci}")]
    NotFound {
        /// Its address.
        pci: PciAddress,
    },
    /// KFD lists nodes anew again and again, so that no list is whole.
    #[error("the KFD topology changes faster than it can be read")]
    Unsteady,
    /// A file could not be read.
    #[error("look at GPU {pci}")]
    Unreadable {
        /// The GPU.
        pci: PciAddress,
        /// Why.
        #[source]
        cause: TreeError,
    },
    /// The GPU has no such mode, or none at all.
    #[error("GPU {pci} does not offer {mode}, it offers {offered}")]
    NotOffered {
        /// The GPU.
        pci: PciAddress,
        /// The wanted mode.
        mode: String,
        /// What it offers.
        offered: String,
    },
    /// The mode does not go with what the GPU is.
    #[error("GPU {pci}")]
    Mode {
        /// The GPU.
        pci: PciAddress,
        /// Why.
        #[source]
        cause: ModeError,
    },
    /// Processes have it.
    #[error("GPU {pci} is in use by {by}")]
    InUse {
        /// The GPU.
        pci: PciAddress,
        /// Who has it.
        by: String,
    },
    /// The driver did not do it, and everything is as before.
    #[error("GPU {pci} is as before")]
    Undone {
        /// The GPU.
        pci: PciAddress,
        /// Why.
        #[source]
        cause: Refusal,
    },
    /// The driver did a part, and would not take it back.
    #[error("GPU {pci} is between two modes ({left})")]
    Stuck {
        /// The GPU.
        pci: PciAddress,
        /// What could not be taken back.
        left: String,
        /// Why it was not carried out.
        #[source]
        cause: Refusal,
    },
}

impl AmdError {
    /// The kernel's word, where it is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Unreadable { cause, .. } => cause.errno(),
            Self::Undone { cause, .. } | Self::Stuck { cause, .. } => cause.errno(),
            _ => None,
        }
    }

    pub(super) fn undone(pci: PciAddress, cause: Refusal) -> Self {
        // The kernel does not say who: processes that KFD does not tell us of, or those of another GPU.
        if cause.errno() == Some(Errno::EBUSY) {
            let by = "a process that has opened KFD".to_owned();
            return Self::InUse { pci, by };
        }
        Self::Undone { pci, cause }
    }

    pub(super) fn stuck(pci: PciAddress, cause: Refusal, left: &[Left]) -> Self {
        let left: Vec<String> = left.iter().map(ToString::to_string).collect();
        let left = left.join("; ");
        Self::Stuck { pci, left, cause }
    }

    pub(super) fn in_use(pci: PciAddress, processes: &[u32]) -> Self {
        let names: Vec<String> = processes
            .iter()
            .map(|pid| format!("process {pid}"))
            .collect();
        let by = names.join(", ");
        Self::InUse { pci, by }
    }
}

/// Whether a GPU can have a compute mode, as far as it says what it is.
pub(super) fn fits(
    pci: PciAddress,
    mode: ComputePartition,
    memory: Option<MemoryPartition>,
    xccs: Option<u32>,
) -> Result<(), AmdError> {
    let (Some(memory), Some(xccs)) = (memory, xccs) else {
        return Ok(());
    };
    check_mode(mode, memory, xccs).map_err(|cause| AmdError::Mode { pci, cause })
}
