//! A question to the planner in the form that the search wants, and the plan that an answer means.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use kerf_types::{Placement, ProfileId, UnitMask};

use super::{Budget, Creation, Existing, FitError, GpuPlan, Kept};
use crate::grid::{ENGINE_NAMES, Grid, GridProfile, zip};
use crate::options::Occupied;
use crate::search::{Best, Level, Slot};

/// The question in the form that the search wants it.
pub(super) struct Problem<'a> {
    pub grid: &'a Grid,
    pub current: &'a [Existing],
    pub wanted: Vec<(&'a GridProfile, u32)>,
    pub nodes: u64,
}

impl<'a> Problem<'a> {
    pub(super) fn new(
        grid: &'a Grid,
        current: &'a [Existing],
        target: &BTreeMap<ProfileId, u32>,
        budget: Budget,
    ) -> Result<Self, FitError> {
        let mut wanted = Vec::with_capacity(target.len());
        for (&id, &count) in target.iter().filter(|(_, count)| **count > 0) {
            let profile = grid
                .profile(id)
                .ok_or(FitError::UnknownProfile { profile: id })?;
            wanted.push((profile, count));
        }
        Ok(Self {
            grid,
            current,
            wanted,
            nodes: budget.nodes,
        })
    }

    pub(super) fn count_of(&self, id: ProfileId) -> u32 {
        let found = self.wanted.iter().find(|(profile, _)| profile.id == id);
        found.map_or(0, |(_, count)| *count)
    }

