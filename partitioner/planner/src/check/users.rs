//! Who uses what, read from the inventory and the leases a second time: what must stay, and what disturbing the rest
//! costs.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::{CiId, GiId, Gpu, GpuInstance, MigUuid, Placement};

use super::parts;
use crate::host::{Usage, Use};

/// What one in use weighs that an operator has given up by name; any other weighs 1.
const GIVEN_UP: u64 = 1_000;

/// Places of GPU instances, and places of parts: that of their instance and their own.
#[derive(Default)]
pub(super) struct Places {
    pub whole: BTreeSet<Placement>,
    pub parts: BTreeSet<(Placement, Placement)>,
}

/// The slices that somebody uses: parts where an instance is divided.
pub(super) fn in_use(gpu: &Gpu, usage: &Usage) -> Places {
    let mut used = Places::default();
    let divided = |place: &Placement| {
        let mut instances = gpu.instances.iter();
        instances.find(|one| one.placement == *place && parts::is_divided(one))
    };
    for (slice, by) in &usage.slices {
        if slice.gpu != gpu.pci || *by == Use::Free {
            continue;
        }
        match (slice.compute, divided(&slice.placement)) {
            (Some(part), _) => drop(used.parts.insert((slice.placement, part))),
            (None, None) => drop(used.whole.insert(slice.placement)),
            (None, Some(instance)) => used.parts.extend(parts_of(instance)),
        }
    }
    for process in &gpu.processes {
        let mut instances = gpu.instances.iter();
        let Some(instance) = instances.find(|one| process.gi == Some(one.id)) else {
            continue;
        };
        if !parts::is_divided(instance) {
            used.whole.insert(instance.placement);
            continue;
        }
        let own = instance.compute.iter().filter(|one| match process.ci {
            Some(ci) => ci == one.id,
            None => true,
        });
        let own = own.filter_map(|one| Some((instance.placement, one.placement?)));
        used.parts.extend(own);
    }
    used
}

/// Those that must stay: somebody uses them, and nobody has given them up by name. A vGPU cannot be given up.
pub(super) fn pinned(gpu: &Gpu, usage: &Usage) -> Places {
    let mut places = in_use(gpu, usage);
    let is_given_up = |uuid: &MigUuid| usage.forced.contains(uuid);
    let has_vgpu = |instance: &&GpuInstance| {
        let mut slices = usage.slices.iter();
        slices.any(|(slice, by)| {
            let here = slice.gpu == gpu.pci && slice.placement == instance.placement;
            here && matches!(by, Use::Vgpu(_))
        })
    };
    for instance in gpu.instances.iter().filter(|one| !has_vgpu(one)) {
        let given_up = instance.compute.iter().filter(|one| is_given_up(&one.uuid));
        for one in given_up {
            match one.placement.filter(|_| parts::is_divided(instance)) {
                Some(part) => drop(places.parts.remove(&(instance.placement, part))),
                None => drop(places.whole.remove(&instance.placement)),
            }
        }
    }
    places
}

/// What the whole instances and the parts weigh that somebody uses and that may go all the same.
pub(super) fn weights(
    gpu: &Gpu,
    usage: &Usage,
) -> (BTreeMap<GiId, u64>, BTreeMap<(GiId, CiId), u64>) {
    let (used, pinned) = (in_use(gpu, usage), pinned(gpu, usage));
    let (mut whole, mut parts) = (BTreeMap::new(), BTreeMap::new());
    for instance in &gpu.instances {
        let place = instance.placement;
        if used.whole.contains(&place) && !pinned.whole.contains(&place) {
            whole.insert(instance.id, GIVEN_UP);
        }
        for one in &instance.compute {
            let part = one.placement.map(|part| (place, part));
            if part.is_some_and(|part| used.parts.contains(&part) && !pinned.parts.contains(&part))
            {
                parts.insert((instance.id, one.id), GIVEN_UP);
            }
        }
    }
    (whole, parts)
}

/// Every part of an instance, by the instance's place and its own.
pub(super) fn parts_of(instance: &GpuInstance) -> impl Iterator<Item = (Placement, Placement)> {
    let places = instance.compute.iter().filter_map(|one| one.placement);
    places.map(|part| (instance.placement, part))
}
