//! How much room is left on a GPU: the measure by which equal plans and places are told apart.

use std::collections::BTreeMap;

use kerf_types::{Placement, ProfileId, UnitMask};

use crate::grid::{Grid, GridProfile, Media, zip};

/// What could still be made on a GPU. More is better; the fields are compared in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Options {
    /// Sum over the profiles of how many more of that profile alone would fit.
    pub more: u32,
    /// Legal pairs of profile and start.
    pub pairs: u32,
}

/// What lies on a GPU, as far as room is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Occupied {
    /// Units that are taken.
    pub units: UnitMask,
    counts: BTreeMap<ProfileId, u32>,
    media: Media,
}

impl Occupied {
    /// What a set of instances takes.
    pub fn by(grid: &Grid, instances: impl IntoIterator<Item = (ProfileId, Placement)>) -> Self {
        let mut out = Self::default();
        for (profile, placement) in instances {
            out.add(grid, profile, placement);
        }
        out
    }

    /// Takes one instance more.
    pub fn add(&mut self, grid: &Grid, profile: ProfileId, placement: Placement) {
        self.units = self.units.union(placement.mask());
        *self.counts.entry(profile).or_default() += 1;
        if let Some(profile) = grid.profile(profile) {
            self.media = zip(self.media, profile.media, u64::saturating_add);
        }
    }

    /// What a multiset takes of counts and engines, wherever it lies.
    pub(crate) fn counted(grid: &Grid, wanted: impl Iterator<Item = (ProfileId, u32)>) -> Self {
        let mut out = Self::default();
        for (id, count) in wanted {
            *out.counts.entry(id).or_default() += count;
            if let Some(profile) = grid.profile(id) {
                let all = profile.media.map(|one| one * u64::from(count));
                out.media = zip(out.media, all, u64::saturating_add);
            }
        }
        out
    }

    /// Instances of a profile that are there.
    pub fn count(&self, profile: ProfileId) -> u32 {
        self.counts.get(&profile).copied().unwrap_or(0)
    }

    /// How many more of `profile` its maximum count and the media engines allow, places aside.
    pub fn allowance(&self, grid: &Grid, profile: &GridProfile) -> u32 {
        let by_count = profile.max_count.saturating_sub(self.count(profile.id));
        let left = zip(grid.capacity(), self.media, u64::saturating_sub);
        let by_engine = left
            .into_iter()
            .zip(profile.media)
            .filter_map(|(left, one)| left.checked_div(one))
            .min();
        by_engine.map_or(by_count, |most| {
            by_count.min(u32::try_from(most).unwrap_or(u32::MAX))
        })
    }

    /// How many more of `profile` fit.
    pub fn room_for(&self, grid: &Grid, profile: &GridProfile) -> u32 {
        match self.allowance(grid, profile) {
            0 => 0,
            most => most.min(Grid::packing(profile, self.units)),
        }
    }

    /// The legal places that are free for one more of `profile`.
    pub fn free_places<'a>(
        &self,
        grid: &Grid,
        profile: &'a GridProfile,
    ) -> impl Iterator<Item = Placement> + use<'a> {
        let units = self.units;
        let allowed = self.allowance(grid, profile) > 0;
        let free = move |place: &&Placement| allowed && !units.overlaps(place.mask());
        profile.placements.iter().filter(free).copied()
    }

    /// The room that is left.
    pub fn options(&self, grid: &Grid) -> Options {
        let mut out = Options::default();
        for profile in grid.profiles() {
            let most = self.allowance(grid, profile);
            out = out.plus(profile_options(profile, self.units, most));
        }
        out
    }
}

impl Options {
    /// What is lost on the way to `after`, which is never more than this.
    #[must_use]
    pub fn minus(self, after: Self) -> Self {
        Self {
            more: self.more.saturating_sub(after.more),
            pairs: self.pairs.saturating_sub(after.pairs),
        }
    }

    /// The room of two things together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            more: self.more + other.more,
            pairs: self.pairs + other.pairs,
        }
    }
}

/// The room for one profile, of which `most` more are allowed.
pub(crate) fn profile_options(profile: &GridProfile, units: UnitMask, most: u32) -> Options {
    if most == 0 {
        return Options::default();
    }
    let mut out = Options::default();
    let mut taken = units;
    for place in &profile.placements {
        let mask = place.mask();
        if !units.overlaps(mask) {
            out.pairs += 1;
        }
        if !taken.overlaps(mask) {
            taken = taken.union(mask);
            out.more += 1;
        }
    }
    out.more = out.more.min(most);
    out
}
