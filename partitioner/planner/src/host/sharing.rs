//! How the GPUs of a layout are shared: what ends, what begins, and who is in the way of it.
//!
//! A GPU is shared as a whole, or with MIG on each of its slices is; what is shared so is given in no other way.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::layout::LayoutRule;
use kerf_types::sharing::{Mps, mps_limit};
use kerf_types::{DeviceId, Gpu, Inventory, PciAddress, ProfileName, Sharing};

use super::one::profiles_of;
use super::users::{processes, slice_in_use, uses};
use super::{GpuChange, GpuName, HostPlan, HostRequest, PlanError, Usage, User};

/// How the devices of a GPU are shared now, and who has which place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedGpu {
    /// How.
    pub sharing: Sharing,
    /// Whether all of it stands. What failed half-way is begun anew by a layout that wants it.
    pub settled: bool,
    /// The places that are given, by device.
    pub taken: BTreeMap<DeviceId, BTreeSet<u32>>,
    /// Devices of which no place is given now, and why.
    pub resting: BTreeMap<DeviceId, String>,
}

impl SharedGpu {
    /// Shared so, and nobody has any of it.
    pub fn new(sharing: Sharing) -> Self {
        Self {
            sharing,
            settled: true,
            taken: BTreeMap::new(),
            resting: BTreeMap::new(),
        }
    }
}

/// A GPU on which a way of sharing ends or begins. What ends does so before the GPU's steps, what begins after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharingChange {
    /// The GPU.
    pub gpu: GpuName,
    /// What ends.
    pub from: Option<Sharing>,
    /// What begins.
    pub to: Option<Sharing>,
}

/// Adds to a plan how its GPUs are to be shared, each with the rule that speaks of it.
pub(super) fn plan(
    request: &HostRequest<'_>,
    rules: &BTreeMap<PciAddress, (&Gpu, &LayoutRule)>,
    plan: &mut HostPlan,
) -> Result<(), PlanError> {
    for change in &plan.gpus {
        let Some((gpu, rule)) = rules.get(&change.pci) else {
            continue;
        };
        plan.sharing.extend(plan_one(request, gpu, rule, change)?);
    }
    Ok(())
}

fn plan_one(
    request: &HostRequest<'_>,
    gpu: &Gpu,
    rule: &LayoutRule,
    change: &GpuChange,
) -> Result<Option<SharingChange>, PlanError> {
    let name = GpuName::from(gpu);
    let now = request.usage.shared.get(&gpu.pci);
    let (from, to) = (now.map(|shared| shared.sharing), rule.sharing);
    match to {
        Some(Sharing::TimeSlice(_)) if rule.mig_enabled => {
            return Err(PlanError::TimeSlicesWithMig { gpu: name });
        }
        Some(Sharing::Mps(mps)) if rule.mig_enabled => {
            clients_fit(gpu, request.inventory, change, mps)?;
        }
        _ => {}
    }
    // With another mode it is other devices that are shared.
    let is_moved = gpu.mig_mode.is_on() != rule.mig_enabled;
    let stands = now.is_none_or(|shared| shared.settled && !is_moved);
    if from == to && stands {
        return Ok(None);
    }
    in_nobodys_way(gpu, request.usage)?;
    Ok(Some(SharingChange {
        gpu: name,
        from,
        to,
    }))
}

/// Whether every slice that the GPU will have serves so many clients.
fn clients_fit(
    gpu: &Gpu,
    inventory: &Inventory,
    change: &GpuChange,
    mps: Mps,
) -> Result<(), PlanError> {
    let profiles = profiles_of(gpu, inventory);
    let whole = profiles.iter().map(|profile| profile.slices).max();
    let known = |id| profiles.iter().find(move |profile| profile.id == id);
    let wholes = change.target.keys().map(|id| (*id, None));
    let parts = change.parts.keys().map(|(id, part)| (*id, Some(*part)));
    let slices: BTreeSet<(u32, ProfileName)> = wholes
        .chain(parts)
        .filter_map(|(id, part)| {
            let profile = known(id)?;
            let slices = part.map_or(profile.slices, u32::from);
            Some((slices, profile.name.part(part)))
        })
        .collect();
    for (slices, profile) in slices {
        let most = mps_limit(slices, whole.unwrap_or(slices));
        if mps.clients.get() > most {
            return Err(PlanError::TooManyClients {
                gpu: gpu.into(),
                profile,
                wanted: mps.clients.get(),
                most,
            });
        }
    }
    Ok(())
}

/// A way of sharing changes only where nobody uses any of the GPU.
fn in_nobodys_way(gpu: &Gpu, usage: &Usage) -> Result<(), PlanError> {
    let name = GpuName::from(gpu);
    let holder = usage.gpus.get(&gpu.pci);
    let vgpus = || usage.vgpus.get(&gpu.pci).cloned().map(User::Vgpu);
    let used_by = holder.cloned().map(User::Lease).or_else(vgpus);
    if let Some(used_by) = used_by.or_else(|| processes(gpu, None)) {
        return Err(PlanError::GpuInUse { gpu: name, used_by });
    }
    let uses = uses(gpu, usage);
    let Some(gi) = uses.keys().next() else {
        return Ok(());
    };
    let profile = gpu
        .instances
        .iter()
        .find(|instance| instance.id == *gi)
        .and_then(|instance| gpu.profile(instance.profile));
    let profile = profile.map_or("a profile without a name".to_owned(), |profile| {
        profile.name.to_string()
    });
    match slice_in_use(gpu, &uses, *gi, profile) {
        PlanError::SliceInUse {
            slice,
            profile,
            used_by,
            others,
        } => Err(PlanError::ShareInUse {
            slice,
            profile,
            used_by,
            others,
        }),
        other => Err(other),
    }
}

/// Who has a place on a device of a GPU.
pub(crate) fn taken(usage: &Usage, gpu: PciAddress, device: DeviceId) -> BTreeSet<u32> {
    let shared = usage.shared.get(&gpu);
    let taken = shared.and_then(|shared| shared.taken.get(&device));
    taken.cloned().unwrap_or_default()
}
