//! GPU instances: profiles, placements, creation, listing, destruction.

use super::answer;
use super::call::{self, View};
use super::handle::{Handle, Target};
use super::pointer::{Array, InOut, Out, Versioned, text_field};
use super::types::{GiInfo, GiProfileV1, GiProfileV2, GiProfileV3, Placement};
use crate::model::profile::GiProfile;
use crate::model::status::Status;

nvml! {
    fn nvmlDeviceGetGpuInstanceProfileInfo(device: Handle, index: u32, info: Out<GiProfileV1>) {
        let view = describing(device)?;
        let profile = by_index(&view, index)?;
        info.put(GiProfileV1::of(profile, view.profile_mib(profile)))
    }

    fn nvmlDeviceGetGpuInstanceProfileInfoV(device: Handle, index: u32, info: Versioned) {
        let view = describing(device)?;
        describe(&view, by_index(&view, index)?, &info)
    }

    fn nvmlDeviceGetGpuInstanceProfileInfoByIdV(device: Handle, id: u32, info: Versioned) {
        let view = describing(device)?;
        describe(&view, by_id(&view, id)?, &info)
    }

    fn nvmlDeviceGetGpuInstancePossiblePlacements_v2(
        device: Handle,
        id: u32,
        placements: Array<Placement>,
        count: InOut<u32>,
    ) {
        possible(device, id, &placements, &count)
    }

    fn nvmlDeviceGetGpuInstancePossiblePlacements(
        device: Handle,
        id: u32,
        placements: Array<Placement>,
        count: InOut<u32>,
    ) {
        possible(device, id, &placements, &count)
    }

    fn nvmlDeviceGetGpuInstanceRemainingCapacity(device: Handle, id: u32, count: Out<u32>) {
        let view = call::gpu(device)?;
        view.gpu().require_mig()?;
        count.put(view.gpu().remaining_gi(view.product, by_id(&view, id)?))
    }

    fn nvmlDeviceCreateGpuInstance(device: Handle, id: u32, instance: Out<Handle>) {
        instance.put(create(device, id, None)?)
    }

    fn nvmlDeviceCreateGpuInstanceWithPlacement(
        device: Handle,
        id: u32,
        placement: InOut<Placement>,
        instance: Out<Handle>,
    ) {
        instance.put(create(device, id, Some(placement.get()?))?)
    }

    fn nvmlGpuInstanceDestroy(instance: Handle) {
        let at = call::gi(instance)?.at();
        call::change(at.gpu, |machine, now| machine.destroy_gi(at, now))
    }

    fn nvmlDeviceGetGpuInstances(
        device: Handle,
        id: u32,
        instances: Array<Handle>,
        count: Out<u32>,
    ) {
        let view = call::gpu(device)?;
        view.gpu().require_mig()?;
        by_id(&view, id)?;
        let with_profile = view.gpu().instances.iter().filter(|gi| gi.profile == id);
        let handles: Vec<Handle> =
            with_profile.map(|gi| Handle::of(Target::Gi(view.index, gi.serial))).collect();
        count.put(u32::try_from(handles.len()).unwrap_or(u32::MAX))?;
        instances.fill(&handles)
    }

    fn nvmlDeviceGetGpuInstanceById(device: Handle, id: u32, instance: Out<Handle>) {
        let view = call::gpu(device)?;
        view.gpu().require_mig()?;
        let gi = view.gpu().instance(id).ok_or(Status::NotFound)?;
        instance.put(Handle::of(Target::Gi(view.index, gi.serial)))
    }

    fn nvmlGpuInstanceGetInfo(instance: Handle, info: Out<GiInfo>) {
        let found = call::gi(instance)?;
        let gi = found.gi()?;
        let size = gi.profile(found.view.product).map_or(0, |profile| profile.size);
        info.put(GiInfo {
            device: Handle::of(Target::Gpu(found.view.index)),
            id: gi.id,
            profile: gi.profile,
            placement: Placement { start: gi.start, size },
        })
    }
}

/// The GPU, if it describes its profiles now: in MIG mode always, without it only where the
/// product can.
fn describing(device: Handle) -> Result<View, Status> {
    let view = call::gpu(device)?;
    if !view.product.mig_query_without_mode {
        view.gpu().require_mig()?;
    }
    Ok(view)
}

/// A profile by its place in NVML's enumeration. The enumeration has 18 places in driver 590;
/// beyond it the argument is wrong, inside it a hole is not supported.
fn by_index(view: &View, index: u32) -> Result<&'static GiProfile, Status> {
    const PLACES: u32 = 18;
    if index >= PLACES {
        return Err(Status::InvalidArgument);
    }
    view.product
        .gi_profile_by_index(index)
        .ok_or(Status::NotSupported)
}

fn by_id(view: &View, id: u32) -> Result<&'static GiProfile, Status> {
    view.product.gi_profile(id).ok_or(Status::InvalidArgument)
}

fn describe(view: &View, profile: &GiProfile, info: &Versioned) -> Result<(), Status> {
    let name = text_field(&format!("MIG {}", profile.name));
    let mib = view.profile_mib(profile);
    if info.is::<GiProfileV3>()? {
        info.put(GiProfileV3::of(profile, mib, name))
    } else {
        info.put(GiProfileV2::of(profile, mib, name))
    }
}

/// Every legal place of a profile, taken or not; without an array only how many.
fn possible(
    device: Handle,
    id: u32,
    placements: &Array<Placement>,
    count: &InOut<u32>,
) -> Result<(), Status> {
    let view = describing(device)?;
    let profile = by_id(&view, id)?;
    let size = profile.size;
    let all: Vec<Placement> = profile
        .starts
        .iter()
        .map(|&start| Placement { start, size })
        .collect();
    count.put(u32::try_from(all.len()).unwrap_or(u32::MAX))?;
    if placements.is_null() {
        Ok(())
    } else {
        placements.fill(&all)
    }
}

fn create(device: Handle, id: u32, placement: Option<Placement>) -> Result<Handle, Status> {
    let view = call::gpu(device)?;
    view.gpu().require_mig()?;
    let profile = by_id(&view, id)?;
    if placement.is_some_and(|placement| placement.size != profile.size) {
        return Err(Status::InvalidArgument);
    }
    let start = placement.map(|placement| placement.start);
    let serial = call::change(view.index, |machine, now| {
        answer::at_or_elsewhere(start, profile.starts, |start| {
            machine.create_gi(view.index, id, start, now)
        })
    })?;
    Ok(Handle::of(Target::Gi(view.index, serial)))
}
