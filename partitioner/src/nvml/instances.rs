//! GPU and compute instances that exist, with the minors of their capability nodes.

use std::collections::BTreeMap;

use kerf_types::{
    CiId, ComputeInstance, DeviceMinor, GiId, GpuInstance, MigUuid, Profile, ProfileId,
};
use nvml_wrapper::Device;

use super::error::{NvmlError, ReturnCode, called};
use super::ffi::{self, ComputeProfile, InstanceHandle, InstanceInfo, InstanceProfile};
use crate::sysfs::capabilities::{Capability, CapabilityTable};

/// Compute instance profiles by GPU instance profile: instances of one profile have the same ones, and
/// asking costs 32 calls.
pub type ComputeProfiles = BTreeMap<u32, Vec<ComputeProfile>>;

/// A GPU instance that exists.
#[derive(Debug)]
pub struct FoundInstance<'n> {
    /// What it is and where it lies.
    pub info: InstanceInfo,
    /// Its compute instances, by id.
    pub compute: Vec<FoundCompute<'n>>,
}

/// A compute instance that exists.
#[derive(Debug)]
pub struct FoundCompute<'n> {
    /// Its id in the GPU instance.
    pub id: CiId,
    /// Its profile.
    pub profile: ProfileId,
    /// UUID of its MIG device.
    pub uuid: MigUuid,
    /// Its MIG device.
    pub device: Device<'n>,
}

/// Every GPU instance with its compute instances, by id. Goes through the profiles and never through the
/// MIG device indices: under load the latter was measured to take seconds.
pub fn walk<'n>(
    device: &Device<'n>,
    profiles: &[InstanceProfile],
    known: &mut ComputeProfiles,
) -> Result<Vec<FoundInstance<'n>>, NvmlError> {
    let mut found = BTreeMap::new();
    for profile in profiles {
        for handle in ffi::instances(device, profile.id, profile.max_count)? {
            // Another process may destroy it between the list and the question.
            if let Some(info) = if_there(handle.info())? {
                let compute = walk_compute(&handle, info.profile, known)?;
                found.insert(info.id, FoundInstance { info, compute });
            }
        }
    }
    Ok(found.into_values().collect())
}

fn walk_compute<'n>(
    instance: &InstanceHandle<'n>,
    profile: u32,
    known: &mut ComputeProfiles,
) -> Result<Vec<FoundCompute<'n>>, NvmlError> {
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
            let Some(uuid) = if_there(mig_uuid(&info.mig_device))? else {
                continue;
            };
            let compute = FoundCompute {
                id: CiId(info.id),
                profile: ProfileId(info.profile),
                uuid,
                device: info.mig_device,
            };
            found.insert(info.id, compute);
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

/// Instances in kerf's words, with the minors of their nodes on the GPU of this minor.
pub fn described(
    found: &[FoundInstance<'_>],
    minor: DeviceMinor,
    capabilities: &CapabilityTable,
) -> Vec<GpuInstance> {
    let describe = |instance: &FoundInstance<'_>| {
        let gi = GiId(instance.info.id);
        let compute = instance.compute.iter().map(|ci| ComputeInstance {
            id: ci.id,
            profile: ci.profile,
            uuid: ci.uuid.clone(),
            capability_minor: capabilities.minor(Capability::Ci(minor, gi, ci.id)),
        });
        GpuInstance {
            id: gi,
            profile: ProfileId(instance.info.profile),
            placement: instance.info.placement,
            capability_minor: capabilities.minor(Capability::Gi(minor, gi)),
            compute: compute.collect(),
        }
    };
    found.iter().map(describe).collect()
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
