//! GPU and compute instances that exist, with the minors of their capability nodes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use kerf_types::{
    CiId, ComputeInstance, DeviceMinor, GiId, GpuInstance, MigUuid, Placement, Profile, ProfileId,
};
use nvml_wrapper::Device;

use super::error::{NvmlError, called, optional};
use super::ffi::{
    self, ComputeHandle, ComputeProfile, InstanceHandle, InstanceInfo, InstanceProfile,
};
use super::profiles::{engines, full_compute_profile};
use crate::sysfs::capabilities::{Capability, CapabilityTable};

/// Compute instance profiles by GPU instance profile: instances of one profile have the same ones, and
/// asking costs 32 calls.
pub type ComputeProfiles = BTreeMap<u32, Vec<ComputeProfile>>;

/// The same with their places, in kerf's words.
pub type ToldCompute = BTreeMap<u32, Vec<kerf_types::ComputeProfile>>;

/// A GPU instance that exists.
#[derive(Debug)]
pub struct FoundInstance<'n> {
    /// What it is and where it lies.
    pub info: InstanceInfo,
    /// The handle to ask it more.
    pub handle: InstanceHandle<'n>,
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
    /// Its place in the GPU instance; `None` for the one that fills it.
    pub placement: Option<Placement>,
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
            let compute = walk_compute(&handle, profile.slices, info.profile, known)?;
            Ok((info, compute))
        });
        let answer = unless_gone(answer, || is_listed(device, profile, &handle))?;
        found.extend(answer.map(|(info, compute)| FoundInstance {
            info,
            handle,
            compute,
        }));
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
    slices: u32,
    profile: u32,
    known: &mut ComputeProfiles,
) -> Result<Vec<FoundCompute<'n>>, NvmlError> {
    let profiles = offered(instance, profile, known)?;
    let mut found = BTreeMap::new();
    for profile in profiles {
        for handle in instance.compute_instances(profile)? {
            let is_listed = || {
                let now = instance.compute_instances(profile)?;
                Ok(now.iter().any(|listed| listed.is_same(&handle)))
            };
            if let Some(compute) =
                unless_gone(described_compute(&handle, profile, slices), is_listed)?
            {
                found.insert(compute.id, compute);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// What an instance of this profile can hold; asked once.
pub fn offered<'k>(
    instance: &InstanceHandle<'_>,
    profile: u32,
    known: &'k mut ComputeProfiles,
) -> Result<&'k [ComputeProfile], NvmlError> {
    Ok(match known.entry(profile) {
        Entry::Occupied(profiles) => profiles.into_mut(),
        Entry::Vacant(free) => free.insert(instance.compute_profiles()?),
    })
}

/// A compute instance of `profile` in a GPU instance of so many slices.
fn described_compute<'n>(
    handle: &ComputeHandle<'n>,
    profile: &ComputeProfile,
    slices: u32,
) -> Result<FoundCompute<'n>, NvmlError> {
    let info = handle.info()?;
    Ok(FoundCompute {
        id: CiId(info.id),
        profile: ProfileId(info.profile),
        placement: part_place(&info, profile.slices == slices)?,
        uuid: mig_uuid(&info.mig_device)?,
        device: info.mig_device,
    })
}

/// The place of a compute instance in its GPU instance; one that fills it has none but that.
pub fn part_place(
    info: &ffi::ComputeInfo<'_>,
    fills: bool,
) -> Result<Option<Placement>, NvmlError> {
    if fills {
        return Ok(None);
    }
    let (start, size) = info.place;
    let call = "nvmlComputeInstanceGetInfo_v2";
    Placement::try_new(start, size)
        .map(Some)
        .map_err(|cause| NvmlError::Answer { call, cause })
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
            placement: ci.placement,
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

/// Takes the compute profiles from live instances where there are some: better than what is assumed of
/// those that are not, the number that nvml.h gives to the filling one included. What was told is not asked again.
pub fn learn_compute(
    profiles: &mut [Profile],
    known: &ComputeProfiles,
    told: &mut ToldCompute,
    found: &[FoundInstance<'_>],
) -> Result<(), NvmlError> {
    for profile in profiles {
        profile.full_compute_profile = full_compute_profile(profile.slices);
        profile.compute.clear();
        let of_profile = |one: &&FoundInstance<'_>| one.info.profile == profile.id.0;
        let live = found.iter().find(of_profile);
        let (Some(instance), Some(offered)) = (live, known.get(&profile.id.0)) else {
            continue;
        };
        if let Some(filling) = filling(offered, profile.slices) {
            profile.full_compute_profile = Some(ProfileId(filling.id));
        }
        // An older driver does not tell places, and an instance may go meanwhile: the assumption stands then.
        profile.compute = match told.get(&profile.id.0) {
            Some(told) => told.clone(),
            None => optional(told_compute(&instance.handle, offered))?.unwrap_or_default(),
        };
        if !profile.compute.is_empty() {
            told.insert(profile.id.0, profile.compute.clone());
        }
    }
    Ok(())
}

fn told_compute(
    instance: &InstanceHandle<'_>,
    profiles: &[ComputeProfile],
) -> Result<Vec<kerf_types::ComputeProfile>, NvmlError> {
    let mut told: Vec<kerf_types::ComputeProfile> = Vec::new();
    for profile in profiles {
        let slices = u8::try_from(profile.slices).unwrap_or(u8::MAX);
        // Of two profiles of one size (with and without an engine, say) the first is the plain one. One without
        // slices, or with another's id, is an answer that a driver left empty.
        let id = ProfileId(profile.id);
        if slices == 0
            || told
                .iter()
                .any(|known| known.slices == slices || known.id == id)
        {
            continue;
        }
        let mut placements = instance.compute_placements(profile.id)?;
        placements.sort_unstable();
        placements.dedup();
        told.push(kerf_types::ComputeProfile {
            id,
            slices,
            max_count: profile.max_count,
            sm_count: Some(profile.sm_count),
            engines: engines(profile.engines),
            placements,
        });
    }
    Ok(told)
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
