//! What a plan says of itself, against what its steps do to what is there.
//!
//! Every fact is read from the inventory again: an instance in a plan is believed to be what the plan says
//! only where the inventory says the same.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::{CiId, GiId, Gpu, GpuInstance, MigUuid, Placement, ProfileId, Step};

use super::{Expected, ExpectedParts, Violation, bound, complete, parts};
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
    /// Compute instances that come and fill, by the place of their GPU instance.
    pub filled: BTreeMap<Placement, ProfileId>,
    /// Compute instances that go.
    pub ended: BTreeSet<(GiId, CiId)>,
    /// Parts that come, by the place of their GPU instance and their own.
    pub parts: BTreeMap<(Placement, Placement), ProfileId>,
}

impl Effects {
    pub fn of(steps: &[Step]) -> Self {
        let mut effects = Self::default();
        for step in steps {
            match step {
                Step::DestroyGpuInstance { gi, .. } => drop(effects.gone.insert(*gi)),
                Step::DestroyComputeInstance { gi, ci, .. } => {
                    effects.emptied.insert(*gi);
                    effects.ended.insert((*gi, *ci));
                }
                Step::CreateGpuInstance {
                    placement, profile, ..
                } => drop(effects.made.insert(*placement, *profile)),
                Step::CreateComputeInstance {
                    placement,
                    profile,
                    compute,
                    ..
                } => match compute {
                    None => drop(effects.filled.insert(*placement, *profile)),
                    Some(part) => drop(effects.parts.insert((*placement, *part), *profile)),
                },
                Step::SetMigMode { .. }
                | Step::SetAmdCompute { .. }
                | Step::SetAmdMemory { .. }
                | Step::SetSriov { .. }
                | Step::CreateVgpu { .. }
                | Step::DestroyVgpu { .. } => {}
            }
        }
        effects
    }

    /// What the disturbed slices weigh together.
    pub fn cost(&self, gpu: &Gpu, expected: &Expected<'_>, parts: &ExpectedParts) -> u64 {
        let mut sum: u64 = 0;
        for one in &gpu.instances {
            let gone = self.gone.contains(&one.id);
            if !parts::is_divided(one) {
                let disturbed = gone || self.emptied.contains(&one.id);
                let weight = if disturbed { expected.weight(one) } else { 0 };
                sum = sum.saturating_add(weight);
                continue;
            }
            for part in &one.compute {
                if gone || self.ended.contains(&(one.id, part.id)) {
                    sum = sum.saturating_add(parts.weight(one.id, part.id));
                }
            }
        }
        sum
    }
}

/// Adds a violation for each list or number that does not agree with the steps and the inventory.
pub(super) fn check(
    gpu: &Gpu,
    plan: &GpuPlan,
    effects: &Effects,
    expected: &Expected<'_>,
    parts: &ExpectedParts,
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
    let new = || plan.divide.iter().filter(|one| one.gi.is_none());
    let made = plan.create.iter().map(|one| (one.placement, one.profile));
    let made = made.chain(new().map(|one| (one.placement, one.profile)));
    let made: BTreeMap<Placement, ProfileId> = made.collect();
    claim(
        made == effects.made && made.len() == plan.create.len() + new().count(),
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
        named.all(|one| is_true(gpu, one, expected, parts)),
        "an instance that lives",
    );
    claim(
        divisions_are_true(gpu, plan, effects, parts),
        "what is divided",
    );
    claim(plan.cost == effects.cost(gpu, expected, parts), "its cost");
    // The bound's own search knows whole instances. Where parts are about, its other claims stand alone.
    let wanted = parts.slices.values().any(|count| *count > 0);
    let divided = wanted || gpu.instances.iter().any(parts::is_divided);
    claim(
        plan.lower_bound <= plan.cost
            && plan.proof == (plan.lower_bound == plan.cost)
            && (divided || !bound::is_beaten(&gpu.instances, expected, plan.lower_bound)),
        "its bound",
    );
    found.extend(needless(gpu, effects, expected).map(Violation::Needless));
    found.extend(parts::needless(gpu, effects, parts));
}

/// Whether the divisions say what the steps do: which compute instances go and come, and which stay.
fn divisions_are_true(gpu: &Gpu, plan: &GpuPlan, effects: &Effects, parts: &ExpectedParts) -> bool {
    let mends = plan.keep.iter().filter(|kept| kept.mend.is_some());
    let emptied = mends.map(|kept| &kept.instance).chain(&plan.destroy);
    let mut ended = BTreeSet::new();
    let mut count = 0;
    for instance in emptied {
        count += instance.compute.len();
        ended.extend(instance.compute.iter().map(|(ci, _)| (instance.gi, *ci)));
    }
    let mut made = BTreeMap::new();
    let mut made_count = 0;
    let mut holds = true;
    for one in &plan.divide {
        let live = gpu.instances.iter().find(|live| Some(live.id) == one.gi);
        holds &= match (one.gi, live) {
            (None, _) => one.keep.is_empty() && one.destroy.is_empty(),
            (Some(_), Some(live)) => {
                live.placement == one.placement
                    && live.profile == one.profile
                    && parts.stay(live, &one.keep, &one.destroy)
            }
            (Some(_), None) => false,
        };
        let gi = one.gi;
        count += one.destroy.len();
        ended.extend(one.destroy.iter().filter_map(|(ci, _)| Some((gi?, *ci))));
        made_count += one.create.len();
        let new = one.create.iter();
        made.extend(new.map(|part| ((one.placement, part.place), part.compute_profile)));
    }
    holds
        && ended == effects.ended
        && ended.len() == count
        && made == effects.parts
        && made.len() == made_count
}

/// Whether the inventory has this very instance.
fn is_true(gpu: &Gpu, said: &Existing, expected: &Expected<'_>, parts: &ExpectedParts) -> bool {
    let Some(live) = gpu.instances.iter().find(|live| live.id == said.gi) else {
        return false;
    };
    let compute: Vec<(CiId, MigUuid)> = live
        .compute
        .iter()
        .map(|one| (one.id, one.uuid.clone()))
        .collect();
    let (weight, pinned) = match parts::is_divided(live) {
        true => parts.of(live),
        false => {
            let pinned = expected.pinned.contains(&live.placement);
            (expected.weight(live), pinned)
        }
    };
    said.profile == live.profile
        && said.placement == live.placement
        && said.weight == weight
        && said.pinned == pinned
        && parts.are_true(live, &said.parts)
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
            .filter(|(_, profile)| **profile == gone.profile)
            .filter(|(place, _)| gone.compute.is_empty() || effects.filled.contains_key(place));
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