    pub(super) fn pins(&self) -> impl Iterator<Item = &'a Existing> {
        self.current.iter().filter(|instance| instance.pinned)
    }

    pub(super) fn pins_of(&self, id: ProfileId) -> u32 {
        self.pins()
            .fold(0, |sum, pin| sum + u32::from(pin.profile == id))
    }

    /// Instances of a profile that stay for the sake of a part.
    pub(super) fn pinned_divided(&self, id: ProfileId) -> u32 {
        let divided = self.pins().filter(|pin| pin.has_pinned_part());
        divided.fold(0, |sum, pin| sum + u32::from(pin.profile == id))
    }

    pub(super) fn pinned_units(&self) -> UnitMask {
        self.pins().fold(UnitMask::default(), |units, pin| {
            units.union(pin.placement.mask())
        })
    }

    pub(super) fn check_pins(&self) -> Result<(), FitError> {
        let mut left: BTreeMap<ProfileId, u32> = BTreeMap::new();
        for pin in self.pins().filter(|pin| !pin.has_pinned_part()) {
            let left = left
                .entry(pin.profile)
                .or_insert_with(|| self.count_of(pin.profile));
            *left = left.checked_sub(1).ok_or_else(|| FitError::PinNotWanted {
                gi: pin.gi,
                profile: self.grid.label(pin.profile),
                placement: pin.placement,
            })?;
        }
        Ok(())
    }

    pub(super) fn check_counts(&self) -> Result<(), FitError> {
        for (profile, asked) in &self.wanted {
            let live = self
                .current
                .iter()
                .filter(|one| one.profile == profile.id)
                .count();
            let live = u32::try_from(live).unwrap_or(u32::MAX);
            let fit = Grid::packing(profile, UnitMask::default()).min(profile.max_count);
            // What lives has been allowed by the driver, whatever it says about counts.
            let most = fit.max(live);
            if *asked > most {
                let (profile, asked) = (profile.name.clone(), *asked);
                return Err(FitError::TooMany {
                    profile,
                    asked,
                    most,
                });
            }
        }
        Ok(())
    }

    pub(super) fn check_engines(&self) -> Result<(), FitError> {
        let target = self.wanted.iter().fold([0; 4], |sum, (profile, count)| {
            zip(
                sum,
                profile.media.map(|one| one * u64::from(*count)),
                u64::saturating_add,
            )
        });
        let live = self
            .current
            .iter()
            .filter_map(|one| self.grid.profile(one.profile));
        let live = live.fold([0; 4], |sum, profile| {
            zip(sum, profile.media, u64::saturating_add)
        });
        let most = zip(self.grid.capacity(), live, u64::max);
        for ((engine, asked), most) in ENGINE_NAMES.into_iter().zip(target).zip(most) {
            if asked > most {
                return Err(FitError::Engines {
                    engine,
                    asked,
                    most,
                });
            }
        }
        Ok(())
    }

    /// How many more of each profile would be allowed beside the target, places aside.
    pub(super) fn allowances(&self) -> Vec<(&'a GridProfile, u32)> {
        let pairs = self
            .wanted
            .iter()
            .map(|(profile, count)| (profile.id, *count));
        let target = Occupied::counted(self.grid, pairs);
        let all = self.grid.profiles().iter();
        all.map(|profile| (profile, target.allowance(self.grid, profile)))
            .filter(|(_, most)| *most > 0)
            .collect()
    }

    /// What is left to place: without the pinned instances if they stay, else as if nothing lived.
    pub(super) fn levels(&self, live: bool) -> Vec<Level<'a>> {
        let mut levels: Vec<Level<'a>> = self
            .wanted
            .iter()
            .map(|(profile, count)| self.level(profile, *count, live))
            .filter(|level| level.need > 0)
            .collect();
        // The largest first, and of these the one with the fewest places: it fails soonest.
        levels.sort_by_key(|level| {
            (
                Reverse(level.profile.units()),
                level.slots.len(),
                level.profile.id,
            )
        });
        levels
    }

    pub(super) fn level(&self, profile: &'a GridProfile, count: u32, live: bool) -> Level<'a> {
        let slot = |place: Placement, gain| Slot {
            place,
            mask: place.mask(),
            gain,
        };
        let mut slots: Vec<Slot> = profile
            .placements
            .iter()
            .map(|place| slot(*place, 0))
            .collect();
        let mut extra = 0;
        let mut need = count;
        if live {
            need -= self.pins_of(profile.id).min(count);
            let movable = |one: &&Existing| one.profile == profile.id && !one.pinned;
            for instance in self.current.iter().filter(movable) {
                let gain = if instance.is_mended_at_a_cost() {
                    0
                } else {
                    instance.weight
                };
                match slots
                    .iter_mut()
                    .find(|slot| slot.place == instance.placement)
                {
                    Some(slot) => slot.gain = gain,
                    None => {
                        slots.push(slot(instance.placement, gain));
                        extra += 1;
                    }
                }
            }
            slots.sort_by_key(|slot| (Reverse(slot.gain), slot.place));
        }
        Level {
            profile,
            need,
            slots,
            content: 0,
            extra,
        }
    }

    pub(super) fn plan(
        &self,
        best: &Best,
        most_gain: u64,
        exhausted: bool,
    ) -> Result<GpuPlan, FitError> {
        let mut plan = GpuPlan::default();
        let mut movable: u64 = 0;
        let mut left = best.state.clone();
        for instance in self.current {
            let key = (instance.placement, instance.profile, 0);
            let found = left.iter().position(|entry| *entry == key);
            if instance.pinned {
                plan.keep.push(Kept {
                    instance: instance.clone(),
                    mend: None,
                });
                continue;
            }
            movable = movable.saturating_add(instance.weight);
            let Some(at) = found else {
                plan.cost = plan.cost.saturating_add(instance.weight);
                plan.destroy.push(instance.clone());
                continue;
            };
            left.remove(at);
            if instance.is_mended_at_a_cost() {
                plan.cost = plan.cost.saturating_add(instance.weight);
            }
            let mend = match instance.complete {
                true => None,
                false => Some(self.compute_profile(instance.profile)?),
            };
            plan.keep.push(Kept {
                instance: instance.clone(),
                mend,
            });
        }
        for (placement, profile, _) in left {
            let compute_profile = self.compute_profile(profile)?;
            plan.create.push(Creation {
                placement,
                profile,
                compute_profile,
            });
        }
        plan.keep.sort_by_key(|kept| kept.instance.placement);
        plan.destroy.sort_by_key(|instance| instance.placement);
        plan.create.sort();
        let bound = movable.saturating_sub(most_gain);
        plan.lower_bound = if exhausted { bound } else { plan.cost };
        plan.proof = plan.lower_bound == plan.cost;
        Ok(plan)
    }

    pub(super) fn compute_profile(&self, id: ProfileId) -> Result<ProfileId, FitError> {
        let profile = self
            .grid
            .profile(id)
            .ok_or(FitError::UnknownProfile { profile: id })?;
        let name = || FitError::NoComputeProfile {
            profile: profile.name.clone(),
        };
        profile.compute_profile.ok_or_else(name)
    }
}
