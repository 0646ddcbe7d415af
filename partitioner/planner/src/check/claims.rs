//! What a plan says of itself, against what its steps do.

use std::collections::BTreeSet;

use kerf_types::{GiId, Gpu, Placement, ProfileId, Step};

use super::Violation;
use crate::gpu::{Existing, GpuPlan};

/// Adds a violation for each list or number that does not agree with the steps.
pub(super) fn check(gpu: &Gpu, plan: &GpuPlan, steps: &[Step], found: &mut Vec<Violation>) {
    let mut gone: BTreeSet<GiId> = BTreeSet::new();
    let mut emptied: BTreeSet<GiId> = BTreeSet::new();
    let mut made: Vec<(Placement, ProfileId)> = Vec::new();
    for step in steps {
        match step {
            Step::DestroyGpuInstance { gi, .. } => drop(gone.insert(*gi)),
            Step::DestroyComputeInstance { gi, .. } => drop(emptied.insert(*gi)),
            Step::CreateGpuInstance {
                placement, profile, ..
            } => made.push((*placement, *profile)),
            Step::SetMigMode { .. } | Step::CreateComputeInstance { .. } => {}
        }
    }
    let destroyed: BTreeSet<GiId> = plan.destroy.iter().map(|instance| instance.gi).collect();
    if destroyed != gone || destroyed.len() != plan.destroy.len() {
        found.push(Violation::Claim("what goes"));
    }
    let kept: BTreeSet<GiId> = plan.keep.iter().map(|kept| kept.instance.gi).collect();
    let survivors = gpu.instances.iter().map(|instance| instance.id);
    let survivors: BTreeSet<GiId> = survivors.filter(|gi| !gone.contains(gi)).collect();
    if kept != survivors || kept.len() != plan.keep.len() {
        found.push(Violation::Claim("what stays"));
    }
    let mut create: Vec<(Placement, ProfileId)> = plan
        .create
        .iter()
        .map(|creation| (creation.placement, creation.profile))
        .collect();
    create.sort_unstable();
    made.sort_unstable();
    if create != made {
        found.push(Violation::Claim("what is made"));
    }
    let disturbed = plan.destroy.iter().chain(
        plan.keep
            .iter()
            .map(|kept| &kept.instance)
            .filter(|one| emptied.contains(&one.gi)),
    );
    let cost = disturbed.fold(0_u64, |sum, instance| sum.saturating_add(instance.weight));
    if cost != plan.cost {
        found.push(Violation::Claim("its cost"));
    }
    if plan.lower_bound > plan.cost || plan.proof != (plan.lower_bound == plan.cost) {
        found.push(Violation::Claim("its bound"));
    }
    let kept = plan.keep.iter().map(|kept| kept.instance.placement);
    let end: Vec<Placement> = kept.chain(create.iter().map(|(place, _)| *place)).collect();
    let needless = plan
        .destroy
        .iter()
        .filter(|gone| is_needless(gone, &create, &end));
    found.extend(needless.map(|gone| Violation::Needless(gone.placement)));
}

/// Whether an instance goes although one of its profile is made elsewhere and nothing but that new one lies
/// on its units at the end: to keep it would give the same slices and disturb less.
fn is_needless(gone: &Existing, made: &[(Placement, ProfileId)], end: &[Placement]) -> bool {
    let could_stay_whole = gone.complete || gone.compute.is_empty();
    let same = made.iter().filter(|(_, profile)| *profile == gone.profile);
    gone.weight > 0
        && could_stay_whole
        && same.map(|(place, _)| place).any(|new| {
            end.iter().filter(|other| *other != new).all(|other| {
                let before = other.end() <= gone.placement.start;
                before || gone.placement.end() <= other.start
            })
        })
}
