//! What the library answers about MIG, as it answers it: for recordings, from which others learn what a
//! driver says without having the machine.
//!
//! Goes through the same calls as [`super::observe`] and judges nothing. Any failure ends it: half a
//! recording would be taken for the whole.

use std::collections::BTreeMap;

use kerf_api::json::{
    ComputeAnswer, GpuAnswers, InstanceAnswer, NvmlAnswers, NvmlAnswersSchema, ProfileAnswer,
};
use kerf_types::{MigMode, Placement};
use nvml_wrapper::{Device, Nvml};

use super::error::{NvmlError, called};
use super::ffi::{self, InstanceHandle, InstanceProfile};
use super::{identity, instances, observe};

/// Everything about every GPU.
pub fn answers(nvml: &Nvml) -> Result<NvmlAnswers, NvmlError> {
    let driver = observe::driver(nvml)?;
    let gpus = 0..observe::gpu_count(nvml)?;
    Ok(NvmlAnswers {
        schema: NvmlAnswersSchema::V1,
        driver_version: driver.version,
        nvml_version: driver.nvml_version,
        gpus: gpus
            .map(|index| gpu(nvml, index))
            .collect::<Result<_, _>>()?,
    })
}

fn gpu(nvml: &Nvml, index: u32) -> Result<GpuAnswers, NvmlError> {
    let device = observe::GpuAccess::Index(index).device(nvml)?;
    let identity = identity::identity(&device)?;
    let mode = observe::mig_mode(&device)?;
    let mut refused = BTreeMap::new();
    let known = match mode {
        MigMode::Unsupported => Vec::new(),
        _ => ffi::instance_profiles_and_refusals(&device, &mut refused)?,
    };
    let mut found = Vec::new();
    if mode.is_on() {
        for (info, handle) in instances::existing(&device, &known)? {
            found.push(instance(info.id, info.profile, info.placement, &handle)?);
        }
    }
    Ok(GpuAnswers {
        index,
        name: identity.name,
        pci_device_id: format!("{:08x}", identity.pci_device_id),
        memory_total_bytes: called("nvmlDeviceGetMemoryInfo_v2", device.memory_info())?.total,
        mig_enabled: (mode != MigMode::Unsupported).then_some(mode.is_on()),
        profiles: known
            .into_iter()
            .map(|known| profile(&device, known))
            .collect::<Result<_, _>>()?,
        refused: refused
            .into_iter()
            .map(|(enumerator, code)| (enumerator, code.0))
            .collect(),
        instances: found,
    })
}

fn profile(device: &Device<'_>, known: InstanceProfile) -> Result<ProfileAnswer, NvmlError> {
    let places = ffi::placements(device, known.id)?;
    Ok(ProfileAnswer {
        enumerator: known.enumerator,
        id: known.id,
        name: known.name,
        slice_count: known.slices,
        instance_count: known.max_count,
        multiprocessor_count: known.sm_count,
        engines: known.engines,
        memory_size_mib: known.memory_mib,
        placements: places.into_iter().map(place).collect(),
    })
}

fn instance(
    id: u32,
    profile: u32,
    placement: Placement,
    handle: &InstanceHandle<'_>,
) -> Result<InstanceAnswer, NvmlError> {
    let profiles = handle.compute_profiles()?;
    let mut compute = Vec::new();
    for profile in &profiles {
        for handle in handle.compute_instances(profile)? {
            let info = handle.info()?;
            compute.push(ComputeAnswer {
                id: info.id,
                profile: info.profile,
                uuid: instances::mig_uuid(&info.mig_device)?.to_string(),
            });
        }
    }
    Ok(InstanceAnswer {
        id,
        profile,
        placement: place(placement),
        compute_profiles: profiles
            .iter()
            .map(|profile| [profile.id, profile.slices, profile.max_count])
            .collect(),
        compute,
    })
}

fn place(placement: Placement) -> [u32; 2] {
    [placement.start.into(), placement.size.into()]
}
