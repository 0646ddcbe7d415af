//! Where the parts of one GPU instance lie: every way is looked at, there are few.

use std::cmp::Reverse;

use kerf_types::{Placement, UnitMask};

use super::Part;
use crate::grid::GridProfile;
use crate::options::Options;

/// Where the parts lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrangement {
    /// Weight of the live parts that stay.
    pub kept: u64,
    /// What could still be made in the instance.
    pub room: Options,
    /// The places, sorted.
    pub places: Vec<Placement>,
}

/// The best way to have parts of these sizes, largest first, in an instance of `profile` that holds `live`;
/// `None` where there is none that leaves the pinned ones where they are.
pub(crate) fn arrange(profile: &GridProfile, sizes: &[u8], live: &[Part]) -> Option<Arrangement> {
    let mut search = Search {
        profile,
        live,
        chosen: Vec::with_capacity(sizes.len()),
        best: None,
    };
    search.descend(sizes, UnitMask::default());
    search.best
}

struct Search<'a> {
    profile: &'a GridProfile,
    live: &'a [Part],
    chosen: Vec<Placement>,
    best: Option<Arrangement>,
}

impl Search<'_> {
    fn descend(&mut self, sizes: &[u8], taken: UnitMask) {
        let Some((size, rest)) = sizes.split_first() else {
            return self.leaf(taken);
        };
        // Parts of one size are alike, so they are placed from left to right.
        let last = self.chosen.last().filter(|last| last.size == *size);
        let after = last.map(|last| last.start);
        for place in self.places(*size) {
            let is_left = after.is_some_and(|after| place.start <= after);
            if is_left || taken.overlaps(place.mask()) {
                continue;
            }
            self.chosen.push(place);
            self.descend(rest, taken.union(place.mask()));
            self.chosen.pop();
        }
    }

    /// The legal places, and those where the driver let one live whatever it says.
    fn places(&self, size: u8) -> Vec<Placement> {
        let legal = self
            .profile
            .part(size)
            .map_or(&[][..], |part| &part.placements);
        let live = self.live.iter().map(|part| part.place);
        let live = live.filter(|place| place.size == size);
        let mut places: Vec<Placement> = legal.iter().copied().chain(live).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    fn leaf(&mut self, taken: UnitMask) {
        let stays = |part: &&Part| self.chosen.contains(&part.place);
        if !self
            .live
            .iter()
            .filter(|part| part.pinned)
            .all(|part| stays(&part))
        {
            return;
        }
        let kept = self.live.iter().filter(stays);
        let kept = kept.fold(0_u64, |sum, part| sum.saturating_add(part.weight));
        let mut places = self.chosen.clone();
        places.sort_unstable();
        let new = Arrangement {
            kept,
            room: room(self.profile, taken),
            places,
        };
        let rank = |one: &Arrangement| (one.kept, one.room, Reverse(one.places.clone()));
        if self
            .best
            .as_ref()
            .is_none_or(|best| rank(&new) > rank(best))
        {
            self.best = Some(new);
        }
    }
}

/// How many more parts of each size would fit, and the legal places left.
pub(crate) fn room(profile: &GridProfile, taken: UnitMask) -> Options {
    let mut out = Options::default();
    for part in &profile.parts {
        let free = || {
            part.placements
                .iter()
                .filter(|place| !taken.overlaps(place.mask()))
        };
        out.pairs += u32::try_from(free().count()).unwrap_or(0);
        out.more += most_parts(part, taken);
    }
    out
}

/// How many more parts of one profile would fit: first fit by last unit packs most.
pub(crate) fn most_parts(part: &kerf_types::ComputeProfile, taken: UnitMask) -> u32 {
    let mut places = part.placements.clone();
    places.sort_by_key(|place| (place.end(), place.start));
    let mut taken = taken;
    let mut count = 0;
    for place in places {
        if !taken.overlaps(place.mask()) {
            taken = taken.union(place.mask());
            count += 1;
        }
    }
    count
}
