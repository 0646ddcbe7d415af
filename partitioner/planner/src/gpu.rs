//! The exact plan of one GPU: from what lives on it to a wanted multiset of slices.
//!
//! Cost is the sum of the weights of the live instances that are disturbed: destroyed, whether made again
//! or not, or emptied of compute instances. Among the cheapest final states the one that leaves the most
//! room is taken (sum over the profiles of how many more would fit, then legal pairs of profile and start),
//! then the one whose list of (start, size, profile id) is the smallest. Never touches a pinned instance.

use std::collections::BTreeMap;

use kerf_types::{CiId, GiId, MigUuid, Placement, ProfileId};

use crate::grid::Grid;
use crate::search;

mod error;
mod explain;
mod parts;
mod problem;

pub use error::FitError;
pub(crate) use parts::Kind;
pub(crate) use parts::arrange::{most_parts, room};
pub use parts::{Division, Part, PartCreation, Target, plan_slices};
use problem::Problem;

/// A GPU instance that lives on the GPU, as a plan sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its id.
    pub gi: GiId,
    /// Its profile.
    pub profile: ProfileId,
    /// Where it lies.
    pub placement: Placement,
    /// What disturbing it costs.
    pub weight: u64,
    /// Whether it must stay as it is, where it is.
    pub pinned: bool,
    /// Whether it holds exactly the compute instance that fills it.
    pub complete: bool,
    /// Its compute instances.
    pub compute: Vec<(CiId, MigUuid)>,
    /// The same with their places, where it is divided and each is a slice of its own; empty where it is not.
    /// The instance weighs what its parts weigh together then, and is pinned if one of them is.
    pub parts: Vec<Part>,
}

impl Existing {
    /// Whether making it complete takes compute instances away.
    pub fn is_mended_at_a_cost(&self) -> bool {
        !self.complete && !self.compute.is_empty()
    }

    /// Whether a part of it must stay, rather than the whole.
    pub(crate) fn has_pinned_part(&self) -> bool {
        self.pinned && !self.parts.is_empty()
    }
}

/// An instance that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The instance.
    pub instance: Existing,
    /// The compute instance profile to make in it, where it is incomplete and not pinned; compute
    /// instances that it has are destroyed before.
    pub mend: Option<ProfileId>,
}

/// An instance to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Creation {
    /// Where.
    pub placement: Placement,
    /// GPU instance profile.
    pub profile: ProfileId,
    /// The compute instance profile that fills it.
    pub compute_profile: ProfileId,
}

/// What to do on one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GpuPlan {
    /// What stays, by place.
    pub keep: Vec<Kept>,
    /// What goes, by place.
    pub destroy: Vec<Existing>,
    /// What is made whole, by place.
    pub create: Vec<Creation>,
    /// Instances that are divided at the end, by place: those of `keep` that are, and new ones.
    pub divide: Vec<Division>,
    /// Sum of the weights of disturbed instances.
    pub cost: u64,
    /// No plan costs less than this.
    pub lower_bound: u64,
    /// Whether the cost is proven to be the least: it equals the bound.
    pub proof: bool,
}

impl GpuPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.destroy.is_empty()
            && self.create.is_empty()
            && self.keep.iter().all(|kept| kept.mend.is_none())
            && self.divide.iter().all(Division::is_unchanged)
    }
}

/// How long a search may take, in nodes so that the answer does not depend on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Nodes of the search tree.
    pub nodes: u64,
}

impl Default for Budget {
    /// Some 50 ms at most, and a hundred times what any known GPU needs.
    fn default() -> Self {
        Self { nodes: 200_000 }
    }
}

/// The cheapest plan from `current` to exactly `target`, all of it whole instances.
pub fn plan_gpu(
    grid: &Grid,
    current: &[Existing],
    target: &BTreeMap<ProfileId, u32>,
    budget: Budget,
) -> Result<GpuPlan, FitError> {
    if current.iter().any(Existing::has_pinned_part) {
        let target = Target {
            whole: target.clone(),
            ..Target::default()
        };
        return parts::plan(grid, current, &target, budget);
    }
    let problem = Problem::new(grid, current, target, budget)?;
    problem.check_pins()?;
    problem.check_counts()?;
    let levels = problem.levels(true);
    let pinned = problem.pinned_units();
    if let Err(engines) = problem.check_engines() {
        return Err(problem.explain_engines(engines));
    }
    let outcome = search::best_state(&levels, pinned, &problem.allowances(), budget.nodes);
    match outcome.best {
        Some(best) => problem.plan(&best, outcome.most_gain, outcome.exhausted),
        None if outcome.exhausted => Err(FitError::Undecided {
            nodes: budget.nodes,
        }),
        None => Err(problem.explain()),
    }
}
