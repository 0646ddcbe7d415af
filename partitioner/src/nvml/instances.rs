//! GPU and compute instances that exist, with the minors of their capability nodes.

use std::collections::BTreeMap;

use kerf_types::{
    CiId, ComputeInstance, DeviceMinor, GiId, GpuInstance, MigUuid, Profile, ProfileId,
};
use nvml_wrapper::Device;

use super::error::{NvmlError, called};
use super::ffi::{
    self, ComputeHandle, ComputeProfile, InstanceHandle, InstanceInfo, InstanceProfile,
};
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
        let listed = ffi::instances(device, profile.id, profile.max_count)?;
        for instance in described_of(device, profile, listed, known)? {
            found.insert(instance.info.id, instance);
        }
    }
    Ok(found.into_values().collect())
}

/// Those of the listed instances of `profile` that still live.
fn described_of<'n>(
    device: &Device<'n>,
    profile: &InstanceProfile,
    listed: Vec<InstanceHandle<'n>>,
    known: &mut ComputeProfiles,
) -> Result<Vec<FoundInstance<'n>>, NvmlError> {
    let mut found = Vec::new();
    for handle in listed {
        let answer = handle.info().and_then(|info| {
            let compute = walk_compute(&handle, info.profile, known)?;
            Ok(FoundInstance { info, compute })
        });
        found.extend(unless_gone(answer, || is_listed(device, profile, &handle))?);
    }
    Ok(found)
}

/// GPU instances that exist, with the handles to work on them.
pub fn existing<'n>(
    device: &Device<'n>,
    profiles: &[InstanceProfile],
) -> Result<Vec<(InstanceInfo, InstanceHandle<'n>)>, NvmlError> {
    let mut existing = Vec::new();
    for profile in profiles {
        for handle in ffi::instances(device, profile.id, profile.max_count)? {
            let info = unless_gone(handle.info(), || is_listed(device, profile, &handle))?;
            existing.extend(info.map(|info| (info, handle)));
        }
    }
    Ok(existing)
}

fn is_listed(
    device: &Device<'_>,
    profile: &InstanceProfile,
    handle: &InstanceHandle<'_>,
) -> Result<bool, NvmlError> {
    let now = ffi::instances(device, profile.id, profile.max_count)?;
    Ok(now.iter().any(|listed| listed.is_same(handle)))
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
        for handle in instance.compute_instances(profile)? {
            let is_listed = || {
                let now = instance.compute_instances(profile)?;
                Ok(now.iter().any(|listed| listed.is_same(&handle)))
            };
            if let Some(compute) = unless_gone(described_compute(&handle), is_listed)? {
                found.insert(compute.id, compute);
            }
        }
    }
    Ok(found.into_values().collect())
}

fn described_compute<'n>(handle: &ComputeHandle<'n>) -> Result<FoundCompute<'n>, NvmlError> {
    let info = handle.info()?;
    Ok(FoundCompute {
        id: CiId(info.id),
        profile: ProfileId(info.profile),
        uuid: mig_uuid(&info.mig_device)?,
        device: info.mig_device,
    })
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

/// What was asked of an instance; `None` where another process has destroyed it meanwhile. A driver says
/// so only by refusing the handle, which it may do for other reasons too, and an instance that is left out
/// counts as a free place: so it is gone only when the driver no longer lists it either.
pub fn unless_gone<T>(
    answer: Result<T, NvmlError>,
    is_listed: impl FnOnce() -> Result<bool, NvmlError>,
) -> Result<Option<T>, NvmlError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.refuses_handle() && !is_listed()? => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
