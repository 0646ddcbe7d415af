//! Destroying instances: only the very one that the step names, and only when nobody uses it.
//!
//! Another process may destroy it at any moment. A handle that the driver refuses is therefore no failure;
//! whatever the driver answers, the step is done only when it is read back as gone.

use kerf_types::{CiId, GiId, MigUuid, Placement, ProfileId};
use nvml_wrapper::Device;

use super::{Scene, StepError, Word, described, is_same, pids};
use crate::nvml::error::{NvmlError, ReturnCode};
use crate::nvml::ffi::{self, ComputeHandle, ComputeProfile, InstanceHandle, InstanceProfile};
use crate::nvml::instances::{self, existing, unless_gone};
use crate::nvml::known::Known;
use crate::nvml::processes;

/// Finds GPU instances by id.
const GPU_INSTANCE_BY_ID: &str = "nvmlDeviceGetGpuInstanceById";

/// Finds compute instances by id.
const COMPUTE_INSTANCE_BY_ID: &str = "nvmlGpuInstanceGetComputeInstanceById";

/// Destroys a compute instance. Done where no instance has the id any more; says by whose word.
pub fn compute_instance(
    scene: &Scene<'_>,
    device: &Device<'_>,
    (gi, ci): (GiId, CiId),
    uuid: &MigUuid,
) -> Result<Word, StepError> {
    let found = match scene.try_driver(find(device, gi, ci))? {
        Ok(found) => found,
        Err(call) => return Ok(Word::NoneFound(call)),
    };
    let conflict =
        |found: &MigUuid| scene.conflict(format!("compute instance {gi}/{ci} is {found} by now"));
    if found.uuid != *uuid {
        return Err(conflict(&found.uuid));
    }
    let users = unless_gone(processes::processes(&found.device), || {
        is_there(device, gi, ci)
    });
    if let Some(users) = scene.try_driver(users)?
        && !users.is_empty()
    {
        return Err(scene.in_use(pids(&users)));
    }
    let refused = ended(scene, found.compute.destroy())?;
    match scene.try_driver(find(device, gi, ci))? {
        Err(_) => Ok(Word::Accepted),
        Ok(still) if still.uuid == *uuid => Err(match refused {
            Some(cause) => scene.driver(cause),
            None => scene.not_done(&format!("compute instance {gi}/{ci} is still there")),
        }),
        Ok(other) => Err(conflict(&other.uuid)),
    }
}

/// A compute instance that was found by its ids.
struct Found<'n> {
    compute: ComputeHandle<'n>,
    device: Device<'n>,
    uuid: MigUuid,
}

/// A compute instance, or the call that finds none.
fn find<'n>(
    device: &Device<'n>,
    gi: GiId,
    ci: CiId,
) -> Result<Result<Found<'n>, &'static str>, NvmlError> {
    let Some(instance) = ffi::instance(device, gi.0)? else {
        return Ok(Err(GPU_INSTANCE_BY_ID));
    };
    let answer = described_compute(&instance, ci);
    let found = unless_gone(answer, || is_there(device, gi, ci))?;
    Ok(found.flatten().ok_or(COMPUTE_INSTANCE_BY_ID))
}

fn described_compute<'n>(
    instance: &InstanceHandle<'n>,
    ci: CiId,
) -> Result<Option<Found<'n>>, NvmlError> {
    let Some(compute) = instance.compute_instance(ci.0)? else {
        return Ok(None);
    };
    let device = compute.info()?.mig_device;
    let uuid = instances::mig_uuid(&device)?;
    Ok(Some(Found {
        compute,
        device,
        uuid,
    }))
}

/// Whether the driver knows the ids, asked anew from the GPU downwards.
fn is_there(device: &Device<'_>, gi: GiId, ci: CiId) -> Result<bool, NvmlError> {
    let Some(instance) = ffi::instance(device, gi.0)? else {
        return Ok(false);
    };
    match instance.compute_instance(ci.0) {
        Ok(compute) => Ok(compute.is_some()),
        Err(error) if error.refuses_handle() => Ok(ffi::instance(device, gi.0)?.is_some()),
        Err(error) => Err(error),
    }
}

/// Destroys an empty GPU instance. Done where nothing has the id and nothing lies at the place.
pub fn gpu_instance(
    scene: &Scene<'_>,
    (device, known): (&Device<'_>, &mut Known),
    gi: GiId,
    profile: ProfileId,
    placement: Placement,
) -> Result<(), StepError> {
    let Known { raw, compute, .. } = known;
    let Some(instance) = scene.try_driver(ffi::instance(device, gi.0))? else {
        return nothing_lies_at(scene, (device, raw), placement);
    };
    let answer = instance.info().and_then(|info| {
        let offered = instances::offered(&instance, info.profile, compute)?;
        Ok((info, children(&instance, offered)?))
    });
    let answer = unless_gone(answer, || Ok(ffi::instance(device, gi.0)?.is_some()));
    let Some((info, children)) = scene.try_driver(answer)? else {
        return nothing_lies_at(scene, (device, raw), placement);
    };
    if !is_same(&info, profile, placement) {
        return Err(scene.conflict(format!("{} has the id by now", described(&info))));
    }
    if children > 0 {
        return Err(scene.in_use(format!("{children} compute instances")));
    }
    let refused = ended(scene, instance.destroy())?;
    match (refused, scene.try_driver(ffi::instance(device, gi.0))?) {
        // Nobody was faster: it is the driver that does not want.
        (Some(cause), Some(_)) => Err(scene.driver(cause)),
        _ => nothing_lies_at(scene, (device, raw), placement),
    }
}

fn children(instance: &InstanceHandle<'_>, offered: &[ComputeProfile]) -> Result<usize, NvmlError> {
    let mut children = 0;
    for profile in offered {
        children += instance.compute_instances(profile)?.len();
    }
    Ok(children)
}

/// What the driver says to a destroy. A refused handle, which is returned, may mean that somebody was faster; what is
/// there now is for the caller to read back.
fn ended(scene: &Scene<'_>, answer: Result<(), NvmlError>) -> Result<Option<NvmlError>, StepError> {
    match answer {
        Ok(()) => Ok(None),
        Err(cause) if cause.refuses_handle() => Ok(Some(cause)),
        Err(cause) if cause.code() == Some(ReturnCode::IN_USE) => Err(scene.in_use(pids(&[]))),
        Err(cause) => Err(scene.driver(cause)),
    }
}

/// What the destroyed instance covered must be free. An instance that lies there under another id was
/// made by somebody else and is none of ours to destroy.
fn nothing_lies_at(
    scene: &Scene<'_>,
    (device, profiles): (&Device<'_>, &[InstanceProfile]),
    placement: Placement,
) -> Result<(), StepError> {
    let mut there = scene.try_driver(existing(device, profiles))?.into_iter();
    match there.find(|(info, _)| info.placement.mask().overlaps(placement.mask())) {
        None => Ok(()),
        Some((info, _)) => Err(scene.conflict(format!("{} lies there", described(&info)))),
    }
}
