//! A whole layout on a whole host: which rule speaks of which GPU, what must stay, which mode each GPU
//! must have, and one exact plan per GPU.
//!
//! A layout is planned as a whole or refused as a whole, with the first reason found in order of the GPUs.
//! The one exception is a sick GPU that a rule covers only by `all`: it is left out and reported, so that
//! one sick device never blocks the others. Where a driver tells of its profiles only while MIG is on, the plan
//! turns MIG on and says which slices a second plan is for. AMD GPUs have modes and no slices, and rules of their own.
//! Nothing that is leased or in use is ever moved, but
//! for what an operator has named one by one ([`Usage::forced`]), and that only where nothing free will do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kerf_types::layout::Layout;
use kerf_types::{
    AmdGpu, Gpu, GpuUuid, Inventory, MigMode, MigUuid, PciAddress, Placement, ProfileId,
    ProfileName, SliceId, Step,
};

use crate::amd::AmdChange;
use crate::gpu::GpuPlan;

mod amd;
mod diff;
mod error;
mod exact;
mod one;
mod placed;
mod select;
mod sharing;
mod target;
mod together;
mod user;
mod users;

pub use error::PlanError;
pub(crate) use one::changes_mode_at_once;
pub use one::{existing, existing_parts, profiles_of};
pub use placed::placed;
pub(crate) use select::health_text;
pub use select::rules_by_gpu;
pub(crate) use sharing::taken;
pub use sharing::{SharedGpu, SharingChange};
pub use together::settled;
pub use user::{InUse, User};
pub(crate) use users::{part_uses, processes, uses};

/// Who uses a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Use {
    /// Nobody.
    Free,
    /// A lease; the text names its holder.
    Leased(String),
    /// Somebody or something that kerf does not know: never touched.
    Unknown,
    /// A vGPU, in words: never touched, and not given up by name either, for a virtual machine may have it.
    Vgpu(String),
}

/// Who uses what on a host. Processes that the inventory shows on an instance count as use besides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// Slices that are not free; one that is not listed is free.
    pub slices: BTreeMap<SliceId, Use>,
    /// Whole GPUs that are leased, with the holder's text.
    pub gpus: BTreeMap<PciAddress, String>,
    /// MIG devices that may be destroyed although somebody uses them: an operator has named each. One that is a
    /// part of a GPU instance says nothing of its siblings.
    pub forced: BTreeSet<MigUuid>,
    /// GPU instances that kerf divides on demand: an ask for a part may cut one more in them.
    pub divisible: BTreeSet<SliceId>,
    /// GPUs that carry vGPUs, in words: they keep their MIG mode and are given to nobody else.
    pub vgpus: BTreeMap<PciAddress, String>,
    /// GPUs that are shared, or whose slices are.
    pub shared: BTreeMap<PciAddress, SharedGpu>,
}

impl Usage {
    /// Whether a vGPU lies on a slice, or in the instance that it is a part of.
    pub(crate) fn carries_vgpu(&self, slice: SliceId) -> bool {
        let mut ids = [slice, slice.whole()].into_iter();
        ids.any(|id| matches!(self.slices.get(&id), Some(Use::Vgpu(_))))
    }
}

/// The question.
#[derive(Debug, Clone, Copy)]
pub struct HostRequest<'a> {
    /// What is there.
    pub inventory: &'a Inventory,
    /// What is wanted.
    pub layout: &'a Layout,
    /// Who uses it.
    pub usage: &'a Usage,
    /// Whether a GPU may be reset where its MIG mode cannot change otherwise.
    pub allow_reset: bool,
}

/// A GPU in a message. AMD GPUs have an index of their own, by the order of their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuName {
    /// NVML index.
    pub index: u32,
    /// Where it sits.
    pub pci: PciAddress,
}

/// What was planned of the GPUs of one rule together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Together {
    /// The rule, counted from 1.
    pub rule: usize,
    /// Its GPUs, in order of the index.
    pub gpus: Vec<PciAddress>,
    /// Sum of their costs.
    pub cost: u64,
    /// No split over them costs less.
    pub lower_bound: u64,
    /// Whether the cost is proven to be the least.
    pub proof: bool,
}

impl From<&Gpu> for GpuName {
    fn from(gpu: &Gpu) -> Self {
        Self {
            index: gpu.index,
            pci: gpu.pci,
        }
    }
}

impl From<&AmdGpu> for GpuName {
    fn from(gpu: &AmdGpu) -> Self {
        Self {
            index: gpu.index,
            pci: gpu.pci,
        }
    }
}

impl fmt::Display for GpuName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GPU {} ({})", self.index, self.pci)
    }
}

