//! A good split without a search: where a grid is too large for a table, or a search ends early.
//!
//! What lives stays on its GPU where it is wanted at all; what is missing goes, the largest first, to the
//! GPU where it costs least. Never says that nothing can be had.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use kerf_types::ProfileId;

use super::{SplitBudget, SplitError, SplitGpu, Wanted};
use crate::gpu::{Existing, plan_gpu};

/// What each GPU gets.
pub(super) fn split(
    gpus: &[SplitGpu<'_>],
    wanted: &[Wanted],
    budget: SplitBudget,
) -> Result<Vec<BTreeMap<ProfileId, u32>>, SplitError> {
    let mut targets: Vec<BTreeMap<ProfileId, u32>> = vec![BTreeMap::new(); gpus.len()];
    let mut missing: Vec<(&Wanted, u32)> = Vec::new();
    for one in wanted {
        let mut left = one.count;
        for (gpu, _, live) in by_weight(gpus, one) {
            if left == 0 {
                break;
            }
            if let Some(target) = targets.get_mut(gpu) {
                *target.entry(live.profile).or_default() += 1;
                left -= 1;
            }
        }
        missing.push((one, left));
    }
    missing.sort_by_key(|(one, _)| Reverse(units(gpus, one)));
    // What one GPU costs with its target so far; a target that does not fit must lose something first.
    let cost = |at: usize, target: &BTreeMap<ProfileId, u32>| {
        let gpu = gpus.get(at)?;
        let plan = plan_gpu(gpu.grid, gpu.current, target, budget.gpu);
        plan.ok().map(|plan| plan.cost)
    };
    let mut costs: Vec<Option<u64>> = targets
        .iter()
        .enumerate()
        .map(|(at, one)| cost(at, one))
        .collect();
    for (one, count) in missing {
        for _ in 0..count {
            let candidates = one.profiles.iter().enumerate().filter_map(|(at, id)| {
                let mut target = targets.get(at)?.clone();
                *target.entry((*id)?).or_default() += 1;
                let after = cost(at, &target)?;
                let before = costs.get(at).copied().flatten().unwrap_or(0);
                Some((after.saturating_sub(before), at, after, target))
            });
            let best = candidates.min_by_key(|(more, at, _, _)| (*more, *at));
            let Some((_, at, after, target)) = best else {
                return Err(SplitError::Undecided {
                    nodes: budget.nodes,
                });
            };
            if let (Some(slot), Some(cost)) = (targets.get_mut(at), costs.get_mut(at)) {
                *slot = target;
                *cost = Some(after);
            }
        }
    }
    Ok(targets)
}

/// No split costs less than what is there and not wanted, the lightest of each profile.
pub(super) fn bound(gpus: &[SplitGpu<'_>], wanted: &[Wanted]) -> u64 {
    let mut sum = 0_u64;
    let movable = gpus.iter().enumerate().flat_map(|(at, gpu)| {
        let movable = gpu.current.iter().filter(|one| !one.pinned);
        movable.map(move |one| (at, one))
    });
    for (at, one) in movable {
        let is_wanted = wanted
            .iter()
            .any(|kind| kind.profiles.get(at).copied().flatten() == Some(one.profile));
        if !is_wanted || one.is_mended_at_a_cost() {
            sum = sum.saturating_add(one.weight);
        }
    }
    for one in wanted {
        let stays = usize::try_from(one.count).unwrap_or(usize::MAX);
        let gone = by_weight(gpus, one).into_iter().skip(stays);
        let gone = gone.filter(|(_, _, live)| !live.pinned && !live.is_mended_at_a_cost());
        sum = gone.fold(sum, |sum, (_, weight, _)| sum.saturating_add(weight));
    }
    sum
}

/// What lives of a wanted profile, with its GPU: the pinned first, then by what it costs to disturb it.
fn by_weight<'a>(gpus: &[SplitGpu<'a>], one: &Wanted) -> Vec<(usize, u64, &'a Existing)> {
    let mut out = Vec::new();
    for (at, (gpu, id)) in gpus.iter().zip(&one.profiles).enumerate() {
        let live = gpu.current.iter().filter(|live| Some(live.profile) == *id);
        out.extend(live.map(|live| {
            let saved = if live.is_mended_at_a_cost() {
                0
            } else {
                live.weight
            };
            (at, saved, live)
        }));
    }
    out.sort_by_key(|(at, saved, live)| {
        (Reverse(live.pinned), Reverse(*saved), *at, live.placement)
    });
    out
}

/// Units of the largest place that the profile has anywhere.
fn units(gpus: &[SplitGpu<'_>], one: &Wanted) -> u8 {
    let pairs = gpus.iter().zip(&one.profiles);
    let units = pairs.filter_map(|(gpu, id)| Some(gpu.grid.profile((*id)?)?.units()));
    units.max().unwrap_or(0)
}
