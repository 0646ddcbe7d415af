//! The exact plan of several GPUs: a wanted multiset of slices, split over them in whatever way disturbs
//! least.
//!
//! Cost is what [`mod@crate::gpu`] says it is, summed over the GPUs. Among the cheapest splits the one that
//! leaves the most room is taken (both figures of [`crate::Options`] summed over the GPUs), and of these the
//! one whose end states are the smallest: the list of (start, size, profile id) of the first GPU decides,
//! then that of the next. All three are exact whenever `proof` is said. A pinned instance stays where it is. Only
//! whole instances are split: a divided one is not among the wanted, and a pinned part of one refuses the request.
//!
//! How: the table of a grid gives for each GPU the cheapest state of each multiset; cost and room become one number
//! (`scale`). The linear relaxation, in which GPUs take multisets in shares (`master`), prices slices, and the prices
//! prove a bound and what each multiset is worth beyond it (`price`), or that nothing fits. A search over the GPUs sees
//! every split that is worth no more than it is allowed (`layers`), from the bound upwards (`widen`, `cut`). A grid
//! with more than [`STATE_LIMIT`] states, or a search that ends early, is answered by a greedy split and the bound that
//! has been proven (`greedy`).

use std::collections::BTreeMap;

use kerf_types::ProfileId;

use crate::gpu::{Budget, Existing, FitError, GpuPlan, plan_gpu};
use crate::grid::Grid;

mod allowance;
mod basis;
mod block;
mod cut;
mod error;
mod greedy;
mod layers;
mod master;
mod meet;
mod names;
mod pack;
mod price;
mod scale;
mod seat;
mod seen;
mod solve;
mod table;
mod tables;
mod widen;

#[cfg(test)]
mod tests;

pub use error::SplitError;
pub use names::wanted;
pub use tables::{STATE_LIMIT, Tables};

/// Most GPUs of one request: the largest hosts that are sold have sixteen.
pub const GPU_LIMIT: usize = 16;

/// One GPU that wanted slices may be put on.
#[derive(Debug, Clone, Copy)]
pub struct SplitGpu<'a> {
    /// How it can be cut.
    pub grid: &'a Grid,
    /// What lives on it.
    pub current: &'a [Existing],
}

/// Slices of one name, and what that name means on each GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The name, for messages.
    pub name: String,
    /// How many must exist at the end, over all GPUs.
    pub count: u32,
    /// The profile on each GPU, in order of the request; `None` where it has none of that name.
    pub profiles: Vec<Option<ProfileId>>,
}

/// How long a plan may take, in nodes so that the answer does not depend on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitBudget {
    /// Choices that the search over the GPUs tries.
    pub nodes: u64,
    /// Nodes of the search on one GPU, where that is needed.
    pub gpu: Budget,
}

impl Default for SplitBudget {
    /// More than a hundred times the nodes that sixteen GPUs of the known products take: some seconds.
    fn default() -> Self {
        Self {
            nodes: 40_000_000,
            gpu: Budget::default(),
        }
    }
}

/// What to do on several GPUs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SplitPlan {
    /// One plan for each GPU, in order of the request; many may be empty.
    pub gpus: Vec<GpuPlan>,
    /// What each GPU holds at the end; no zeros.
    pub targets: Vec<BTreeMap<ProfileId, u32>>,
    /// Sum of the costs.
    pub cost: u64,
    /// No split costs less.
    pub lower_bound: u64,
    /// Whether the cost is proven to be the least: it equals the bound.
    pub proof: bool,
}

