//! Making instances at explicit places.

use kerf_types::{Placement, ProfileId};

use super::{Scene, StepError, described, is_same};
use crate::nvml::error::{NvmlError, ReturnCode};
use crate::nvml::ffi::{self, ComputeProfile, InstanceHandle, InstanceInfo, InstanceProfile};
use crate::nvml::instances::{self, existing};

/// Makes a GPU instance. Done where an equal one lies there already.
pub fn gpu_instance(
    scene: &Scene<'_>,
    profile: ProfileId,
    placement: Placement,
) -> Result<(), StepError> {
    let device = scene.mig_device()?;
    let profiles = scene.try_driver(ffi::instance_profiles(&device))?;
    if !profiles.iter().any(|known| known.id == profile.0) {
        return Err(scene.invalid("the GPU has no such profile".to_owned()));
    }
    let legal = scene.try_driver(ffi::placements(&device, profile.0))?;
    if !legal.contains(&placement) {
        return Err(scene.invalid(format!("profile {profile} may not lie at {placement}")));
    }
    for (info, _) in scene.try_driver(existing(&device, &profiles))? {
        if is_same(&info, profile, placement) {
            return Ok(());
        }
        if info.placement.mask().overlaps(placement.mask()) {
            return Err(scene.no_room(format!("{} lies there", described(&info))));
        }
    }
    let made = ffi::create_instance(&device, profile.0, placement).map_err(|cause| {
        if cause.code() == Some(ReturnCode::INSUFFICIENT_RESOURCES) {
            scene.no_room("the driver has no such place left".to_owned())
        } else {
            scene.driver(cause)
        }
    })?;
    let info = scene.try_driver(made.info())?;
    if is_same(&info, profile, placement) {
        Ok(())
    } else {
        Err(scene.not_done(&format!("{} is what it made", described(&info))))
    }
}

/// Makes the compute instance that fills the GPU instance at `placement`. Done where it exists already.
pub fn compute_instance(
    scene: &Scene<'_>,
    placement: Placement,
    profile: ProfileId,
) -> Result<(), StepError> {
    let device = scene.mig_device()?;
    let profiles = scene.try_driver(ffi::instance_profiles(&device))?;
    let (info, instance) = scene
        .try_driver(existing(&device, &profiles))?
        .into_iter()
        .find(|(info, _)| info.placement == placement)
        .ok_or_else(|| scene.conflict(format!("no GPU instance lies at {placement}")))?;
    let offered = scene.try_driver(instance.compute_profiles())?;
    let filling = choose(scene, &info, &profiles, &offered, profile)?;
    for known in &offered {
        let there = scene.try_driver(instance.compute_instances(known))?;
        if there.is_empty() {
            continue;
        }
        // A filling instance leaves no room, so if it is there it is the only one.
        return if known.id == filling.id {
            Ok(())
        } else {
            let text = format!(
                "{} compute instances of profile {} lie there",
                there.len(),
                known.id
            );
            Err(scene.no_room(text))
        };
    }
    create(&instance, filling).map_err(|cause| {
        if cause.code() == Some(ReturnCode::INSUFFICIENT_RESOURCES) {
            scene.no_room("the GPU instance has no compute slices left".to_owned())
        } else {
            scene.driver(cause)
        }
    })
}

fn create(instance: &InstanceHandle<'_>, filling: &ComputeProfile) -> Result<(), NvmlError> {
    // The MIG device must answer before the slice counts as made.
    let made = instance.create_compute(filling.id)?;
    instances::mig_uuid(&made.info()?.mig_device).map(drop)
}

/// The compute profile to make: the named one if it fills the instance. A plan made before any instance
/// of the profile existed knows only nvml.h's number for it; where the driver has given it another one,
/// what fills the instance is meant.
fn choose<'p>(
    scene: &Scene<'_>,
    info: &InstanceInfo,
    profiles: &[InstanceProfile],
    offered: &'p [ComputeProfile],
    named: ProfileId,
) -> Result<&'p ComputeProfile, StepError> {
    let slices = profiles
        .iter()
        .find(|known| known.id == info.profile)
        .map_or(0, |it| it.slices);
    match offered.iter().find(|known| known.id == named.0) {
        Some(profile) if profile.slices == slices => Ok(profile),
        Some(profile) => Err(scene.invalid(format!(
            "compute profile {named} has {} of the {slices} slices of {}",
            profile.slices,
            described(info)
        ))),
        None => instances::filling(offered, slices).ok_or_else(|| {
            scene.invalid(format!(
                "{} has no compute profile {named}",
                described(info)
            ))
        }),
    }
}
