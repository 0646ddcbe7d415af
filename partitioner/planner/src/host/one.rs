//! The plan of one GPU of a layout: what is pinned, which mode it needs, and what a person reads of it.

use std::collections::BTreeMap;
use std::rc::Rc;

use kerf_types::inventory::Architecture;
use kerf_types::{
    CiId, ComputeInstance, GiId, Gpu, GpuInstance, Inventory, MigMode, Profile, ProfileName, Step,
};

use super::diff::diff;
use super::select::Selected;
use super::target::{Aim, counted};
use super::users::{explain, is_forced, is_part_forced, part_uses, processes, slice_in_use, uses};
use super::{GpuChange, GpuName, HostRequest, PlanError, Usage, User};
use crate::gpu::{Existing, GpuPlan, Part, Target};
use crate::grid::Grid;

/// What a free slice costs when it is disturbed; one in use is pinned instead.
const FREE_WEIGHT: u64 = 1;

/// What one in use costs that may go by force. It outweighs every free slice of a GPU, of which there are 64 at
/// most: what somebody uses goes only where nothing else will do.
const FORCED_WEIGHT: u64 = 1_000;

/// Grids that were built for this host; GPUs of one model share theirs.
#[derive(Default)]
pub(super) struct Grids<'a>(Vec<(&'a [Profile], Rc<Grid>)>);

impl<'a> Grids<'a> {
    pub(super) fn grid(
        &mut self,
        name: GpuName,
        profiles: &'a [Profile],
    ) -> Result<Rc<Grid>, PlanError> {
        if let Some((_, grid)) = self.0.iter().find(|(known, _)| *known == profiles) {
            return Ok(Rc::clone(grid));
        }
        let grid = Grid::from_profiles(profiles);
        let grid = Rc::new(grid.map_err(|source| PlanError::Grid { gpu: name, source })?);
        self.0.push((profiles, Rc::clone(&grid)));
        Ok(grid)
    }
}

/// The plan of one GPU, its mode included; what its slices come to where its rule was split over several GPUs.
pub(super) fn plan_one<'a>(
    request: &HostRequest<'a>,
    selected: &Selected<'a>,
    share: Option<(Target, GpuPlan)>,
    grids: &mut Grids<'a>,
) -> Result<GpuChange, PlanError> {
    let gpu = selected.gpu;
    let name = GpuName::from(gpu);
    let on = selected.rule.mig_enabled;
    if on && gpu.mig_mode == MigMode::Unsupported {
        return Err(PlanError::NoMig { gpu: name });
    }
    let uses = uses(gpu, request.usage);
    let parts_used = part_uses(gpu, request.usage);
    let current = current(gpu, request.usage, &uses, &parts_used);
    let profiles = profiles_of(gpu, request.inventory);
    let grid = match profiles {
        [] => None,
        profiles => Some(grids.grid(name, profiles)?),
    };
    let (target, plan, later) = match (&grid, share) {
        (_, Some((target, plan))) => (target, plan, BTreeMap::new()),
        (Some(grid), None) => {
            let aim = Aim {
                grid,
                current: &current,
            };
            let explain = |error| explain(gpu, &uses, &parts_used, error);
            let (target, plan) = aim.at(selected, explain)?;
            (target, plan, BTreeMap::new())
        }
        (None, None) => {
            let later = later(selected, name)?;
            (Target::default(), clear(gpu, &uses, current)?, later)
        }
    };
    keep_under_vgpus(gpu, on, request, name)?;
    let mode = mode_step(gpu, on, request)?;
    if let Some(holder) = request.usage.gpus.get(&gpu.pci)
        && (mode.is_some() || !plan.is_empty())
    {
        let used_by = User::Lease(holder.clone());
        return Err(PlanError::GpuInUse { gpu: name, used_by });
    }
    let mut steps = plan.steps(gpu.pci);
    match mode {
        Some(step) if on => steps.insert(0, step),
        Some(step) => steps.push(step),
        None => {}
    }
    let diff = diff(gpu, grid.as_deref(), &plan, (&uses, &parts_used));
    Ok(GpuChange {
        index: gpu.index,
        pci: gpu.pci,
        uuid: gpu.uuid.clone(),
        from: gpu.mig_mode,
        to: mode_after(gpu, on),
        target: target.whole,
        parts: target.parts,
        later,
        plan,
        steps,
        diff,
    })
}

/// The mode of a GPU is not changed under its vGPUs.
fn keep_under_vgpus(
    gpu: &Gpu,
    on: bool,
    request: &HostRequest<'_>,
    name: GpuName,
) -> Result<(), PlanError> {
    match request.usage.vgpus.get(&gpu.pci) {
        Some(vgpus) if gpu.mig_mode.is_on() != on => {
            let used_by = User::Vgpu(vgpus.clone());
            Err(PlanError::GpuInUse { gpu: name, used_by })
        }
        _ => Ok(()),
    }
}

/// The mode at the end of a plan.
fn mode_after(gpu: &Gpu, on: bool) -> MigMode {
    match (gpu.mig_mode, on) {
        (MigMode::Unsupported, _) => MigMode::Unsupported,
        (_, true) => MigMode::Enabled,
        (_, false) => MigMode::Disabled,
    }
}

