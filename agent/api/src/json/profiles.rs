//! `kerf profiles`: into what the GPUs of a host can be cut.

use serde::Serialize;

use super::inventory::{MigMode, Profile};
use super::schema_tag;

schema_tag!(ProfilesSchema, "kerf.v1.Profiles");

/// The MIG profiles of each GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Profiles {
    /// Names this document.
    pub schema: ProfilesSchema,
    /// The GPUs, by NVML index.
    pub gpus: Vec<GpuProfiles>,
}

/// The MIG profiles of one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GpuProfiles {
    /// NVML index.
    pub index: u32,
    /// UUID.
    pub uuid: String,
    /// Address.
    pub pci: String,
    /// Marketing name.
    pub name: String,
    /// MIG mode.
    pub mig_mode: MigMode,
    /// The profiles; empty where the driver tells of none.
    pub profiles: Vec<Profile>,
}

impl From<&kerf_types::Inventory> for Profiles {
    fn from(inventory: &kerf_types::Inventory) -> Self {
        let gpus = inventory.gpus.iter().map(Into::into).collect();
        Self {
            schema: ProfilesSchema::V1,
            gpus,
        }
    }
}

impl From<&kerf_types::Gpu> for GpuProfiles {
    fn from(gpu: &kerf_types::Gpu) -> Self {
        Self {
            index: gpu.index,
            uuid: gpu.uuid.to_string(),
            pci: gpu.pci.to_string(),
            name: gpu.name.clone(),
            mig_mode: gpu.mig_mode.into(),
            profiles: gpu.profiles.iter().map(Into::into).collect(),
        }
    }
}
