//! Shares against the host: a place is given once, on a device that is shared in just that way and works; and a
//! way of sharing changes only where nobody is.

use std::collections::BTreeSet;

use kerf_types::layout::LayoutRule;
use kerf_types::{DeviceId, Gpu, GpuInstance, MigMode, Sharing, SharingMode};

use super::layout::{profiles, speaks_of};
use super::{Violation, parts};
use crate::choose::{Pick, SharePick};
use crate::host::{GpuChange, HostPlan, HostRequest, Usage, Use};

/// Most MPS clients of a whole GPU (MPS documentation, "Client Connection Limit"); a slice serves its part of them.
const CLIENTS: u64 = 48;

/// Whether this very place may be given.
pub(super) fn is_free(gpu: &Gpu, usage: &Usage, pick: &SharePick) -> bool {
    let Some(shared) = usage.shared.get(&gpu.pci) else {
        return false;
    };
    let (mode, places) = match shared.sharing {
        Sharing::Mps(mps) => (SharingMode::Mps, mps.clients.get()),
        Sharing::TimeSlice(slices) => (SharingMode::TimeSlice, slices.replicas.get()),
    };
    let share = pick.share;
    let taken = shared.taken.get(&pick.device);
    let nobody = BTreeSet::new();
    let taken = taken.unwrap_or(&nobody);
    let others = match pick.device {
        DeviceId::Gpu(pci) => usage.gpus.contains_key(&pci) || !gpu.processes.is_empty(),
        DeviceId::Slice(slice) => {
            let used = usage.slices.get(&slice);
            used.is_some_and(|used| *used != Use::Free)
        }
    };
    share.mode == mode
        && share.of == places
        && share.index < places
        && !taken.contains(&share.index)
        && shared.settled
        && !shared.resting.contains_key(&pick.device)
        && (!others || !taken.is_empty())
        && is_there(gpu, pick.device)
}

fn is_there(gpu: &Gpu, device: DeviceId) -> bool {
    match device {
        DeviceId::Gpu(pci) => {
            let is_off = matches!(gpu.mig_mode, MigMode::Disabled | MigMode::Unsupported);
            pci == gpu.pci && is_off && gpu.instances.is_empty()
        }
        DeviceId::Slice(slice) => {
            let holds = |one: &GpuInstance| {
                let divided = parts::is_divided(one);
                one.placement == slice.placement
                    && match slice.compute {
                        None => !divided && one.compute.len() == 1,
                        part => divided && one.compute.iter().any(|ci| ci.placement == part),
                    }
            };
            slice.gpu == gpu.pci
                && gpu.mig_mode == MigMode::Enabled
                && gpu.instances.iter().any(holds)
        }
    }
}

/// Whether two picks are one place, or a place and the whole of its device.
pub(super) fn is_same(a: &SharePick, other: &Pick) -> bool {
    match other {
        Pick::Share(b) => a.device == b.device && a.share.index == b.share.index,
        // Nothing of a shared GPU is given in another way.
        _ => a.device.gpu() == other.gpu(),
    }
}

/// Everything that is wrong with what a plan says about sharing.
pub(super) fn check(request: &HostRequest<'_>, plan: &HostPlan) -> Vec<(u32, Violation)> {
    let mut found = Vec::new();
    for change in &plan.gpus {
        let gpu = request
            .inventory
            .gpus
            .iter()
            .find(|gpu| gpu.pci == change.pci);
        let mut rules = request.layout.rules.iter();
        let Some(gpu) = gpu else { continue };
        let Some(rule) = rules.find(|rule| speaks_of(rule, gpu, request.inventory)) else {
            continue;
        };
        let wrong = check_one(request.usage, gpu, rule, change, plan);
        let crowded = check_clients(request, gpu, rule, change);
        let all = wrong.into_iter().chain(crowded);
        found.extend(all.map(|violation| (gpu.index, violation)));
    }
    for entry in &plan.sharing {
        let planned = plan.gpus.iter().filter(|gpu| gpu.pci == entry.gpu.pci);
        let twice = plan.sharing.iter().filter(|other| other.gpu == entry.gpu);
        if planned.count() != 1 || twice.count() != 1 {
            found.push((entry.gpu.index, Violation::Claim("how it is shared")));
        }
    }
    found
}

/// Whether each device that the GPU will have serves the MPS clients that its rule wants. Of profiles that nobody
/// knows yet nothing can be said: their slices wait for a second plan.
fn check_clients(
    request: &HostRequest<'_>,
    gpu: &Gpu,
    rule: &LayoutRule,
    change: &GpuChange,
) -> Option<Violation> {
    let Some(Sharing::Mps(mps)) = rule.sharing else {
        return None;
    };
    let wanted = u64::from(mps.clients.get());
    if !rule.mig_enabled {
        let is_crowded = wanted > CLIENTS;
        return is_crowded.then_some(Violation::TooManyClients { slices: None });
    }
    let known = profiles(gpu, request.inventory.gpus.iter());
    let whole = known
        .iter()
        .map(|profile| u64::from(profile.slices))
        .max()?;
    let wholes = change.target.keys().filter_map(|id| {
        let profile = known.iter().find(|profile| profile.id == *id)?;
        Some(profile.slices)
    });
    let parts = change.parts.keys().map(|(_, slices)| u32::from(*slices));
    // One client has room everywhere; of more, each needs its part of the slice.
    let is_crowded = |slices: &u32| wanted > 1 && wanted * whole > CLIENTS * u64::from(*slices);
    let slices = wholes.chain(parts).find(is_crowded)?;
    let slices = Some(slices);
    Some(Violation::TooManyClients { slices })
}

fn check_one(
    usage: &Usage,
    gpu: &Gpu,
    rule: &LayoutRule,
    change: &GpuChange,
    plan: &HostPlan,
) -> Option<Violation> {
    let entry = plan.sharing.iter().find(|entry| entry.gpu.pci == gpu.pci);
    let now = usage.shared.get(&gpu.pci).map(|shared| shared.sharing);
    let ends_elsewhere = now.is_some()
        && matches!(gpu.mig_mode, MigMode::Enabled | MigMode::DisablePending) != rule.mig_enabled;
    let is_half = usage
        .shared
        .get(&gpu.pci)
        .is_some_and(|shared| !shared.settled);
    let is_due = now != rule.sharing || ends_elsewhere || is_half;
    let Some(entry) = entry else {
        return is_due.then_some(Violation::Claim("how it is shared"));
    };
    if !is_due || (entry.from, entry.to) != (now, rule.sharing) || entry.gpu.index != change.index {
        return Some(Violation::Claim("how it is shared"));
    }
    let on_it = |id: &kerf_types::SliceId, used: &Use| id.gpu == gpu.pci && *used != Use::Free;
    let in_use = usage.gpus.contains_key(&gpu.pci)
        || usage.vgpus.contains_key(&gpu.pci)
        || usage.slices.iter().any(|(id, used)| on_it(id, used))
        || !gpu.processes.is_empty();
    let no_interval = rule.mig_enabled && matches!(rule.sharing, Some(Sharing::TimeSlice(_)));
    (in_use || no_interval).then_some(Violation::SharedInUse)
}
