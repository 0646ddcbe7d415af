//! Destroying instances: only the very one that the step names, and only when nobody uses it.

use kerf_types::{CiId, GiId, MigUuid, Placement, ProfileId};

use super::{Scene, StepError, described, existing, is_same, pids};
use crate::nvml::error::ReturnCode;
use crate::nvml::{ffi, instances, processes};

/// Destroys a compute instance. Done where no instance has the id any more.
pub fn compute_instance(
    scene: &Scene<'_>,
    gi: GiId,
    ci: CiId,
    uuid: &MigUuid,
) -> Result<(), StepError> {
    let Some(device) = scene.mig_device_if_on()? else {
        return Ok(());
    };
    let Some(instance) = scene.try_driver(ffi::instance(&device, gi.0))? else {
        return Ok(());
    };
    let Some(compute) = scene.try_driver(instance.compute_instance(ci.0))? else {
        return Ok(());
    };
    let info = scene.try_driver(compute.info())?;
    let found = scene.try_driver(instances::mig_uuid(&info.mig_device))?;
    if found != *uuid {
        return Err(scene.conflict(format!("compute instance {gi}/{ci} is {found} by now")));
    }
    let processes = scene.try_driver(processes::processes(&info.mig_device))?;
    if !processes.is_empty() {
        return Err(scene.in_use(pids(&processes)));
    }
    match compute.destroy() {
        Ok(()) => {}
        Err(cause) if cause.code() == Some(ReturnCode::NOT_FOUND) => {}
        Err(cause) if cause.code() == Some(ReturnCode::IN_USE) => {
            return Err(scene.in_use(pids(&[])));
        }
        Err(cause) => return Err(scene.driver(cause)),
    }
    match scene.try_driver(instance.compute_instance(ci.0))? {
        None => Ok(()),
        Some(_) => Err(scene.not_done(&format!("compute instance {gi}/{ci} is still there"))),
    }
}

/// Destroys an empty GPU instance. Done where nothing has the id and nothing lies at the place.
pub fn gpu_instance(
    scene: &Scene<'_>,
    gi: GiId,
    profile: ProfileId,
    placement: Placement,
) -> Result<(), StepError> {
    let Some(device) = scene.mig_device_if_on()? else {
        return Ok(());
    };
    let Some(instance) = scene.try_driver(ffi::instance(&device, gi.0))? else {
        return nothing_lies_at(scene, placement);
    };
    let info = scene.try_driver(instance.info())?;
    if !is_same(&info, profile, placement) {
        return Err(scene.conflict(format!("{} has the id by now", described(&info))));
    }
    let mut children = 0;
    for profile in scene.try_driver(instance.compute_profiles())? {
        children += scene
            .try_driver(instance.compute_instances(&profile))?
            .len();
    }
    if children > 0 {
        return Err(scene.in_use(format!("{children} compute instances")));
    }
    match instance.destroy() {
        Ok(()) => {}
        Err(cause) if cause.code() == Some(ReturnCode::NOT_FOUND) => {}
        Err(cause) if cause.code() == Some(ReturnCode::IN_USE) => {
            return Err(scene.in_use(pids(&[])));
        }
        Err(cause) => return Err(scene.driver(cause)),
    }
    nothing_lies_at(scene, placement)
}

/// What the destroyed instance covered must be free. An instance that lies there under another id was
/// made by somebody else and is none of ours to destroy.
fn nothing_lies_at(scene: &Scene<'_>, placement: Placement) -> Result<(), StepError> {
    let device = scene.device()?;
    let profiles = scene.try_driver(ffi::instance_profiles(&device))?;
    let mut there = scene.try_driver(existing(&device, &profiles))?.into_iter();
    match there.find(|(info, _)| info.placement.mask().overlaps(placement.mask())) {
        None => Ok(()),
        Some((info, _)) => Err(scene.conflict(format!("{} lies there", described(&info)))),
    }
}
