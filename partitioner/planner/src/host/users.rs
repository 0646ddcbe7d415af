//! Who uses which instance, and what to say where a user is in the way.

use std::collections::BTreeMap;

use kerf_types::inventory::GpuProcess;
use kerf_types::{CiId, ComputeInstance, GiId, Gpu, GpuInstance, SliceId};

use super::{GpuName, HostRequest, InUse, PlanError, Usage, Use, User};
use crate::gpu::FitError;

/// Who uses which instance; an instance that is not named is free.
pub(crate) fn uses(gpu: &Gpu, usage: &Usage) -> BTreeMap<GiId, User> {
    let mut out = BTreeMap::new();
    for instance in &gpu.instances {
        let whole = gpu.slice_id(instance);
        let parts = gpu.slice_ids(instance).into_iter();
        let by = std::iter::once(whole)
            .chain(parts)
            .find_map(|id| user(usage, id));
        let user = by.or_else(|| processes(gpu, Some(instance.id)));
        out.extend(user.map(|user| (instance.id, user)));
    }
    out
}

/// Whether an operator has said that this very instance may go, whoever uses it. One that is divided is given up
/// part by part.
pub(super) fn is_forced(gpu: &Gpu, instance: &GpuInstance, usage: &Usage) -> bool {
    let mut devices = instance.compute.iter();
    !instance.is_divided() && devices.any(|one| is_part_forced(gpu, instance, one, usage))
}

/// The same of a part. A virtual machine has no name here that could be given up, so a vGPU's instance stays.
pub(super) fn is_part_forced(
    gpu: &Gpu,
    instance: &GpuInstance,
    part: &ComputeInstance,
    usage: &Usage,
) -> bool {
    usage.forced.contains(&part.uuid) && !usage.carries_vgpu(gpu.slice_id(instance))
}

/// A name that means nothing here is a mistake, and what it was to mean must not be guessed.
pub(super) fn check_forced(request: &HostRequest<'_>) -> Result<(), PlanError> {
    let instances = || request.inventory.gpus.iter().flat_map(|gpu| &gpu.instances);
    for uuid in &request.usage.forced {
        let mut devices = instances().flat_map(|instance| &instance.compute);
        if !devices.any(|one| one.uuid == *uuid) {
            let uuid = uuid.clone();
            return Err(PlanError::NoSuchDevice { uuid });
        }
    }
    Ok(())
}

/// Who uses which part of a divided instance. What is known of the instance alone counts for all its parts.
pub(crate) fn part_uses(gpu: &Gpu, usage: &Usage) -> BTreeMap<(GiId, CiId), User> {
    let mut out = BTreeMap::new();
    for instance in gpu.instances.iter().filter(|one| one.is_divided()) {
        for (part, id) in instance.compute.iter().zip(gpu.slice_ids(instance)) {
            let on_it = |process: &&GpuProcess| {
                process.gi == Some(instance.id) && process.ci.is_none_or(|ci| ci == part.id)
            };
            let user = user(usage, id)
                .or_else(|| user(usage, id.whole()))
                .or_else(|| pids(gpu.processes.iter().filter(on_it)));
            out.extend(user.map(|user| ((instance.id, part.id), user)));
        }
    }
    out
}

fn user(usage: &Usage, id: SliceId) -> Option<User> {
    match usage.slices.get(&id)? {
        Use::Leased(holder) => Some(User::Lease(holder.clone())),
        Use::Unknown => Some(User::Unknown),
        Use::Vgpu(vgpu) => Some(User::Vgpu(vgpu.clone())),
        Use::Free => None,
    }
}

/// The processes on an instance, or on the GPU as a whole.
pub(crate) fn processes(gpu: &Gpu, gi: Option<GiId>) -> Option<User> {
    pids(gpu.processes.iter().filter(|process| process.gi == gi))
}

fn pids<'a>(found: impl Iterator<Item = &'a GpuProcess>) -> Option<User> {
    let pids: Vec<u32> = found.map(|process| process.pid).collect();
    (!pids.is_empty()).then_some(User::Processes(pids))
}

/// The instances of a GPU that somebody uses, as slices.
pub(super) fn in_use<'a>(
    gpu: &'a Gpu,
    uses: &'a BTreeMap<GiId, User>,
) -> impl Iterator<Item = (SliceId, User)> + 'a {
    let used = |one: &GpuInstance| Some((gpu.slice_id(one), uses.get(&one.id)?.clone()));
    gpu.instances.iter().filter_map(used)
}

/// The error about an instance that would be destroyed and is in use.
pub(super) fn slice_in_use(
    gpu: &Gpu,
    uses: &BTreeMap<GiId, User>,
    gi: GiId,
    profile: String,
) -> PlanError {
    let used_by = uses.get(&gi).cloned().unwrap_or(User::Unknown);
    let Some(instance) = gpu.instances.iter().find(|instance| instance.id == gi) else {
        let gpu = gpu.into();
        return PlanError::GpuInUse { gpu, used_by };
    };
    let slice = gpu.slice_id(instance);
    let others = in_use(gpu, uses).filter(|(other, _)| *other != slice);
    PlanError::SliceInUse {
        slice,
        profile,
        used_by,
        others: InUse(others.collect()),
    }
}

/// Says who is in the way where a plan failed for that.
pub(super) fn explain(
    gpu: &Gpu,
    uses: &BTreeMap<GiId, User>,
    parts: &BTreeMap<(GiId, CiId), User>,
    source: FitError,
) -> PlanError {
    let name = GpuName::from(gpu);
    match source {
        FitError::PinNotWanted { gi, profile, .. } => slice_in_use(gpu, uses, gi, profile),
        FitError::PartNotWanted {
            gi,
            ci,
            ref profile,
        } => {
            let used_by = parts.get(&(gi, ci)).cloned().unwrap_or(User::Unknown);
            match part_name(gpu, gi, ci) {
                Some(slice) => PlanError::SliceInUse {
                    slice,
                    profile: profile.clone(),
                    used_by,
                    others: InUse::default(),
                },
                None => PlanError::Fit { gpu: name, source },
            }
        }
        FitError::PinsInTheWay { .. } => PlanError::Blocked {
            gpu: name,
            in_use: InUse(in_use(gpu, uses).collect()),
            source,
        },
        source => PlanError::Fit { gpu: name, source },
    }
}

fn part_name(gpu: &Gpu, gi: GiId, ci: CiId) -> Option<SliceId> {
    let instance = gpu.instances.iter().find(|instance| instance.id == gi)?;
    let at = instance.compute.iter().position(|part| part.id == ci)?;
    gpu.slice_ids(instance).get(at).copied()
}
