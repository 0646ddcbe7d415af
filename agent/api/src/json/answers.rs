//! `kerf-partitioner answers`: what the driver's library says about MIG, number by number.
//!
//! Names are NVML's and nothing is derived, so that a recording of one machine can be compared with another
//! driver's, or with the simulator's tables.

use std::collections::BTreeMap;

use serde::Serialize;

use super::schema_tag;

schema_tag!(NvmlAnswersSchema, "kerf.v1.NvmlAnswers");

/// The answers of one library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NvmlAnswers {
    /// Names this document.
    pub schema: NvmlAnswersSchema,
    /// Version of the driver.
    pub driver_version: String,
    /// Version of the library.
    pub nvml_version: String,
    /// The GPUs, by index.
    pub gpus: Vec<GpuAnswers>,
}

/// The answers about one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GpuAnswers {
    /// NVML index.
    pub index: u32,
    /// `nvmlDeviceGetName`.
    pub name: String,
    /// `pciDeviceId` of `nvmlPciInfo_t`, device in the high half, in hexadecimal.
    pub pci_device_id: String,
    /// `total` of `nvmlDeviceGetMemoryInfo`.
    pub memory_total_bytes: u64,
    /// Whether MIG is on, by `nvmlDeviceGetMigMode`; null where the GPU has none.
    pub mig_enabled: Option<bool>,
    /// GPU instance profiles, by enumerator.
    pub profiles: Vec<ProfileAnswer>,
    /// Return codes of the enumerators that name no profile.
    pub refused: BTreeMap<u32, u32>,
    /// GPU instances, by profile and in the order of the list.
    pub instances: Vec<InstanceAnswer>,
}

/// `nvmlGpuInstanceProfileInfo_t` in the newest form that the driver knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProfileAnswer {
    /// What was asked for, of `NVML_GPU_INSTANCE_PROFILE_*`.
    pub enumerator: u32,
    /// Its id.
    pub id: u32,
    /// Its name, with the leading `MIG ` of newer drivers; null in the oldest form.
    pub name: Option<String>,
    /// `sliceCount`.
    pub slice_count: u32,
    /// `instanceCount`.
    pub instance_count: u32,
    /// `multiprocessorCount`.
    pub multiprocessor_count: u32,
    /// Copy engines, decoders, encoders, JPEG and optical flow engines.
    pub engines: [u32; 5],
    /// `memorySizeMB`, which counts MiB.
    pub memory_size_mib: u64,
    /// Places in the driver's order, as start and size.
    pub placements: Vec<[u32; 2]>,
}

/// `nvmlGpuInstanceInfo_t`, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstanceAnswer {
    /// Its id.
    pub id: u32,
    /// Id of its profile.
    pub profile: u32,
    /// Its place, as start and size.
    pub placement: [u32; 2],
    /// Compute instance profiles that it can hold: id, slices, most instances.
    pub compute_profiles: Vec<[u32; 3]>,
    /// Its compute instances.
    pub compute: Vec<ComputeAnswer>,
}

/// `nvmlComputeInstanceInfo_t`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComputeAnswer {
    /// Its id.
    pub id: u32,
    /// Id of its profile.
    pub profile: u32,
    /// UUID of its MIG device.
    pub uuid: String,
}
