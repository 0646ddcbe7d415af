//! Why a multiset does not fit: the first profile that finds no room, and beside what.

use std::collections::BTreeMap;

use kerf_types::{Placement, ProfileId, UnitMask};

use super::{FitError, Problem};
use crate::search::{self, Level};

impl Problem<'_> {
    /// The reason where engines are short: room is the plainer one, where that is short too.
    pub(super) fn explain_engines(&self, engines: FitError) -> FitError {
        match search::fits(&self.levels(true), self.pinned_units(), self.nodes) {
            Some(false) => self.explain(),
            _ => engines,
        }
    }

    /// Called when the search has shown that no state exists.
    pub(super) fn explain(&self) -> FitError {
        let free = self.levels(false);
        let movable = search::fits(&free, UnitMask::default(), self.nodes);
        let pinned = self.pins().next().is_some() && movable != Some(false);
        let (levels, units) = match pinned {
            true => (self.levels(true), self.pinned_units()),
            false => (free, UnitMask::default()),
        };
        let Some((at, most)) = self.first_without_room(&levels, units) else {
            return FitError::Undecided { nodes: self.nodes };
        };
        let Some(level) = levels.get(at) else {
            return FitError::Undecided { nodes: self.nodes };
        };
        let profile = level.profile.name.clone();
        let earlier = levels.iter().take(at);
        let counts = earlier.map(|level| format!("{} x{}", level.profile.name, level.need));
        if pinned {
            let stay = |(id, place): &(ProfileId, Placement)| {
                format!("{} at {place}", self.grid.label(*id))
            };
            let pins: BTreeMap<Placement, ProfileId> = self
                .pins()
                .map(|pin| (pin.placement, pin.profile))
                .collect();
            let names = pins.iter().map(|(place, id)| stay(&(*id, *place)));
            let pinned_count = self.pins_of(level.profile.id);
            return FitError::PinsInTheWay {
                profile,
                asked: level.need + pinned_count,
                most: most + pinned_count,
                beside: words(names.chain(counts)),
                pins: pins.into_keys().collect(),
            };
        }
        FitError::TooManyTogether {
            profile,
            asked: level.need,
            most,
            beside: words(counts),
        }
    }

    /// Index of the first level that does not fit beside those before it, and how many of it do.
    fn first_without_room(&self, levels: &[Level<'_>], units: UnitMask) -> Option<(usize, u32)> {
        for at in 0..levels.len() {
            let mut some: Vec<Level<'_>> = levels.iter().take(at + 1).cloned().collect();
            if search::fits(&some, units, self.nodes)? {
                continue;
            }
            for most in (0..some.last()?.need).rev() {
                some.last_mut()?.need = most;
                if search::fits(&some, units, self.nodes)? {
                    return Some((at, most));
                }
            }
            return Some((at, 0));
        }
        None
    }
}

fn words(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    items.join(", ")
}
