//! Compute instances: profiles, placements, creation, listing, destruction.

use super::answer;
use super::call::{self, CiView, GiView};
use super::handle::{Handle, Target};
use super::pointer::{Array, InOut, Out, Versioned, text_field};
use super::types::{CiInfo, CiProfileV1, CiProfileV2, CiProfileV3, Placement};
use crate::model::capacity::ci_profile;
use crate::model::profile::CiProfile;
use crate::model::status::Status;

nvml! {
    fn nvmlGpuInstanceGetComputeInstanceProfileInfo(
        instance: Handle,
        index: u32,
        engine: u32,
        info: Out<CiProfileV1>,
    ) {
        let found = call::gi(instance)?;
        info.put(CiProfileV1::of(&found, by_index(&found, index, engine)?)?)
    }

    fn nvmlGpuInstanceGetComputeInstanceProfileInfoV(
        instance: Handle,
        index: u32,
        engine: u32,
        info: Versioned,
    ) {
        let found = call::gi(instance)?;
        let profile = by_index(&found, index, engine)?;
        let gi = found.gi()?.profile(found.view.product).ok_or(Status::Unknown)?;
        let name = text_field(&format!("MIG {}", profile.name(gi)));
        if info.is::<CiProfileV3>()? {
            info.put(CiProfileV3::of(&found, profile, name)?)
        } else {
            info.put(CiProfileV2::of(&found, profile, name)?)
        }
    }

    fn nvmlGpuInstanceGetComputeInstancePossiblePlacements(
        instance: Handle,
        id: u32,
        placements: Array<Placement>,
        count: InOut<u32>,
    ) {
        let found = call::gi(instance)?;
        let profile = by_id(&found, id)?;
        let starts = profile.starts(found.gi()?.slices(found.view.product));
        let size = profile.slices;
        let all: Vec<Placement> = starts.iter().map(|&start| Placement { start, size }).collect();
        count.put(u32::try_from(all.len()).unwrap_or(u32::MAX))?;
        if placements.is_null() { Ok(()) } else { placements.fill(&all) }
    }

    fn nvmlGpuInstanceGetComputeInstanceRemainingCapacity(
        instance: Handle,
        id: u32,
        count: Out<u32>,
    ) {
        let found = call::gi(instance)?;
        let profile = by_id(&found, id)?;
        count.put(found.gi()?.remaining_ci(found.view.product, profile))
    }

    fn nvmlGpuInstanceCreateComputeInstance(instance: Handle, id: u32, compute: Out<Handle>) {
        compute.put(create(instance, id, None)?)
    }

    fn nvmlGpuInstanceCreateComputeInstanceWithPlacement(
        instance: Handle,
        id: u32,
        placement: InOut<Placement>,
        compute: Out<Handle>,
    ) {
        compute.put(create(instance, id, Some(placement.get()?))?)
    }

    fn nvmlComputeInstanceDestroy(compute: Handle) {
        let at = call::ci(compute)?.at();
        call::change(at.gpu, |machine, now| machine.destroy_ci(at, now))
    }

    fn nvmlGpuInstanceGetComputeInstances(
        instance: Handle,
        id: u32,
        compute: Array<Handle>,
        count: Out<u32>,
    ) {
        let found = call::gi(instance)?;
        by_id(&found, id)?;
        let with_profile = found.gi()?.compute.iter().filter(|ci| ci.profile == id);
        let handles: Vec<Handle> =
            with_profile.map(|ci| Handle::of(Target::Ci(found.view.index, ci.serial))).collect();
        count.put(u32::try_from(handles.len()).unwrap_or(u32::MAX))?;
        compute.fill(&handles)
    }

    fn nvmlGpuInstanceGetComputeInstanceById(instance: Handle, id: u32, compute: Out<Handle>) {
        let found = call::gi(instance)?;
        let ci = found.gi()?.compute.iter().find(|ci| ci.id == id).ok_or(Status::NotFound)?;
        compute.put(Handle::of(Target::Ci(found.view.index, ci.serial)))
    }

    fn nvmlComputeInstanceGetInfo_v2(compute: Handle, out: Out<CiInfo>) {
        let found = call::ci(compute)?;
        out.put(info(&found, Target::Mig(found.view.index, found.serial))?)
    }

    // The first version predates MIG device handles: its `device` is the GPU.
    fn nvmlComputeInstanceGetInfo(compute: Handle, out: Out<CiInfo>) {
        let found = call::ci(compute)?;
        out.put(info(&found, Target::Gpu(found.view.index))?)
    }
}

/// A profile by its place in NVML's enumeration, which has 9 places in driver 590 and one engine
/// profile, SHARED.
fn by_index(found: &GiView, index: u32, engine: u32) -> Result<&'static CiProfile, Status> {
    const PLACES: u32 = 9;
    if index >= PLACES || engine != 0 {
        return Err(Status::InvalidArgument);
    }
    let gi = found.gi()?;
    let profile = ci_profile(found.view.product, gi, index);
    profile
        .filter(|profile| profile.index == index)
        .ok_or(Status::NotSupported)
}

fn by_id(found: &GiView, id: u32) -> Result<&'static CiProfile, Status> {
    ci_profile(found.view.product, found.gi()?, id).ok_or(Status::InvalidArgument)
}

fn create(instance: Handle, id: u32, placement: Option<Placement>) -> Result<Handle, Status> {
    let found = call::gi(instance)?;
    let profile = by_id(&found, id)?;
    if placement.is_some_and(|placement| placement.size != profile.slices) {
        return Err(Status::InvalidArgument);
    }
    let (at, start) = (found.at(), placement.map(|placement| placement.start));
    let starts = profile.starts(found.gi()?.slices(found.view.product));
    let serial = call::change(at.gpu, |machine, now| {
        answer::at_or_elsewhere(start, starts, |start| machine.create_ci(at, id, start, now))
    })?;
    Ok(Handle::of(Target::Ci(at.gpu, serial)))
}

fn info(found: &CiView, device: Target) -> Result<CiInfo, Status> {
    let (gi, ci) = found.instances()?;
    let profile = ci_profile(found.view.product, gi, ci.profile).ok_or(Status::Unknown)?;
    Ok(CiInfo {
        device: Handle::of(device),
        gpu_instance: Handle::of(Target::Gi(found.view.index, gi.serial)),
        id: ci.id,
        profile: ci.profile,
        placement: Placement {
            start: ci.start,
            size: profile.slices,
        },
    })
}
