//! Why something could not be done with vGPUs.

use kerf_types::{PciAddress, VgpuTypeId};
use nix::errno::Errno;

use crate::systree::TreeError;
use crate::systree::transaction::{Left, Refusal};

/// Why something could not be done with vGPUs.
#[derive(Debug, thiserror::Error)]
pub enum VgpuError {
    /// The kernel has no GPU there.
    #[error("there is no GPU {gpu}")]
    NotFound {
        /// Its address.
        gpu: PciAddress,
    },
    /// Its driver offers no vGPUs, or only with virtual functions.
    #[error("GPU {gpu} offers no vGPUs: {why}")]
    NotOffered {
        /// The GPU.
        gpu: PciAddress,
        /// What is missing.
        why: &'static str,
    },
    /// It has no such function.
    #[error("GPU {gpu} has no function {function} for vGPUs")]
    NoFunction {
        /// The GPU.
        gpu: PciAddress,
        /// The function.
        function: PciAddress,
    },
    /// A file could not be read.
    #[error("look at the vGPUs of {pci}")]
    Unreadable {
        /// The GPU or function.
        pci: PciAddress,
        /// Why.
        #[source]
        cause: TreeError,
    },
    /// A file holds something else than a number.
    #[error("{path} reads {text:?}")]
    Garbled {
        /// The file.
        path: String,
        /// What it reads.
        text: String,
    },
    /// A virtual function is listed, and which one it is cannot be told.
    #[error("{path} leads to {link:?}")]
    Unnamed {
        /// Where it is listed.
        path: String,
        /// What stands there.
        link: String,
    },
    /// The function does not say what it carries, so nothing is changed.
    #[error("{function} does not say whether it carries a vGPU")]
    Unknown {
        /// The function.
        function: PciAddress,
    },
    /// The type cannot be made there now.
    #[error("type {type_id} cannot be made on {function} now, only {offered}")]
    NoRoom {
        /// The function.
        function: PciAddress,
        /// The type.
        type_id: VgpuTypeId,
        /// What can be.
        offered: String,
    },
    /// Another vGPU is there, or one came first.
    #[error("{function} carries {found}")]
    Conflict {
        /// The function.
        function: PciAddress,
        /// What it carries.
        found: String,
    },
    /// Somebody else has turned virtual functions on or off meanwhile.
    #[error("GPU {gpu} has {found} virtual functions by now, and had {expected} before")]
    Changed {
        /// The GPU.
        gpu: PciAddress,
        /// How many it has.
        found: String,
        /// How many it had.
        expected: u32,
    },
    /// A virtual machine has it, or something else that is in the way.
    #[error("{pci} is in use by {by}")]
    InUse {
        /// The GPU or function.
        pci: PciAddress,
        /// Who has it.
        by: String,
    },
    /// The driver did not do it, and everything is as before.
    #[error("{pci} is as before")]
    Undone {
        /// The GPU or function.
        pci: PciAddress,
        /// Why.
        #[source]
        cause: Refusal,
    },
    /// Something of it stands, or may stand, and was left there.
    #[error("{pci} may have changed ({left})")]
    Stuck {
        /// The GPU or function.
        pci: PciAddress,
        /// What is left.
        left: String,
        /// Why it was not carried out.
        #[source]
        cause: Refusal,
    },
    /// It was done, and what came of it does not read.
    #[error("{pci} has changed, and cannot be looked at")]
    Unseen {
        /// The GPU.
        pci: PciAddress,
        /// Why.
        #[source]
        cause: Box<VgpuError>,
    },
}

impl VgpuError {
    /// The kernel's word, where it is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Unreadable { cause, .. } => cause.errno(),
            Self::Undone { cause, .. } | Self::Stuck { cause, .. } => cause.errno(),
            _ => None,
        }
    }

    pub(super) fn stuck(pci: PciAddress, cause: Refusal, left: &[Left]) -> Self {
        let left: Vec<String> = left.iter().map(ToString::to_string).collect();
        let left = left.join("; ");
        Self::Stuck { pci, left, cause }
    }

    pub(super) fn no_room(
        function: PciAddress,
        type_id: VgpuTypeId,
        creatable: &[VgpuTypeId],
    ) -> Self {
        let names: Vec<String> = creatable.iter().map(ToString::to_string).collect();
        let offered = match names.as_slice() {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        Self::NoRoom {
            function,
            type_id,
            offered,
        }
    }
}
