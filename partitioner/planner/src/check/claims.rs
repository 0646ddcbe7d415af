//! What a plan says of itself, against what its steps do to what is there.
//!
//! Every fact is read from the inventory again: an instance in a plan is believed to be what the plan says
//! only where the inventory says the same.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::{CiId, GiId, Gpu, GpuInstance, MigUuid, Placement, ProfileId, Step};

use super::{Expected, Violation, bound, complete};
use crate::gpu::{Existing, GpuPlan};

/// What the steps of a plan come to.
#[derive(Default)]
pub(super) struct Effects {
    /// GPU instances that go.
    pub gone: BTreeSet<GiId>,
    /// GPU instances that lose a compute instance.
    pub emptied: BTreeSet<GiId>,
    /// GPU instances that come.
    pub made: BTreeMap<Placement, ProfileId>,
    /// Compute instances that come, by the place of their GPU instance.
    pub filled: BTreeMap<Placement, ProfileId>,
}

impl Effects {
    pub fn of(steps: &[Step]) -> Self {
        let mut effects = Self::default();
        for step in steps {
            match step {
                Step::DestroyGpuInstance { gi, .. } => drop(effects.gone.insert(*gi)),
                Step::DestroyComputeInstance { gi, .. } => drop(effects.emptied.insert(*gi)),
                Step::CreateGpuInstance {
                    placement, profile, ..
                } => drop(effects.made.insert(*placement, *profile)),
                Step::CreateComputeInstance {
                    placement, profile, ..
                } => drop(effects.filled.insert(*placement, *profile)),
                Step::SetMigMode { .. }
                | Step::SetAmdCompute { .. }
                | Step::SetAmdMemory { .. } => {}
            }
        }
        effects
    }

    /// What the disturbed instances weigh together.
    pub fn cost(&self, gpu: &Gpu, expected: &Expected<'_>) -> u64 {
        let disturbed =
            |one: &&GpuInstance| self.gone.contains(&one.id) || self.emptied.contains(&one.id);
        let disturbed = gpu.instances.iter().filter(disturbed);
        disturbed.fold(0, |sum: u64, one| sum.saturating_add(expected.weight(one)))
    }
}

/// Adds a violation for each list or number that does not agree with the steps and the inventory.
pub(super) fn check(
    gpu: &Gpu,
    plan: &GpuPlan,
    effects: &Effects,
    expected: &Expected<'_>,
    found: &mut Vec<Violation>,
) {
    let mut claim = |holds: bool, what| {
        if !holds {
            found.push(Violation::Claim(what));
        }
    };
    let destroyed: BTreeSet<GiId> = plan.destroy.iter().map(|instance| instance.gi).collect();
    claim(
        destroyed == effects.gone && destroyed.len() == plan.destroy.len(),
        "what goes",
    );
    let kept: BTreeSet<GiId> = plan.keep.iter().map(|kept| kept.instance.gi).collect();
    let survivors = gpu.instances.iter().map(|instance| instance.id);
    let survivors: BTreeSet<GiId> = survivors.filter(|gi| !effects.gone.contains(gi)).collect();
    claim(
        kept == survivors && kept.len() == plan.keep.len(),
        "what stays",
    );
    let made = plan.create.iter().map(|one| (one.placement, one.profile));
    let made: BTreeMap<Placement, ProfileId> = made.collect();
    claim(
        made == effects.made && made.len() == plan.create.len(),
        "what is made",
    );
    let mends = plan.keep.iter();
    let mends = mends.filter_map(|kept| Some((kept.instance.placement, kept.mend?)));
    let fills = plan
        .create
        .iter()
        .map(|one| (one.placement, one.compute_profile));
    let filled: BTreeMap<Placement, ProfileId> = fills.chain(mends).collect();
    claim(filled == effects.filled, "what is filled");
    let named = plan.keep.iter().map(|kept| &kept.instance);
    let mut named = named.chain(&plan.destroy);
    claim(
        named.all(|one| is_true(gpu, one, expected)),
        "an instance that lives",
    );
    claim(plan.cost == effects.cost(gpu, expected), "its cost");
    claim(
        plan.lower_bound <= plan.cost
            && plan.proof == (plan.lower_bound == plan.cost)
            && !bound::is_beaten(&gpu.instances, expected, plan.lower_bound),
        "its bound",
    );
    found.extend(needless(gpu, effects, expected).map(Violation::Needless));
}

/// Whether the inventory has this very instance.
fn is_true(gpu: &Gpu, said: &Existing, expected: &Expected<'_>) -> bool {
    let Some(live) = gpu.instances.iter().find(|live| live.id == said.gi) else {
        return false;
    };
    let compute: Vec<(CiId, MigUuid)> = live
        .compute
        .iter()
        .map(|one| (one.id, one.uuid.clone()))
        .collect();
    said.profile == live.profile
        && said.placement == live.placement
        && said.weight == expected.weight(live)
        && said.pinned == expected.pinned.contains(&live.placement)
        && said.complete == complete(live, expected.profiles)
        && said.compute == compute
}

/// Places of instances that go although one of their profile is made elsewhere and nothing but that new one
/// lies on their units at the end: to keep one would give the same slices and disturb less.
fn needless(
    gpu: &Gpu,
    effects: &Effects,
    expected: &Expected<'_>,
) -> impl Iterator<Item = Placement> {
    let (gone, kept): (Vec<_>, Vec<_>) = gpu
        .instances
        .iter()
        .partition(|live| effects.gone.contains(&live.id));
    let kept = kept.into_iter().map(|live| live.placement);
    let end: Vec<Placement> = kept.chain(effects.made.keys().copied()).collect();
    let is_needless = |gone: &&GpuInstance| {
        let stays_whole = gone.compute.is_empty() || complete(gone, expected.profiles);
        let mut same = effects
            .made
            .iter()
            .filter(|(_, profile)| **profile == gone.profile);
        expected.weight(gone) > 0
            && stays_whole
            && same.any(|(new, _)| {
                let mut others = end.iter().filter(|other| *other != new);
                others.all(|other| {
                    other.end() <= gone.placement.start || gone.placement.end() <= other.start
                })
            })
    };
    let needless: Vec<Placement> = gone
        .into_iter()
        .filter(is_needless)
        .map(|gone| gone.placement)
        .collect();
    needless.into_iter()
}
