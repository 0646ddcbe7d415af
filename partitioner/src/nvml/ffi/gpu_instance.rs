//! GPU instances: where they may lie, and making, listing and destroying them.

use std::ptr;

use kerf_types::Placement;
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings as sys;

use super::profile::ComputeProfile;
use super::{
    ARRAY_LIMIT, ComputeHandle, NvmlError, PROFILE_ENUMERATORS, ReturnCode, check, is_absent, list,
    symbol,
};

/// A GPU instance that the driver has named to us. It is used and dropped within one request, so it
/// cannot outlive a change that we make; one that another process destroys meanwhile makes the driver
/// answer NOT_FOUND or INVALID_ARGUMENT, since it checks handles against its own table.
#[derive(Debug)]
pub struct InstanceHandle<'n> {
    handle: sys::nvmlGpuInstance_t,
    nvml: &'n Nvml,
}

/// What the driver says of a GPU instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceInfo {
    /// Its id.
    pub id: u32,
    /// Id of its profile.
    pub profile: u32,
    /// Where it lies.
    pub placement: Placement,
}

/// Every legal place of a profile.
pub fn placements(device: &Device<'_>, profile: u32) -> Result<Vec<Placement>, NvmlError> {
    const CALL: &str = "nvmlDeviceGetGpuInstancePossiblePlacements_v2";
    let function = symbol(
        &device
            .nvml()
            .lib()
            .nvmlDeviceGetGpuInstancePossiblePlacements_v2,
        CALL,
    )?;
    let mut count = 0;
    // SAFETY: the function belongs to the library that `device` came from. With a null array it writes
    // nothing but the number of places to `count`, which outlives the call.
    let code = unsafe { function(device.handle(), profile, ptr::null_mut(), &raw mut count) };
    let Some(count) = counted(CALL, code, count)? else {
        return Ok(Vec::new());
    };
    let empty = sys::nvmlGpuInstancePlacement_t { start: 0, size: 0 };
    let raw = list(CALL, count, empty, |array, count| {
        // SAFETY: as above; `array` has room for `count` places, and the function writes at most that
        // many (nvml.h: `count` holds the size of the array on the way in).
        unsafe { function(device.handle(), profile, array, count) }
    })?;
    raw.iter()
        .map(|place| read_placement(CALL, place.start, place.size))
        .collect()
}

/// The number of places that a call without an array told; `None` for none. A driver may say that there was no
/// room for them, which was what it was asked.
fn counted(
    call: &'static str,
    code: sys::nvmlReturn_t,
    count: u32,
) -> Result<Option<u32>, NvmlError> {
    match check(call, code) {
        Err(error) if error.code() != Some(ReturnCode::INSUFFICIENT_SIZE) => return Err(error),
        _ => {}
    }
    if count > ARRAY_LIMIT {
        let limit = ARRAY_LIMIT;
        return Err(NvmlError::Count { call, count, limit });
    }
    Ok((count > 0).then_some(count))
}

fn read_placement(call: &'static str, start: u32, size: u32) -> Result<Placement, NvmlError> {
    Placement::try_new(start, size).map_err(|cause| NvmlError::Answer { call, cause })
}

/// Instances of one profile, of which there can be at most `max_count`.
pub fn instances<'n>(
    device: &Device<'n>,
    profile: u32,
    max_count: u32,
) -> Result<Vec<InstanceHandle<'n>>, NvmlError> {
    const CALL: &str = "nvmlDeviceGetGpuInstances";
    let function = symbol(&device.nvml().lib().nvmlDeviceGetGpuInstances, CALL)?;
    if max_count > ARRAY_LIMIT {
        return Err(NvmlError::Count {
            call: CALL,
            count: max_count,
            limit: ARRAY_LIMIT,
        });
    }
    // The array is made for far more than `max_count`: the driver is not told its size by every
    // version, and writes as many entries as there are instances.
    let handles = list(CALL, ARRAY_LIMIT, ptr::null_mut(), |array, count| {
        // SAFETY: the function belongs to the library that `device` came from. nvml.h asks for an array
        // of `instanceCount` entries, which is `max_count`; `array` has ARRAY_LIMIT, checked to be as
        // many or more. Array and `count` outlive the call.
        unsafe { function(device.handle(), profile, array, count) }
    })?;
    Ok(handles
        .into_iter()
        .map(|handle| InstanceHandle {
            handle,
            nvml: device.nvml(),
        })
        .collect())
}

