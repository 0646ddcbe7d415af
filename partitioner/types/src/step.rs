//! The steps that a plan consists of: each is one change that a driver makes, and each is idempotent,
//! since the executor compares with what it reads back.

use std::fmt;

use crate::amd::{ComputePartition, MemoryPartition};
use crate::ids::{CiId, GiId, MigUuid, ProfileId, VgpuTypeId, VgpuUuid};
use crate::pci::PciAddress;
use crate::placement::Placement;

/// One change to a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Turns MIG on or off.
    SetMigMode {
        /// The GPU.
        gpu: PciAddress,
        /// The wanted mode.
        enabled: bool,
        /// Whether a reset of the GPU is accepted, should the driver need one.
        allow_reset: bool,
    },
    /// Makes a GPU instance at an explicit place. Done when an equal one lies there.
    CreateGpuInstance {
        /// The GPU.
        gpu: PciAddress,
        /// GPU instance profile.
        profile: ProfileId,
        /// Where.
        placement: Placement,
    },
    /// Makes a compute instance in the GPU instance at this place.
    CreateComputeInstance {
        /// The GPU.
        gpu: PciAddress,
        /// Place of the GPU instance.
        placement: Placement,
        /// Compute instance profile.
        profile: ProfileId,
        /// Its place in the GPU instance, in compute slices; `None` for the one that fills it.
        compute: Option<Placement>,
    },
    /// Destroys one compute instance. Refused when the UUID is not the named one.
    DestroyComputeInstance {
        /// The GPU.
        gpu: PciAddress,
        /// Its GPU instance.
        gi: GiId,
        /// The compute instance.
        ci: CiId,
        /// The life that is meant.
        uuid: MigUuid,
    },
    /// Destroys an empty GPU instance. Refused when another profile or place has the id by now.
    DestroyGpuInstance {
        /// The GPU.
        gpu: PciAddress,
        /// The instance.
        gi: GiId,
        /// Its profile.
        profile: ProfileId,
        /// Its place.
        placement: Placement,
    },
    /// Sets the compute partition mode of an AMD GPU. Done when it has it and its partitions are there.
    SetAmdCompute {
        /// The GPU.
        gpu: PciAddress,
        /// The wanted mode.
        mode: ComputePartition,
    },
    /// Asks for a memory partition mode of an AMD GPU, and so of its whole hive: the driver remembers it until
    /// it is loaded anew. Done when the GPU has it, or the driver has taken the request.
    SetAmdMemory {
        /// The GPU.
        gpu: PciAddress,
        /// The wanted mode.
        mode: MemoryPartition,
    },
    /// Turns a GPU's virtual functions on, all of them, or off. Off wipes its MIG layout.
    SetSriov {
        /// The GPU.
        gpu: PciAddress,
        /// Whether they shall be there.
        enabled: bool,
    },
    /// Makes a vGPU on a function that has room for one. Never done already: the vGPU that it makes is the asker's.
    CreateVgpu {
        /// The GPU.
        gpu: PciAddress,
        /// The function.
        function: PciAddress,
        /// Its type.
        type_id: VgpuTypeId,
        /// Its name, where the driver makes mediated devices.
        uuid: VgpuUuid,
        /// Where it shall lie, on a GPU that mixes sizes.
        placement: Option<u32>,
    },
    /// Takes a vGPU away. Done when there is none; refused when another one is there.
    DestroyVgpu {
        /// The GPU.
        gpu: PciAddress,
        /// The function.
        function: PciAddress,
        /// Its type.
        type_id: VgpuTypeId,
        /// Its name, if it is a mediated device.
        uuid: Option<VgpuUuid>,
    },
}

impl Step {
    /// Whether it changes an AMD GPU, which NVML does not know.
    pub fn is_amd(&self) -> bool {
        matches!(self, Self::SetAmdCompute { .. } | Self::SetAmdMemory { .. })
    }

    /// The GPU that it changes.
    pub fn gpu(&self) -> PciAddress {
        match self {
            Self::SetMigMode { gpu, .. }
            | Self::CreateGpuInstance { gpu, .. }
            | Self::CreateComputeInstance { gpu, .. }
            | Self::DestroyComputeInstance { gpu, .. }
            | Self::DestroyGpuInstance { gpu, .. }
            | Self::SetAmdCompute { gpu, .. }
            | Self::SetAmdMemory { gpu, .. }
            | Self::SetSriov { gpu, .. }
            | Self::CreateVgpu { gpu, .. }
            | Self::DestroyVgpu { gpu, .. } => *gpu,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetMigMode { gpu, enabled, .. } => {
                write!(
                    f,
                    "set MIG mode of {gpu} {}",
                    if *enabled { "on" } else { "off" }
                )
            }
            Self::CreateGpuInstance {
                gpu,
                profile,
                placement,
            } => {
                write!(
                    f,
                    "create GPU instance of profile {profile} at {placement} on {gpu}"
                )
            }
            Self::CreateComputeInstance {
                gpu,
                placement,
                compute,
                ..
            } => match compute {
                None => write!(f, "create compute instance at {placement} on {gpu}"),
                Some(part) => {
                    write!(f, "create compute instance {part} at {placement} on {gpu}")
                }
            },
            Self::DestroyComputeInstance { gpu, gi, ci, uuid } => {
                write!(f, "destroy compute instance {gi}/{ci} ({uuid}) on {gpu}")
            }
            Self::DestroyGpuInstance {
                gpu, gi, placement, ..
            } => {
                write!(f, "destroy GPU instance {gi} at {placement} on {gpu}")
            }
            Self::SetAmdCompute { gpu, mode } => {
                write!(f, "set compute partition mode of {gpu} to {mode}")
            }
            Self::SetAmdMemory { gpu, mode } => {
                write!(f, "ask for memory partition mode {mode} of {gpu}")
            }
            Self::SetSriov { gpu, enabled } => {
                let word = if *enabled { "on" } else { "off" };
                write!(f, "turn virtual functions of {gpu} {word}")
            }
            Self::CreateVgpu {
                function, type_id, ..
            } => {
                write!(f, "create vGPU of type {type_id} on {function}")
            }
            Self::DestroyVgpu {
                function, type_id, ..
            } => {
                write!(f, "destroy vGPU of type {type_id} on {function}")
            }
        }
    }
}
