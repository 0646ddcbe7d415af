//! Making instances at explicit places.

use kerf_types::{Placement, ProfileId};
use nvml_wrapper::Device;

use super::{Scene, StepError, described, is_same};
use crate::nvml::error::{NvmlError, ReturnCode};
use crate::nvml::ffi::{self, ComputeProfile, InstanceHandle, InstanceInfo};
use crate::nvml::instances::{self, existing};
use crate::nvml::known::Known;

/// Makes a GPU instance. Done where an equal one lies there already.
pub fn gpu_instance(
    scene: &Scene<'_>,
    (device, known): (&Device<'_>, &Known),
    profile: ProfileId,
    placement: Placement,
) -> Result<(), StepError> {
    let Some(told) = known.gpu.profile(profile) else {
        return Err(scene.invalid("the GPU has no such profile".to_owned()));
    };
    if !told.placements.contains(&placement) {
        return Err(scene.invalid(format!("profile {profile} may not lie at {placement}")));
    }
    for (info, _) in scene.try_driver(existing(device, &known.raw))? {
        if is_same(&info, profile, placement) {
            return Ok(());
        }
        if info.placement.mask().overlaps(placement.mask()) {
            return Err(scene.no_room(format!("{} lies there", described(&info))));
        }
    }
    let made = ffi::create_instance(device, profile.0, placement).map_err(|cause| {
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

/// Makes a compute instance in the GPU instance at `placement`: the one that fills it or, with `part`, one at
/// that place in it. Done where it exists already.
pub fn compute_instance(
    scene: &Scene<'_>,
    (device, known): (&Device<'_>, &mut Known),
    placement: Placement,
    profile: ProfileId,
    part: Option<Placement>,
) -> Result<(), StepError> {
    let Known { raw, compute, .. } = known;
    let (info, instance) = scene
        .try_driver(existing(device, raw))?
        .into_iter()
        .find(|(info, _)| info.placement == placement)
        .ok_or_else(|| scene.conflict(format!("no GPU instance lies at {placement}")))?;
    let offered = scene.try_driver(instances::offered(&instance, info.profile, compute))?;
    let whole = raw
        .iter()
        .find(|known| known.id == info.profile)
        .map_or(0, |it| it.slices);
    let Some(part) = part else {
        let filling = choose(scene, &info, whole, whole, offered, profile)?;
        return fill(scene, &instance, offered, filling);
    };
    let chosen = choose(scene, &info, whole, part.size.into(), offered, profile)?;
    divide(scene, &info, &instance, offered, chosen, part)
}

fn fill(
    scene: &Scene<'_>,
    instance: &InstanceHandle<'_>,
    offered: &[ComputeProfile],
    filling: &ComputeProfile,
) -> Result<(), StepError> {
    for known in offered {
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
    create(instance, filling).map_err(|cause| no_slices(scene, cause))
}

/// Makes a part at its place. What a plan knew of legal places may have been assumed, so the driver is asked.
fn divide(
    scene: &Scene<'_>,
    info: &InstanceInfo,
    instance: &InstanceHandle<'_>,
    offered: &[ComputeProfile],
    chosen: &ComputeProfile,
    part: Placement,
) -> Result<(), StepError> {
    let legal = scene.try_driver(instance.compute_placements(chosen.id))?;
    if !legal.contains(&part) {
        let legal: Vec<String> = legal.iter().map(ToString::to_string).collect();
        return Err(scene.invalid(format!(
            "a compute instance may not lie at {part} of {}, the driver names {}",
            described(info),
            legal.join(", ")
        )));
    }
    for known in offered {
        for handle in scene.try_driver(instance.compute_instances(known))? {
            let there = scene.try_driver(handle.info())?;
            let (start, size) = there.place;
            if there.profile == chosen.id && start == u32::from(part.start) {
                return Ok(());
            }
            if start < u32::from(part.end()) && u32::from(part.start) < start + size {
                let id = there.id;
                return Err(scene.no_room(format!("compute instance {id} lies at {start}:{size}")));
            }
        }
    }
    let made = instance
        .create_compute_at(chosen.id, part)
        .map_err(|cause| no_slices(scene, cause))?;
    let made = scene.try_driver(made.info())?;
    scene.try_driver(instances::mig_uuid(&made.mig_device))?;
    let (start, size) = made.place;
    if made.profile == chosen.id && made.place == (part.start.into(), part.size.into()) {
        Ok(())
    } else {
        Err(scene.not_done(&format!(
            "compute instance {} of profile {} at {start}:{size} is what it made",
            made.id, made.profile
        )))
    }
}

fn no_slices(scene: &Scene<'_>, cause: NvmlError) -> StepError {
    if cause.code() == Some(ReturnCode::INSUFFICIENT_RESOURCES) {
        scene.no_room("the GPU instance has no compute slices left".to_owned())
    } else {
        scene.driver(cause)
    }
}

fn create(instance: &InstanceHandle<'_>, filling: &ComputeProfile) -> Result<(), NvmlError> {
    // The MIG device must answer before the slice counts as made.
    let made = instance.create_compute(filling.id)?;
    instances::mig_uuid(&made.info()?.mig_device).map(drop)
}

/// The compute profile to make: the named one if it has the wanted slices. A plan made before any instance
/// of the profile existed knows only nvml.h's number for it; where the driver has given it another one,
/// what has the slices is meant.
fn choose<'p>(
    scene: &Scene<'_>,
    info: &InstanceInfo,
    whole: u32,
    wanted: u32,
    offered: &'p [ComputeProfile],
    named: ProfileId,
) -> Result<&'p ComputeProfile, StepError> {
    match offered.iter().find(|known| known.id == named.0) {
        Some(profile) if profile.slices == wanted => Ok(profile),
        Some(profile) if wanted == whole => Err(scene.invalid(format!(
            "compute profile {named} has {} of the {whole} slices of {}",
            profile.slices,
            described(info)
        ))),
        Some(profile) => Err(scene.invalid(format!(
            "compute profile {named} of {} has {} slices, not {wanted}",
            described(info),
            profile.slices
        ))),
        None => instances::filling(offered, wanted).ok_or_else(|| {
            scene.invalid(format!(
                "{} has no compute profile {named}",
                described(info)
            ))
        }),
    }
}