/// The instance with this id; `None` where there is none.
pub fn instance<'n>(device: &Device<'n>, id: u32) -> Result<Option<InstanceHandle<'n>>, NvmlError> {
    const CALL: &str = "nvmlDeviceGetGpuInstanceById";
    let function = symbol(&device.nvml().lib().nvmlDeviceGetGpuInstanceById, CALL)?;
    let mut handle = ptr::null_mut();
    // SAFETY: the function belongs to the library that `device` came from and writes one handle to
    // `handle`, which outlives the call.
    let code = unsafe { function(device.handle(), id, &raw mut handle) };
    match check(CALL, code) {
        Ok(()) => Ok(Some(InstanceHandle {
            handle,
            nvml: device.nvml(),
        })),
        Err(error) if error.code() == Some(ReturnCode::NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes an instance at this very place.
pub fn create_instance<'n>(
    device: &Device<'n>,
    profile: u32,
    placement: Placement,
) -> Result<InstanceHandle<'n>, NvmlError> {
    const CALL: &str = "nvmlDeviceCreateGpuInstanceWithPlacement";
    let function = symbol(
        &device.nvml().lib().nvmlDeviceCreateGpuInstanceWithPlacement,
        CALL,
    )?;
    let place = sys::nvmlGpuInstancePlacement_t {
        start: placement.start.into(),
        size: placement.size.into(),
    };
    let mut handle = ptr::null_mut();
    // SAFETY: the function belongs to the library that `device` came from, reads one place and writes
    // one handle; both outlive the call.
    let code = unsafe { function(device.handle(), profile, &raw const place, &raw mut handle) };
    check(CALL, code)?;
    Ok(InstanceHandle {
        handle,
        nvml: device.nvml(),
    })
}

impl<'n> InstanceHandle<'n> {
    /// Whether both name one life of one instance.
    pub fn is_same(&self, other: &Self) -> bool {
        self.handle == other.handle
    }

    /// What it is and where it lies.
    pub fn info(&self) -> Result<InstanceInfo, NvmlError> {
        const CALL: &str = "nvmlGpuInstanceGetInfo";
        let function = symbol(&self.nvml.lib().nvmlGpuInstanceGetInfo, CALL)?;
        let mut info = sys::nvmlGpuInstanceInfo_t {
            device: ptr::null_mut(),
            id: 0,
            profileId: 0,
            placement: sys::nvmlGpuInstancePlacement_t { start: 0, size: 0 },
        };
        // SAFETY: the handle came from this library and was not destroyed through us, since destroying
        // takes it; the function writes one structure, which outlives the call.
        let code = unsafe { function(self.handle, &raw mut info) };
        check(CALL, code)?;
        let placement = read_placement(CALL, info.placement.start, info.placement.size)?;
        Ok(InstanceInfo {
            id: info.id,
            profile: info.profileId,
            placement,
        })
    }

    /// Destroys it. It must have no compute instance.
    pub fn destroy(self) -> Result<(), NvmlError> {
        const CALL: &str = "nvmlGpuInstanceDestroy";
        let function = symbol(&self.nvml.lib().nvmlGpuInstanceDestroy, CALL)?;
        // SAFETY: as in `info`; `self` is taken, so this was the handle's last use.
        check(CALL, unsafe { function(self.handle) })
    }