/// The cheapest way to have exactly `wanted` on `gpus` together.
pub fn plan_split(
    gpus: &[SplitGpu<'_>],
    wanted: &[Wanted],
    tables: &mut Tables,
    budget: SplitBudget,
) -> Result<SplitPlan, SplitError> {
    let wanted: Vec<Wanted> = wanted.iter().filter(|one| one.count > 0).cloned().collect();
    check(gpus, &wanted)?;
    if let [only] = gpus {
        // One GPU needs no split, and its own search says best why something does not fit.
        let target = targets_of_one(&wanted);
        let fit = |source| SplitError::Fit { gpu: 0, source };
        let plan = plan_gpu(only.grid, only.current, &target, budget.gpu).map_err(fit)?;
        let bound = plan.lower_bound;
        return Ok(SplitPlan::of(vec![plan], vec![target], bound));
    }
    let outcome = solve::solve(gpus, &wanted, tables, budget.nodes)?;
    let targets = match outcome.targets {
        Some(targets) => targets,
        None => greedy::split(gpus, &wanted, budget)?,
    };
    let pairs = gpus.iter().zip(&targets).zip(0..);
    let plans = pairs.map(|((gpu, target), at)| {
        let fit = |source| SplitError::Fit { gpu: at, source };
        plan_gpu(gpu.grid, gpu.current, target, budget.gpu).map_err(fit)
    });
    let plans = plans.collect::<Result<Vec<GpuPlan>, SplitError>>()?;
    let bound = outcome.bound.max(greedy::bound(gpus, &wanted));
    Ok(SplitPlan::of(plans, targets, bound))
}

impl SplitPlan {
    fn of(gpus: Vec<GpuPlan>, targets: Vec<BTreeMap<ProfileId, u32>>, bound: u64) -> Self {
        let cost = gpus
            .iter()
            .fold(0_u64, |sum, plan| sum.saturating_add(plan.cost));
        // Weights without measure are added up to the largest number there is.
        let lower_bound = bound.min(cost);
        Self {
            gpus,
            targets,
            cost,
            lower_bound,
            proof: lower_bound == cost,
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.gpus.iter().all(GpuPlan::is_empty)
    }
}

fn targets_of_one(wanted: &[Wanted]) -> BTreeMap<ProfileId, u32> {
    let ids = wanted
        .iter()
        .filter_map(|one| Some(((*one.profiles.first()?)?, one.count)));
    ids.collect()
}

fn check(gpus: &[SplitGpu<'_>], wanted: &[Wanted]) -> Result<(), SplitError> {
    if gpus.len() > GPU_LIMIT {
        return Err(SplitError::TooManyGpus {
            given: gpus.len(),
            most: GPU_LIMIT,
        });
    }
    for (at, gpu) in gpus.iter().enumerate() {
        check_parts(at, gpu)?;
    }
    for (at, one) in wanted.iter().enumerate() {
        let here = |(gpu, id): (&SplitGpu<'_>, &Option<ProfileId>)| {
            id.is_some_and(|id| gpu.grid.profile(id).is_some())
        };
        if !gpus.iter().zip(&one.profiles).any(here) {
            return Err(SplitError::Nowhere {
                name: one.name.clone(),
            });
        }
        for earlier in wanted.iter().take(at) {
            let pairs = earlier.profiles.iter().zip(&one.profiles);
            let same = |(a, b): (&Option<ProfileId>, &Option<ProfileId>)| a.is_some() && a == b;
            if let Some(gpu) = pairs.into_iter().position(same) {
                return Err(SplitError::SameProfile {
                    first: earlier.name.clone(),
                    second: one.name.clone(),
                    gpu,
                });
            }
        }
    }
    Ok(())
}

/// A part that must stay is never wanted here: only whole instances are.
fn check_parts(at: usize, gpu: &SplitGpu<'_>) -> Result<(), SplitError> {
    let parts = |one: &Existing| {
        let pinned = one.parts.iter().find(|part| part.pinned);
        pinned.map(|part| FitError::PartNotWanted {
            gi: one.gi,
            ci: part.ci,
            profile: gpu.grid.part_label(one.profile, part.place.size),
        })
    };
    match gpu.current.iter().find_map(parts) {
        Some(source) => Err(SplitError::Fit { gpu: at, source }),
        None => Ok(()),
    }
}