/// The instances of a GPU, each slice that somebody uses pinned, but for those that an operator gave up by name.
pub(super) fn current(
    gpu: &Gpu,
    usage: &Usage,
    uses: &BTreeMap<GiId, User>,
    parts: &BTreeMap<(GiId, CiId), User>,
) -> Vec<Existing> {
    let fact = |is_used, is_forced| match (is_used, is_forced) {
        (true, true) => (FORCED_WEIGHT, false),
        (is_used, _) => (FREE_WEIGHT, is_used),
    };
    let one = |instance: &GpuInstance| {
        let part = |one: &ComputeInstance| {
            let is_used = parts.contains_key(&(instance.id, one.id));
            fact(is_used, is_part_forced(gpu, instance, one, usage))
        };
        let is_used = uses.contains_key(&instance.id);
        let whole = fact(is_used, is_forced(gpu, instance, usage));
        existing_parts(gpu, instance, whole, part)
    };
    gpu.instances.iter().map(one).collect()
}

/// An instance of the inventory as the planner takes it, each slice of it with this weight.
pub fn existing(gpu: &Gpu, instance: &GpuInstance, weight: u64, pinned: bool) -> Existing {
    existing_parts(gpu, instance, (weight, pinned), |_| (weight, pinned))
}

/// The same where weight and pin are known of each part. Those of the whole count where it is not divided.
pub fn existing_parts(
    gpu: &Gpu,
    instance: &GpuInstance,
    whole: (u64, bool),
    of_part: impl Fn(&ComputeInstance) -> (u64, bool),
) -> Existing {
    let full = gpu
        .profile(instance.profile)
        .and_then(|profile| profile.full_compute_profile);
    let complete = match instance.compute.as_slice() {
        [one] => one.placement.is_none() && full.is_none_or(|full| one.profile == full),
        _ => false,
    };
    let part = |one: &ComputeInstance| {
        let (weight, pinned) = of_part(one);
        Some(Part {
            ci: one.id,
            uuid: one.uuid.clone(),
            place: one.placement?,
            weight,
            pinned,
        })
    };
    let parts: Vec<Part> = match instance.is_divided() {
        true => instance.compute.iter().filter_map(part).collect(),
        false => Vec::new(),
    };
    let sum = |weight: u64, part: &Part| weight.saturating_add(part.weight);
    let (weight, pinned) = match parts.as_slice() {
        [] => whole,
        parts => (
            parts.iter().fold(0, sum),
            parts.iter().any(|part| part.pinned),
        ),
    };
    let compute = instance.compute.iter();
    Existing {
        gi: instance.id,
        profile: instance.profile,
        placement: instance.placement,
        weight,
        pinned,
        complete,
        compute: compute.map(|ci| (ci.id, ci.uuid.clone())).collect(),
        parts,
    }
}

/// What the driver says of this GPU or, where it tells nothing while MIG is off, of one of its model.
pub fn profiles_of<'a>(gpu: &'a Gpu, inventory: &'a Inventory) -> &'a [Profile] {
    if !gpu.profiles.is_empty() {
        return &gpu.profiles;
    }
    let twin = inventory.gpus.iter().find(|other| {
        other.pci_device_id == gpu.pci_device_id
            && other.pci_subsystem_id == gpu.pci_subsystem_id
            && !other.profiles.is_empty()
    });
    twin.map_or(&[], |twin| &twin.profiles)
}

/// What is wanted of a GPU whose profiles nobody knows: it waits until MIG is on. With MIG on the driver has
/// had its chance to tell.
fn later(selected: &Selected<'_>, gpu: GpuName) -> Result<BTreeMap<ProfileName, u32>, PlanError> {
    let later = counted(selected.rule);
    match selected.gpu.mig_mode.is_on() && !later.is_empty() {
        true => Err(PlanError::ProfilesUnknown { gpu }),
        false => Ok(later),
    }
}

/// The plan of a GPU that is to be empty and whose profiles nobody knows.
fn clear(
    gpu: &Gpu,
    uses: &BTreeMap<GiId, User>,
    current: Vec<Existing>,
) -> Result<GpuPlan, PlanError> {
    if let Some(pin) = current.iter().find(|instance| instance.pinned) {
        let profile = format!("profile {}", pin.profile);
        return Err(slice_in_use(gpu, uses, pin.gi, profile));
    }
    let cost = current
        .iter()
        .fold(0_u64, |sum, one| sum.saturating_add(one.weight));
    Ok(GpuPlan {
        destroy: current,
        cost,
        lower_bound: cost,
        proof: true,
        ..GpuPlan::default()
    })
}

/// The step that changes the mode, `None` where it is as it should be.
fn mode_step(gpu: &Gpu, on: bool, request: &HostRequest<'_>) -> Result<Option<Step>, PlanError> {
    let name = GpuName::from(gpu);
    let takes_effect = match (gpu.mig_mode, on) {
        (MigMode::Unsupported, _) | (MigMode::Enabled, true) | (MigMode::Disabled, false) => {
            return Ok(None);
        }
        // Only the pending change is taken back, the GPU itself does not change.
        (MigMode::DisablePending, true) | (MigMode::EnablePending, false) => false,
        (MigMode::Disabled | MigMode::EnablePending, true)
        | (MigMode::Enabled | MigMode::DisablePending, false) => true,
    };
    if takes_effect {
        if let Some(used_by) = processes(gpu, None) {
            return Err(PlanError::GpuInUse { gpu: name, used_by });
        }
        if !changes_mode_at_once(gpu) && !request.allow_reset {
            return Err(PlanError::NeedsReset { gpu: name, on });
        }
    }
    let allow_reset = request.allow_reset;
    Ok(Some(Step::SetMigMode {
        gpu: gpu.pci,
        enabled: on,
        allow_reset,
    }))
}

/// Whether the MIG mode changes without a reset. An architecture that we do not know is taken for one that
/// needs it.
pub(crate) fn changes_mode_at_once(gpu: &Gpu) -> bool {
    matches!(
        gpu.architecture,
        Architecture::Hopper | Architecture::Blackwell
    )
}
