//! Plans in which GPU instances are divided: several compute instances in one, each a slice of its own.
//!
//! The parts that are wanted of a profile are packed into the fewest GPU instances of it. Among the ways to
//! do so, and all final states of each, the cheapest is taken, then the present order of [`super`]; inside an
//! instance what lives stays, then the most room is left, then the smallest list of places is taken. Exact:
//! the ways are few, since a GPU instance has at most seven slices, and each is searched as whole ones are.

use std::collections::BTreeMap;

use kerf_types::{CiId, GiId, MigUuid, Placement, ProfileId};

use super::{Budget, Existing, FitError, GpuPlan, plan_gpu};
use crate::grid::Grid;

pub(super) mod arrange;
mod divided;
mod outcome;
mod pack;

pub(super) use divided::plan;

/// A compute instance that does not fill its GPU instance, as a plan sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its id.
    pub ci: CiId,
    /// The life that is meant.
    pub uuid: MigUuid,
    /// Its place in the GPU instance, in compute slices.
    pub place: Placement,
    /// What disturbing it costs.
    pub weight: u64,
    /// Whether it must stay as it is, where it is.
    pub pinned: bool,
}

/// The slices that are wanted of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// Whole GPU instances, by profile.
    pub whole: BTreeMap<ProfileId, u32>,
    /// Parts of GPU instances, by profile and compute slices.
    pub parts: BTreeMap<(ProfileId, u8), u32>,
}

/// A kind of slice: a profile, and for parts of its instances their compute slices.
pub(crate) type Kind = (ProfileId, Option<u8>);

impl Target {
    /// How many of a kind.
    pub(crate) fn count(&self, (id, part): Kind) -> u32 {
        let count = match part {
            None => self.whole.get(&id),
            Some(slices) => self.parts.get(&(id, slices)),
        };
        count.copied().unwrap_or(0)
    }

    /// The same, to change it.
    pub(crate) fn count_mut(&mut self, (id, part): Kind) -> &mut u32 {
        match part {
            None => self.whole.entry(id).or_default(),
            Some(slices) => self.parts.entry((id, slices)).or_default(),
        }
    }

    /// Every kind that is named, and how many.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (Kind, u32)> {
        let whole = self.whole.iter().map(|(id, count)| ((*id, None), *count));
        let parts = self.parts.iter();
        whole.chain(parts.map(|((id, slices), count)| ((*id, Some(*slices)), *count)))
    }
}

/// A compute instance to make in a divided GPU instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartCreation {
    /// Where, in compute slices.
    pub place: Placement,
    /// The compute instance profile.
    pub compute_profile: ProfileId,
}

/// A GPU instance that is divided at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// Where it lies.
    pub placement: Placement,
    /// Its profile.
    pub profile: ProfileId,
    /// The instance; `None` for one that is made first.
    pub gi: Option<GiId>,
    /// Parts that stay, by place.
    pub keep: Vec<Part>,
    /// Compute instances that go.
    pub destroy: Vec<(CiId, MigUuid)>,
    /// Parts that are made, by place.
    pub create: Vec<PartCreation>,
}

impl Division {
    /// Whether it stays as it is.
    pub fn is_unchanged(&self) -> bool {
        self.gi.is_some() && self.destroy.is_empty() && self.create.is_empty()
    }
}

/// The cheapest plan from `current` to exactly `target`.
pub fn plan_slices(
    grid: &Grid,
    current: &[Existing],
    target: &Target,
    budget: Budget,
) -> Result<GpuPlan, FitError> {
    if target.parts.values().all(|count| *count == 0) {
        return plan_gpu(grid, current, &target.whole, budget);
    }
    plan(grid, current, target, budget)
}