    /// Compute instance profiles that it can hold, of which there is always one at least.
    ///
    /// An instance that dies meanwhile answers as a profile does that it cannot hold. So it must still
    /// answer at the end: a list cut short would hide compute instances of every instance of its profile.
    pub fn compute_profiles(&self) -> Result<Vec<ComputeProfile>, NvmlError> {
        let mut profiles = Vec::new();
        for enumerator in PROFILE_ENUMERATORS {
            match self.compute_profile(enumerator) {
                Ok(profile) => profiles.push(profile),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.info()?;
        if profiles.is_empty() {
            let call = "nvmlGpuInstanceGetComputeInstanceProfileInfo";
            return Err(NvmlError::NoProfiles { call });
        }
        Ok(profiles)
    }

    /// The first form of the question tells all that is needed, and every driver with MIG knows it.
    fn compute_profile(&self, enumerator: u32) -> Result<ComputeProfile, NvmlError> {
        const CALL: &str = "nvmlGpuInstanceGetComputeInstanceProfileInfo";
        let function = symbol(
            &self.nvml.lib().nvmlGpuInstanceGetComputeInstanceProfileInfo,
            CALL,
        )?;
        let mut info = sys::nvmlComputeInstanceProfileInfo_t {
            id: 0,
            sliceCount: 0,
            instanceCount: 0,
            multiprocessorCount: 0,
            sharedCopyEngineCount: 0,
            sharedDecoderCount: 0,
            sharedEncoderCount: 0,
            sharedJpegCount: 0,
            sharedOfaCount: 0,
        };
        let engines = sys::NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED;
        // SAFETY: as in `info`; the structure has no `version`, its size is asserted in `profile`.
        let code = unsafe { function(self.handle, enumerator, engines, &raw mut info) };
        check(CALL, code)?;
        Ok(ComputeProfile {
            id: info.id,
            slices: info.sliceCount,
            max_count: info.instanceCount,
            sm_count: info.multiprocessorCount,
            engines: [
                info.sharedCopyEngineCount,
                info.sharedDecoderCount,
                info.sharedEncoderCount,
                info.sharedJpegCount,
                info.sharedOfaCount,
            ],
        })
    }

    /// Its compute instances of one profile.
    pub fn compute_instances(
        &self,
        profile: &ComputeProfile,
    ) -> Result<Vec<ComputeHandle<'n>>, NvmlError> {
        const CALL: &str = "nvmlGpuInstanceGetComputeInstances";
        let function = symbol(&self.nvml.lib().nvmlGpuInstanceGetComputeInstances, CALL)?;
        if profile.max_count > ARRAY_LIMIT {
            return Err(NvmlError::Count {
                call: CALL,
                count: profile.max_count,
                limit: ARRAY_LIMIT,
            });
        }
        let handles = list(CALL, ARRAY_LIMIT, ptr::null_mut(), |array, count| {
            // SAFETY: as in `instances`, for the profile's `instanceCount`.
            unsafe { function(self.handle, profile.id, array, count) }
        })?;
        Ok(handles
            .into_iter()
            .map(|handle| ComputeHandle::new(handle, self.nvml))
            .collect())
    }

    /// The compute instance with this id; `None` where there is none.
    pub fn compute_instance(&self, id: u32) -> Result<Option<ComputeHandle<'n>>, NvmlError> {
        const CALL: &str = "nvmlGpuInstanceGetComputeInstanceById";
        let function = symbol(&self.nvml.lib().nvmlGpuInstanceGetComputeInstanceById, CALL)?;
        let mut handle = ptr::null_mut();
        // SAFETY: as in `info`; the function writes one handle, which outlives the call.
        let code = unsafe { function(self.handle, id, &raw mut handle) };
        match check(CALL, code) {
            Ok(()) => Ok(Some(ComputeHandle::new(handle, self.nvml))),
            Err(error) if error.code() == Some(ReturnCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a compute instance where the driver puts it: used for the profile that fills the GPU
    /// instance, which leaves no choice.
    pub fn create_compute(&self, profile: u32) -> Result<ComputeHandle<'n>, NvmlError> {
        const CALL: &str = "nvmlGpuInstanceCreateComputeInstance";
        let function = symbol(&self.nvml.lib().nvmlGpuInstanceCreateComputeInstance, CALL)?;
        let mut handle = ptr::null_mut();
        // SAFETY: as in `compute_instance`.
        let code = unsafe { function(self.handle, profile, &raw mut handle) };
        check(CALL, code)?;
        Ok(ComputeHandle::new(handle, self.nvml))
    }

    /// Every legal place of a compute profile in this instance, in compute slices.
    pub fn compute_placements(&self, profile: u32) -> Result<Vec<Placement>, NvmlError> {
        const CALL: &str = "nvmlGpuInstanceGetComputeInstancePossiblePlacements";
        let function = symbol(
            &self
                .nvml
                .lib()
                .nvmlGpuInstanceGetComputeInstancePossiblePlacements,
            CALL,
        )?;
        let mut count = 0;
        // SAFETY: as in `placements`, on the handle of an instance as in `info`.
        let code = unsafe { function(self.handle, profile, ptr::null_mut(), &raw mut count) };
        let Some(count) = counted(CALL, code, count)? else {
            return Ok(Vec::new());
        };
        let empty = sys::nvmlComputeInstancePlacement_t { start: 0, size: 0 };
        let raw = list(CALL, count, empty, |array, count| {
            // SAFETY: as above; `array` has room for `count` places, and the function writes at most that
            // many.
            unsafe { function(self.handle, profile, array, count) }
        })?;
        raw.iter()
            .map(|place| read_placement(CALL, place.start, place.size))
            .collect()
    }

    /// Makes a compute instance at this very place.
    pub fn create_compute_at(
        &self,
        profile: u32,
        placement: Placement,
    ) -> Result<ComputeHandle<'n>, NvmlError> {
        const CALL: &str = "nvmlGpuInstanceCreateComputeInstanceWithPlacement";
        let function = symbol(
            &self
                .nvml
                .lib()
                .nvmlGpuInstanceCreateComputeInstanceWithPlacement,
            CALL,
        )?;
        let place = sys::nvmlComputeInstancePlacement_t {
            start: placement.start.into(),
            size: placement.size.into(),
        };
        let mut handle = ptr::null_mut();
        // SAFETY: as in `compute_instance`; the function reads one place, which outlives the call.
        let code = unsafe { function(self.handle, profile, &raw const place, &raw mut handle) };
        check(CALL, code)?;
        Ok(ComputeHandle::new(handle, self.nvml))
    }
}
