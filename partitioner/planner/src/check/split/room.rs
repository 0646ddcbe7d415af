//! What is taken on one GPU: a flag for each unit, counts, engines. Nothing of it is shared with the planner.

use kerf_types::{Engines, Placement, Profile, ProfileId};

use super::{Counts, Subject};

/// Kinds of media engines.
const KINDS: [fn(&Engines) -> u32; 4] = [|e| e.decoder, |e| e.encoder, |e| e.jpeg, |e| e.ofa];

/// What is taken on a GPU.
#[derive(Debug, Clone)]
pub(super) struct Room {
    units: [bool; 64],
    pub counts: Counts,
    engines: [u64; 4],
    /// Engines that there are.
    has: [u64; 4],
}

impl Room {
    /// An empty GPU. Engines that live instances own exist, whatever is said of them.
    pub fn new(subject: &Subject<'_>) -> Self {
        let mut has = [0; 4];
        for (has, kind) in has.iter_mut().zip(KINDS) {
            let live = subject.current.iter();
            let live = live.filter_map(|one| profile(subject, one.profile));
            let live: u64 = live.map(|one| u64::from(kind(&one.engines))).sum();
            let promised = subject
                .profiles
                .iter()
                .filter(|one| !one.placements.is_empty());
            let promised =
                promised.map(|one| u64::from(kind(&one.engines)) * u64::from(one.max_count));
            let told = match &subject.engines {
                Some(engines) => u64::from(kind(engines)),
                None => promised.max().unwrap_or(0),
            };
            *has = told.max(live);
        }
        Self {
            units: [false; 64],
            counts: Counts::new(),
            engines: [0; 4],
            has,
        }
    }

    /// The first unit of a place that is taken.
    pub fn first_taken(&self, place: Placement) -> Option<usize> {
        let units = self.units.iter().enumerate().skip(usize::from(place.start));
        let mut taken = units
            .take(usize::from(place.size))
            .filter(|(_, taken)| **taken);
        taken.next().map(|(unit, _)| unit)
    }

    /// Whether one more has the engines that it needs.
    pub fn has_engines(&self, one: &Profile) -> bool {
        let mut needs = self.engines.iter().zip(self.has).zip(KINDS);
        needs.all(|((owned, has), kind)| {
            let more = u64::from(kind(&one.engines));
            more == 0 || owned + more <= has
        })
    }

    /// Whether one more is within the profile's maximum count.
    pub fn has_count(&self, one: &Profile) -> bool {
        self.counts.get(&one.id).copied().unwrap_or(0) < one.max_count
    }

    /// Whether one more of a profile may lie at a place, or could have stayed there.
    pub fn takes(&self, subject: &Subject<'_>, id: ProfileId, place: Placement) -> bool {
        let free = self.first_taken(place).is_none();
        profile(subject, id).is_some_and(|one| free && self.has_count(one) && self.has_engines(one))
    }

    /// Takes a place.
    pub fn put(&mut self, subject: &Subject<'_>, id: ProfileId, place: Placement) {
        self.change(subject, id, place, true);
        *self.counts.entry(id).or_default() += 1;
    }

    /// Gives it back.
    pub fn take_away(&mut self, subject: &Subject<'_>, id: ProfileId, place: Placement) {
        self.change(subject, id, place, false);
        if let Some(count) = self.counts.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&id);
            }
        }
    }

    fn change(&mut self, subject: &Subject<'_>, id: ProfileId, place: Placement, taken: bool) {
        let units = self.units.iter_mut().skip(usize::from(place.start));
        units
            .take(usize::from(place.size))
            .for_each(|unit| *unit = taken);
        let Some(one) = profile(subject, id) else {
            return;
        };
        for (owned, kind) in self.engines.iter_mut().zip(KINDS) {
            let more = u64::from(kind(&one.engines));
            *owned = if taken {
                *owned + more
            } else {
                owned.saturating_sub(more)
            };
        }
    }
}

/// The profile with an id.
pub(super) fn profile<'a>(subject: &Subject<'a>, id: ProfileId) -> Option<&'a Profile> {
    subject.profiles.iter().find(|one| one.id == id)
}