/// What to do on a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostPlan {
    /// One entry for each GPU that the layout names, in order of the index; many may be empty.
    pub gpus: Vec<GpuChange>,
    /// GPUs that `all` covers and that are left out, with the reason.
    pub skipped: Vec<(GpuName, String)>,
    /// Sum of the costs.
    pub cost: u64,
    /// No plan costs less.
    pub lower_bound: u64,
    /// Whether the cost is proven to be the least.
    pub proof: bool,
    /// The rules whose slices were split over their GPUs. What is proven of such a GPU alone holds for its share;
    /// what is proven of the split counts in the sums above.
    pub together: Vec<Together>,
    /// One entry for each AMD GPU that the layout names, in order of their addresses; many may be empty.
    pub amd: Vec<AmdChange>,
    /// AMD GPUs that a sweeping rule covers and that are left out, with the reason.
    pub amd_skipped: Vec<(GpuName, String)>,
    /// GPUs on which a way of sharing ends or begins, in order of the index.
    pub sharing: Vec<SharingChange>,
}

impl HostPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps().next().is_none() && self.sharing.is_empty()
    }

    /// Whether it changes this GPU, one of NVIDIA's: what lies on it, its mode, or how it is shared.
    pub fn changes(&self, gpu: PciAddress) -> bool {
        let mut changes = self.gpus.iter().filter(|change| change.pci == gpu);
        changes.any(|change| !change.steps.is_empty())
            || self.sharing.iter().any(|change| change.gpu.pci == gpu)
    }

    /// What ends or begins in the sharing of this GPU.
    pub fn sharing_of(&self, gpu: PciAddress) -> Option<&SharingChange> {
        self.sharing.iter().find(|change| change.gpu.pci == gpu)
    }

    /// Whether slices are left to a second plan, to be made when this one is carried out.
    pub fn is_first_part(&self) -> bool {
        self.gpus.iter().any(|gpu| !gpu.later.is_empty())
    }

    /// Every step, GPU by GPU.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        let amd = self.amd.iter().flat_map(|gpu| &gpu.steps);
        self.gpus.iter().flat_map(|gpu| &gpu.steps).chain(amd)
    }
}

/// What to do on one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuChange {
    /// NVML index.
    pub index: u32,
    /// Where it sits.
    pub pci: PciAddress,
    /// Its UUID.
    pub uuid: GpuUuid,
    /// MIG mode now.
    pub from: MigMode,
    /// MIG mode at the end.
    pub to: MigMode,
    /// What must exist whole at the end.
    pub target: BTreeMap<ProfileId, u32>,
    /// Which parts of GPU instances must exist, by profile and compute slices.
    pub parts: BTreeMap<(ProfileId, u8), u32>,
    /// Slices for which a second plan must be made when the steps are done: the driver tells of profiles
    /// only while MIG is on, so nobody knows yet where they could lie. `target` is empty then.
    pub later: BTreeMap<ProfileName, u32>,
    /// What stays, goes and comes.
    pub plan: GpuPlan,
    /// The steps, the change of mode included.
    pub steps: Vec<Step>,
    /// The same for people: by first unit, what goes before what comes.
    pub diff: Vec<DiffLine>,
}

/// One instance in a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffLine {
    /// Where.
    pub placement: Placement,
    /// Its place in the GPU instance, in compute slices, for a part of one.
    pub compute: Option<Placement>,
    /// What happens.
    pub change: Change,
    /// Name of the profile, or its id where it has none.
    pub profile: String,
    /// UUID of the MIG device that lives there.
    pub uuid: Option<MigUuid>,
    /// Who uses it.
    pub used_by: Option<String>,
}

/// What happens to an instance. What goes stands before what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It stays untouched.
    Keep,
    /// It goes.
    Destroy,
    /// It stays and gets the compute instance that it lacks.
    Mend,
    /// It is made.
    Create,
}

/// The cheapest plan of a layout, or the first reason against it.
pub fn plan_host(request: &HostRequest<'_>) -> Result<HostPlan, PlanError> {
    let mut plan = HostPlan {
        proof: true,
        ..HostPlan::default()
    };
    let mut grids = one::Grids::default();
    let mut groups = together::Groups::default();
    users::check_forced(request)?;
    let all = select::select(request)?;
    let rules = all.iter().map(|one| (one.gpu.pci, (one.gpu, one.rule)));
    let rules = rules.collect::<BTreeMap<_, _>>();
    for selected in all {
        let name = GpuName::from(selected.gpu);
        if !selected.gpu.health.is_ok() {
            let health = select::health_text(&selected.gpu.health);
            if selected.by_name {
                return Err(PlanError::Unhealthy { gpu: name, health });
            }
            plan.skipped.push((name, health));
            continue;
        }
        if selected.rule.together {
            groups.add(selected);
            continue;
        }
        let change = one::plan_one(request, &selected, None, &mut grids)?;
        plan.cost = plan.cost.saturating_add(change.plan.cost);
        plan.lower_bound = plan.lower_bound.saturating_add(change.plan.lower_bound);
        plan.proof &= change.plan.proof;
        plan.gpus.push(change);
    }
    groups.plan(request, &mut grids, &mut plan)?;
    amd::plan(request, &mut plan)?;
    sharing::plan(request, &rules, &mut plan)?;
    Ok(plan)
}
