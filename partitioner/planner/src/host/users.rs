//! Who uses which instance, and what to say where a user is in the way.

use std::collections::BTreeMap;

use kerf_types::inventory::GpuProcess;
use kerf_types::{CiId, ComputeInstance, GiId, Gpu, GpuInstance, SliceId};

use super::error::CARRYING;
use super::{GpuName, HostRequest, PlanError, Usage, Use};
use crate::gpu::FitError;

/// Who uses which instance; an instance that is not named is free.
pub(crate) fn uses(gpu: &Gpu, usage: &Usage) -> BTreeMap<GiId, String> {
    let mut out = BTreeMap::new();
    for instance in &gpu.instances {
        let whole = gpu.slice_id(instance);
        let parts = gpu.slice_ids(instance).into_iter();
        let by = std::iter::once(whole)
            .chain(parts)
            .find_map(|id| words(usage, id));
        let text = by.or_else(|| processes(gpu, Some(instance.id)));
        if let Some(text) = text {
            out.insert(instance.id, text);
        }
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
pub(crate) fn part_uses(gpu: &Gpu, usage: &Usage) -> BTreeMap<(GiId, CiId), String> {
    let mut out = BTreeMap::new();
    for instance in gpu.instances.iter().filter(|one| one.is_divided()) {
        for (part, id) in instance.compute.iter().zip(gpu.slice_ids(instance)) {
            let on_it = |process: &&GpuProcess| {
                process.gi == Some(instance.id) && process.ci.is_none_or(|ci| ci == part.id)
            };
            let text = words(usage, id)
                .or_else(|| words(usage, id.whole()))
                .or_else(|| pids(gpu.processes.iter().filter(on_it)));
            out.extend(text.map(|text| ((instance.id, part.id), text)));
        }
    }
    out
}

fn words(usage: &Usage, id: SliceId) -> Option<String> {
    match usage.slices.get(&id)? {
        Use::Leased(holder) => Some(format!("leased by {holder}")),
        Use::Unknown => Some("used by somebody that kerf does not know".to_owned()),
        Use::Vgpu(vgpu) => Some(format!("{CARRYING}{vgpu}")),
        Use::Free => None,
    }
}

/// The processes on an instance, or on the GPU as a whole, in words.
pub(crate) fn processes(gpu: &Gpu, gi: Option<GiId>) -> Option<String> {
    pids(gpu.processes.iter().filter(|process| process.gi == gi))
}

fn pids<'a>(found: impl Iterator<Item = &'a GpuProcess>) -> Option<String> {
    let pids: Vec<String> = found.map(|process| process.pid.to_string()).collect();
    match pids.as_slice() {
        [] => None,
        [pid] => Some(format!("used by process {pid}")),
        pids => Some(format!("used by processes {}", pids.join(", "))),
    }
}

/// The error about an instance that would be destroyed and is in use.
pub(super) fn slice_in_use(
    gpu: &Gpu,
    uses: &BTreeMap<GiId, String>,
    gi: GiId,
    profile: String,
) -> PlanError {
    let gpu_name = GpuName {
        index: gpu.index,
        pci: gpu.pci,
    };
    let mut used_by = uses.get(&gi).cloned().unwrap_or_default();
    let others = gpu.instances.iter().filter(|instance| instance.id != gi);
    let others =
        others.filter_map(|one| Some(format!("{} {}", gpu.slice_id(one), uses.get(&one.id)?)));
    let others = others.collect::<Vec<String>>().join("; ");
    if !others.is_empty() {
        used_by = format!("{used_by}; in use there besides: {others}");
    }
    match gpu.instances.iter().find(|instance| instance.id == gi) {
        Some(instance) => PlanError::SliceInUse {
            slice: gpu.slice_id(instance),
            profile,
            used_by,
        },
        None => PlanError::GpuInUse {
            gpu: gpu_name,
            used_by,
        },
    }
}

/// Says who is in the way where a plan failed for that.
pub(super) fn explain(
    gpu: &Gpu,
    uses: &BTreeMap<GiId, String>,
    parts: &BTreeMap<(GiId, CiId), String>,
    source: FitError,
) -> PlanError {
    let name = GpuName {
        index: gpu.index,
        pci: gpu.pci,
    };
    match source {
        FitError::PinNotWanted { gi, profile, .. } => slice_in_use(gpu, uses, gi, profile),
        FitError::PartNotWanted {
            gi,
            ci,
            ref profile,
        } => {
            let used_by = parts.get(&(gi, ci)).cloned().unwrap_or_default();
            match part_name(gpu, gi, ci) {
                Some(slice) => PlanError::SliceInUse {
                    slice,
                    profile: profile.clone(),
                    used_by,
                },
                None => PlanError::Fit { gpu: name, source },
            }
        }
        FitError::PinsInTheWay { .. } => {
            let used = gpu.instances.iter().filter_map(|instance| {
                let by = uses.get(&instance.id)?;
                Some(format!("{} {by}", gpu.slice_id(instance)))
            });
            let in_use = used.collect::<Vec<String>>().join("; ");
            PlanError::Blocked {
                gpu: name,
                in_use,
                source,
            }
        }
        source => PlanError::Fit { gpu: name, source },
    }
}

fn part_name(gpu: &Gpu, gi: GiId, ci: CiId) -> Option<SliceId> {
    let instance = gpu.instances.iter().find(|instance| instance.id == gi)?;
    let at = instance.compute.iter().position(|part| part.id == ci)?;
    gpu.slice_ids(instance).get(at).copied()
}
