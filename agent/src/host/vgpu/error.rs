//! Why a vGPU was not made or taken away.

use kerf_types::{LeaseId, PciAddress};

/// A request about vGPUs that was refused. Nothing of it remains.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VgpuRefusal {
    /// The GPU's driver offers no vGPUs.
    #[error("GPU {gpu} offers no vGPUs")]
    NotOffered {
        /// The GPU.
        gpu: PciAddress,
    },
    /// It does with virtual functions, and they are off.
    #[error("the virtual functions of GPU {gpu} are off")]
    SriovOff {
        /// The GPU.
        gpu: PciAddress,
    },
    /// It cannot go into maintenance.
    #[error("GPU {gpu} carries {by}")]
    Carries {
        /// The GPU.
        gpu: PciAddress,
        /// vGPUs with their makers, and what can be done about them.
        by: String,
    },
    /// The driver names no such type now.
    #[error("GPU {gpu} names no vGPU type {kind:?} now{}", listed(.offered))]
    NoType {
        /// The GPU.
        gpu: PciAddress,
        /// As it was asked for.
        kind: String,
        /// What it names.
        offered: Vec<String>,
    },
    /// None of its functions has room for one.
    #[error("GPU {gpu} has no room for a vGPU of type {kind}")]
    Full {
        /// The GPU.
        gpu: PciAddress,
        /// The type.
        kind: String,
    },
    /// Its types lie in GPU instances, and none is free.
    #[error("GPU {gpu} has MIG on and no free GPU instance for a vGPU of type {kind:?}")]
    NeedsInstance {
        /// The GPU.
        gpu: PciAddress,
        /// The type.
        kind: String,
    },
    /// There is none of that name.
    #[error("there is no vGPU {name:?} on this host")]
    NotFound {
        /// As it was named.
        name: String,
    },
    /// Several vGPUs of kerf's go by that name.
    #[error("several vGPUs are on {name}")]
    Several {
        /// As it was named.
        name: String,
    },
    /// Somebody else made it.
    #[error("the vGPU on {name} was not made by kerf and is left alone")]
    Foreign {
        /// As it was named.
        name: String,
    },
    /// Somebody has a lease on it.
    #[error("the vGPU on {name} is leased by {by} (lease {lease})")]
    Leased {
        /// As it was named.
        name: String,
        /// Whose it is.
        by: String,
        /// Which lease.
        lease: LeaseId,
    },
    /// The function was used again since.
    #[error("vGPU {fence} on {name} has ended, {found} is there now")]
    Stale {
        /// As it was named.
        name: String,
        /// The number that was meant.
        fence: u64,
        /// What is there.
        found: String,
    },
    /// It was begun and nobody knows how it ended.
    #[error("what is on {name} is not known now")]
    Unsettled {
        /// As it was named.
        name: String,
    },
    /// An earlier change of its vGPUs may still come.
    #[error("a worker of an earlier kerfd may still be changing the vGPUs of GPU {gpu}")]
    InDoubt {
        /// The GPU.
        gpu: PciAddress,
    },
    /// Virtual functions off would take the layout with them.
    #[error("turning the virtual functions of GPU {gpu} off would wipe its MIG layout")]
    WouldWipe {
        /// The GPU.
        gpu: PciAddress,
    },
    /// They are to go off, and cannot yet.
    #[error("the virtual functions of GPU {gpu} stay on: {why}")]
    StaysOn {
        /// The GPU.
        gpu: PciAddress,
        /// What is in the way.
        why: String,
    },
    /// Other vGPUs are on the GPU.
    #[error("the virtual functions of GPU {gpu} carry other vGPUs")]
    OthersThere {
        /// The GPU.
        gpu: PciAddress,
    },
}

impl VgpuRefusal {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotOffered { .. } => {
                "vGPUs need the vendor's driver for vGPU hosts; see `kerf vgpu types`"
            }
            Self::SriovOff { .. } => {
                "run `kerf vgpu create` with --enable-sriov, while nothing uses the GPU"
            }
            Self::Carries { .. } => "the driver cannot be closed under a vGPU: it has to go first",
            Self::NoType { .. } => {
                "see `kerf vgpu types`: a GPU that is full, or mixes no sizes, names fewer, and types in GPU instances only with MIG on and a free one (`kerf apply`)"
            }
            Self::Full { .. } => "see `kerf vgpu list`; take one away, or use another GPU",
            Self::NeedsInstance { .. } => {
                "cut a GPU instance of its profile with `kerf apply` first"
            }
            Self::NotFound { .. } => "see `kerf vgpu list`",
            Self::Several { .. } => "name it by its UUID, see `kerf vgpu list`",
            Self::Foreign { .. } => "whoever made it has to take it away",
            Self::Leased { .. } => "end the container, or `kerf lease release` it, first",
            Self::Stale { .. } => "see `kerf vgpu list` for what is there and who made it",
            Self::Unsettled { .. } => "see `kerf status`; run the command again once it is well",
            Self::InDoubt { .. } => {
                "see `kerf status`; run the command again once that worker has ended"
            }
            Self::WouldWipe { .. } => "take its slices away with `kerf apply` first",
            Self::StaysOn { .. } => STAYS_ON,
            Self::OthersThere { .. } => "see `kerf vgpu list`",
        }
    }
}

/// What becomes of virtual functions that cannot go off yet.
pub const STAYS_ON: &str = "kerf turns them off once nothing is in the way, and keeps them once a vGPU is made on them; see `kerf status`";

fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!(" (it names {})", names.join(", ")),
    }
}
