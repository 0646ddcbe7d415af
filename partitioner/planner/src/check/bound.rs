//! Whether less could be disturbed than a plan says is unavoidable: a search of the checker's own, over which
//! instances stay, with a first-come placement of the rest.
//!
//! It finds a cheaper end state or gives up after a count of nodes, so it never refuses a right plan; with
//! the few instances that a known GPU can hold it always comes to an end.

use std::collections::BTreeMap;

use kerf_types::{GpuInstance, Placement, Profile, ProfileId};

use super::{Expected, complete};

/// Nodes of one search: some hundred times what a GPU of seven slices needs, and a millisecond or two.
const NODES: u32 = 20_000;

/// An instance that may go, and what that costs.
struct Movable<'a> {
    instance: &'a GpuInstance,
    weight: u64,
}

struct Bound<'a> {
    profiles: &'a [Profile],
    nodes: u32,
}

/// Whether some end state has the expected slices and disturbs less than `claimed`.
pub(super) fn is_beaten(instances: &[GpuInstance], expected: &Expected<'_>, claimed: u64) -> bool {
    let mut need = expected.slices.clone();
    let mut units = 0_u64;
    let mut spent = 0_u64;
    let mut movable = Vec::new();
    for instance in instances {
        let weight = expected.weight(instance);
        if expected.pinned.contains(&instance.placement) {
            units |= mask(instance.placement);
            if !take(&mut need, instance.profile) {
                return false;
            }
        } else if !instance.compute.is_empty() && !complete(instance, expected.profiles) {
            // What runs in it is disturbed whether it is mended or goes.
            spent = spent.saturating_add(weight);
        } else {
            movable.push(Movable { instance, weight });
        }
    }
    movable.sort_by_key(|one| one.weight);
    let mut bound = Bound {
        profiles: expected.profiles,
        nodes: NODES,
    };
    spent < claimed && bound.choose(&movable, claimed - spent, units, &need)
}

/// Whether these slices find room beside the instances that must stay; `false` also where the search gave up.
pub(super) fn fits(
    instances: &[GpuInstance],
    expected: &Expected<'_>,
    slices: &BTreeMap<ProfileId, u32>,
) -> bool {
    let mut need = slices.clone();
    let mut units = 0_u64;
    for instance in instances {
        if expected.pinned.contains(&instance.placement) {
            units |= mask(instance.placement);
            if !take(&mut need, instance.profile) {
                return false;
            }
        }
    }
    let mut bound = Bound {
        profiles: expected.profiles,
        nodes: NODES,
    };
    bound.place(units, &need)
}

impl Bound<'_> {
    fn is_spent(&mut self) -> bool {
        self.nodes = self.nodes.saturating_sub(1);
        self.nodes == 0
    }

    /// Decides for one instance after the other whether it stays; `left` is what may still be disturbed,
    /// itself excluded.
    fn choose(
        &mut self,
        movable: &[Movable<'_>],
        left: u64,
        units: u64,
        need: &BTreeMap<ProfileId, u32>,
    ) -> bool {
        if self.is_spent() {
            return false;
        }
        let Some((one, rest)) = movable.split_first() else {
            return self.place(units, need);
        };
        let mut without = need.clone();
        if take(&mut without, one.instance.profile) {
            let taken = units | mask(one.instance.placement);
            if self.choose(rest, left, taken, &without) {
                return true;
            }
        }
        one.weight < left && self.choose(rest, left - one.weight, units, need)
    }

    /// Whether what is still needed finds room: the profile with the fewest places first.
    fn place(&mut self, units: u64, need: &BTreeMap<ProfileId, u32>) -> bool {
        if self.is_spent() {
            return false;
        }
        let wanted = need.iter().filter(|(_, count)| **count > 0);
        let profiles = wanted.map(|(id, _)| self.profiles.iter().find(|known| known.id == *id));
        let mut scarce: Option<&Profile> = None;
        for profile in profiles {
            let Some(profile) = profile else {
                return false;
            };
            if scarce.is_none_or(|known| profile.placements.len() < known.placements.len()) {
                scarce = Some(profile);
            }
        }
        let Some(profile) = scarce else {
            return true;
        };
        let mut less = need.clone();
        take(&mut less, profile.id);
        let mut places = profile.placements.iter();
        places.any(|place| units & mask(*place) == 0 && self.place(units | mask(*place), &less))
    }
}

/// One less is needed; `false` where none is.
fn take(need: &mut BTreeMap<ProfileId, u32>, id: ProfileId) -> bool {
    let left = need.get_mut(&id).filter(|count| **count > 0);
    left.map(|count| *count -= 1).is_some()
}

fn mask(place: Placement) -> u64 {
    let units = usize::from(place.start)..usize::from(place.start) + usize::from(place.size);
    units.fold(0, |mask, unit| {
        mask | 1_u64
            .checked_shl(u32::try_from(unit).unwrap_or(64))
            .unwrap_or(0)
    })
}
