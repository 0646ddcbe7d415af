//! NVML's structures for instances and attributes, with the layout of nvml.h. Owns their filling
//! from the model. A test compares each size with nvml-wrapper-sys.

use super::call::GiView;
use super::handle::Handle;
use super::pointer::{Version, version_of};
use crate::model::profile::{CiProfile, GiProfile};
use crate::model::status::Status;

/// `NVML_GPU_INSTANCE_PROFILE_CAPS_GFX`.
const GRAPHICS: u32 = 2;

/// Room for a profile's name.
pub type ProfileName = [u8; 96];

/// `nvmlGpuInstancePlacement_t` and `nvmlComputeInstancePlacement_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    pub start: u32,
    pub size: u32,
}

/// `nvmlDeviceAttributes_t`.
#[repr(C)]
pub struct Attributes {
    pub multiprocessors: u32,
    pub copy_engines: u32,
    pub decoders: u32,
    pub encoders: u32,
    pub jpegs: u32,
    pub ofas: u32,
    pub gi_slices: u32,
    pub ci_slices: u32,
    pub memory_mib: u64,
}

/// `nvmlGpuInstanceInfo_t`.
#[repr(C)]
pub struct GiInfo {
    pub device: Handle,
    pub id: u32,
    pub profile: u32,
    pub placement: Placement,
}

/// `nvmlComputeInstanceInfo_t`.
#[repr(C)]
pub struct CiInfo {
    pub device: Handle,
    pub gpu_instance: Handle,
    pub id: u32,
    pub profile: u32,
    pub placement: Placement,
}

/// What all versions of a GPU-instance profile have behind their heads.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GiFigures {
    slices: u32,
    instances: u32,
    multiprocessors: u32,
    copy: u32,
    decoder: u32,
    encoder: u32,
    jpeg: u32,
    ofa: u32,
}

impl GiFigures {
    fn of(profile: &GiProfile) -> Self {
        Self {
            slices: profile.slices,
            instances: profile.max_count,
            multiprocessors: profile.multiprocessors,
            copy: profile.engines.copy,
            decoder: profile.engines.decoder,
            encoder: profile.engines.encoder,
            jpeg: profile.engines.jpeg,
            ofa: profile.engines.ofa,
        }
    }
}

/// `nvmlGpuInstanceProfileInfo_t`.
#[repr(C)]
pub struct GiProfileV1 {
    id: u32,
    p2p: u32,
    figures: GiFigures,
    memory_mib: u64,
}

impl GiProfileV1 {
    /// Describes `profile`, to which this driver gives so much memory.
    pub fn of(profile: &GiProfile, memory_mib: u64) -> Self {
        let figures = GiFigures::of(profile);
        Self {
            id: profile.id,
            p2p: 0,
            figures,
            memory_mib,
        }
    }
}

/// `nvmlGpuInstanceProfileInfo_v2_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GiProfileV2 {
    version: u32,
    id: u32,
    p2p: u32,
    figures: GiFigures,
    memory_mib: u64,
    name: ProfileName,
}

impl Version for GiProfileV2 {
    const NUMBER: u32 = 2;
}

impl GiProfileV2 {
    /// Describes `profile`, to which this driver gives so much memory.
    pub fn of(profile: &GiProfile, memory_mib: u64, name: ProfileName) -> Self {
        Self {
            version: version_of::<Self>(),
            id: profile.id,
            p2p: 0,
            figures: GiFigures::of(profile),
            memory_mib,
            name,
        }
    }
}

/// `nvmlGpuInstanceProfileInfo_v3_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GiProfileV3 {
    version: u32,
    id: u32,
    figures: GiFigures,
    memory_mib: u64,
    name: ProfileName,
    capabilities: u32,
}

impl Version for GiProfileV3 {
    const NUMBER: u32 = 3;
}

impl GiProfileV3 {
    /// Describes `profile`: no P2P on the products here, graphics where the profile has it.
    pub fn of(profile: &GiProfile, memory_mib: u64, name: ProfileName) -> Self {
        Self {
            version: version_of::<Self>(),
            id: profile.id,
            figures: GiFigures::of(profile),
            memory_mib,
            name,
            capabilities: if profile.graphics() { GRAPHICS } else { 0 },
        }
    }
}

/// `nvmlComputeInstanceProfileInfo_t`, and what its successors have behind `version`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CiProfileV1 {
    id: u32,
    slices: u32,
    instances: u32,
    multiprocessors: u32,
    copy: u32,
    decoder: u32,
    encoder: u32,
    jpeg: u32,
    ofa: u32,
}

impl CiProfileV1 {
    /// Describes `profile` inside a GPU instance.
    pub fn of(found: &GiView, profile: &CiProfile) -> Result<Self, Status> {
        let product = found.view.product;
        let gi = found.gi()?.profile(product).ok_or(Status::Unknown)?;
        Ok(Self {
            id: profile.id,
            slices: profile.slices,
            instances: u32::try_from(profile.starts(gi.slices).len()).unwrap_or(u32::MAX),
            multiprocessors: profile.multiprocessors(gi, product.multiprocessors_per_slice),
            copy: gi.engines.copy,
            decoder: gi.engines.decoder,
            encoder: gi.engines.encoder,
            jpeg: gi.engines.jpeg,
            ofa: gi.engines.ofa,
        })
    }
}

/// `nvmlComputeInstanceProfileInfo_v2_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CiProfileV2 {
    version: u32,
    figures: CiProfileV1,
    name: ProfileName,
}

impl Version for CiProfileV2 {
    const NUMBER: u32 = 2;
}

impl CiProfileV2 {
    /// Describes `profile` inside a GPU instance.
    pub fn of(found: &GiView, profile: &CiProfile, name: ProfileName) -> Result<Self, Status> {
        let figures = CiProfileV1::of(found, profile)?;
        Ok(Self {
            version: version_of::<Self>(),
            figures,
            name,
        })
    }
}

/// `nvmlComputeInstanceProfileInfo_v3_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CiProfileV3 {
    version: u32,
    figures: CiProfileV1,
    name: ProfileName,
    capabilities: u32,
}

impl Version for CiProfileV3 {
    const NUMBER: u32 = 3;
}

impl CiProfileV3 {
    /// Describes `profile` inside a GPU instance.
    pub fn of(found: &GiView, profile: &CiProfile, name: ProfileName) -> Result<Self, Status> {
        let figures = CiProfileV1::of(found, profile)?;
        Ok(Self {
            version: version_of::<Self>(),
            figures,
            name,
            capabilities: 0,
        })
    }
}
