//! GPU and compute instances that exist, with the minors of their capability nodes.

use std::collections::BTreeMap;

use kerf_types::{
    CiId, ComputeInstance, DeviceMinor, GiId, GpuInstance, MigUuid, Profile, ProfileId,
};
use nvml_wrapper::Device;

use super::error::{NvmlError, ReturnCode, called};
use super::ffi::{self, ComputeProfile, InstanceHandle, InstanceProfile};
use crate::sysfs::capabilities::{Capability, CapabilityTable};

/// Compute instance profiles by GPU instance profile: instances of one profile have the same ones, and
/// asking costs 32 calls.
pub type ComputeProfiles = BTreeMap<u32, Vec<ComputeProfile>>;

/// Every GPU instance, by id.
pub fn instances(
    device: &Device<'_>,
    profiles: &[InstanceProfile],
    minor: DeviceMinor,
    capabilities: &CapabilityTable,
) -> Result<(Vec<GpuInstance>, ComputeProfiles), NvmlError> {
    let mut known = ComputeProfiles::new();
    let mut found = BTreeMap::new();
    for profile in profiles {
        for handle in ffi::instances(device, profile.id, profile.max_count)? {
            // Another process may destroy it between the list and the question.
            let Some(info) = if_there(handle.info())? else {
                continue;
            };
            let gi = GiId(info.id);
            let compute = compute_instances(&handle, info.profile, &mut known)?;
            let instance = GpuInstance {
                id: gi,
                profile: ProfileId(info.profile),
                placement: info.placement,
                capability_minor: capabilities.minor(Capability::Gi(minor, gi)),
                compute: compute
                    .into_iter()
                    .map(|ci| ComputeInstance {
                        capability_minor: capabilities.minor(Capability::Ci(minor, gi, ci.id)),
                        ..ci
                    })
                    .collect(),
            };
            found.insert(gi, instance);
        }
    }
    Ok((found.into_values().collect(), known))
}

/// Compute instances of one GPU instance, by id, without the minors of their nodes.
fn compute_instances(
    instance: &InstanceHandle<'_>,
    profile: u32,
    known: &mut ComputeProfiles,
) -> Result<Vec<ComputeInstance>, NvmlError> {
    let profiles = match known.get(&profile) {
        Some(profiles) => profiles,
        None => {
            let profiles = instance.compute_profiles()?;
            known.entry(profile).or_insert(profiles)
        }
    };
    let mut found = BTreeMap::new();
    for profile in profiles {
        for handle in if_there(instance.compute_instances(profile))?.unwrap_or_default() {
            let Some(info) = if_there(handle.info())? else {
                continue;
            };
            if let Some(uuid) = if_there(mig_uuid(&info.mig_device))? {
                let (id, profile) = (CiId(info.id), ProfileId(info.profile));
                let ci = ComputeInstance {
                    id,
                    profile,
                    uuid,
                    capability_minor: None,
                };
                found.insert(id, ci);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// The UUID of a MIG device.
pub fn mig_uuid(mig_device: &Device<'_>) -> Result<MigUuid, NvmlError> {
    let call = "nvmlDeviceGetUUID";
    let uuid = called(call, mig_device.uuid())?;
    uuid.parse()
        .map_err(|cause| NvmlError::Answer { call, cause })
}

/// The compute instance profile that fills a GPU instance of so many slices: the first of that size.
pub fn filling(profiles: &[ComputeProfile], slices: u32) -> Option<&ComputeProfile> {
    profiles.iter().find(|profile| profile.slices == slices)
}

/// Takes the filling compute profile from live instances where there are some: better than the number
/// that nvml.h gives it.
pub fn learn_full_compute(profiles: &mut [Profile], known: &ComputeProfiles) {
    for profile in profiles {
        let live = known
            .get(&profile.id.0)
            .and_then(|live| filling(live, profile.slices));
        if let Some(live) = live {
            profile.full_compute_profile = Some(ProfileId(live.id));
        }
    }
}

/// `None` for an instance that has gone meanwhile.
pub fn if_there<T>(answer: Result<T, NvmlError>) -> Result<Option<T>, NvmlError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == Some(ReturnCode::NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}
