//! Parts of GPU instances as the checker sees them: what is expected of them, and its own count of how many
//! instances they need.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::{CiId, GiId, Gpu, GpuInstance, MigUuid, Placement, Profile, ProfileId};

use super::claims::Effects;
use super::{Expected, Violation};
use crate::gpu::Part;

/// Nodes of the search for the fewest instances; more than any GPU instance of seven slices needs.
const NODES: u32 = 20_000;

/// What must be true of the parts of GPU instances besides [`Expected`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExpectedParts {
    /// The parts at the end, by profile and compute slices.
    pub slices: BTreeMap<(ProfileId, u8), u32>,
    /// Parts that must not be touched: place of the GPU instance, and the place in it.
    pub pinned: BTreeSet<(Placement, Placement)>,
    /// What disturbing a part costs, where it is not 1.
    pub weights: BTreeMap<(GiId, CiId), u64>,
}

/// Whether an instance holds parts and nothing else, no two on one slice.
pub(super) fn is_divided(instance: &GpuInstance) -> bool {
    let mut taken = BTreeSet::new();
    let own = |place: Placement| place.start..place.start.saturating_add(place.size);
    let mut parts = instance.compute.iter();
    !instance.compute.is_empty()
        && parts.all(|part| {
            part.placement
                .is_some_and(|place| own(place).all(|slice| taken.insert(slice)))
        })
}

/// Parts that go although one of their size is made in the same instance and nothing but that new one lies on
/// their slices at the end.
pub(super) fn needless(gpu: &Gpu, effects: &Effects, expected: &ExpectedParts) -> Vec<Violation> {
    let mut found = Vec::new();
    for live in gpu.instances.iter().filter(|live| is_divided(live)) {
        let place = live.placement;
        if effects.gone.contains(&live.id) {
            continue;
        }
        let made = effects.parts.keys().filter(|(gi, _)| *gi == place);
        let made: Vec<Placement> = made.map(|(_, part)| *part).collect();
        let goes = |ci: CiId| effects.ended.contains(&(live.id, ci));
        let kept = live.compute.iter().filter(|one| !goes(one.id));
        let kept: Vec<Placement> = kept.filter_map(|one| one.placement).collect();
        let weighs = |ci: CiId| expected.weight(live.id, ci) > 0;
        let gone = live
            .compute
            .iter()
            .filter(|one| goes(one.id) && weighs(one.id));
        for gone in gone {
            let Some(part) = gone.placement else { continue };
            let is_free_of = |new: &Placement| {
                let others = made.iter().filter(|other| *other != new).chain(&kept);
                others.into_iter().all(|other| {
                    other.start + other.size <= part.start || part.start + part.size <= other.start
                })
            };
            if made
                .iter()
                .any(|new| new.size == part.size && is_free_of(new))
            {
                found.push(Violation::NeedlessPart { place, part });
            }
        }
    }
    found
}

impl ExpectedParts {
    pub(super) fn weight(&self, gi: GiId, ci: CiId) -> u64 {
        self.weights.get(&(gi, ci)).copied().unwrap_or(1)
    }

    /// What a divided instance weighs, and whether one of its parts must stay.
    pub(super) fn of(&self, live: &GpuInstance) -> (u64, bool) {
        let weights = live.compute.iter().map(|one| self.weight(live.id, one.id));
        let weight = weights.fold(0, u64::saturating_add);
        let mut places = live.compute.iter().filter_map(|one| one.placement);
        let pinned = places.any(|part| self.pinned.contains(&(live.placement, part)));
        (weight, pinned)
    }

    /// Whether these are the parts of a live instance, with all that is said of them.
    pub(super) fn are_true(&self, live: &GpuInstance, said: &[Part]) -> bool {
        if !is_divided(live) {
            return said.is_empty();
        }
        said.len() == live.compute.len() && said.iter().all(|part| self.is_true(live, part))
    }

    fn is_true(&self, live: &GpuInstance, said: &Part) -> bool {
        let mut compute = live.compute.iter();
        compute.any(|one| {
            one.id == said.ci
                && one.uuid == said.uuid
                && one.placement == Some(said.place)
                && self.weight(live.id, one.id) == said.weight
                && self.pinned.contains(&(live.placement, said.place)) == said.pinned
        })
    }

    /// Whether exactly these parts of a live instance stay while the others go.
    pub(super) fn stay(
        &self,
        live: &GpuInstance,
        keep: &[Part],
        destroy: &[(CiId, MigUuid)],
    ) -> bool {
        let goes =
            |ci: CiId, uuid: &MigUuid| destroy.iter().any(|gone| *gone == (ci, uuid.clone()));
        let stays = |ci: CiId| keep.iter().any(|part| part.ci == ci);
        keep.len() + destroy.len() == live.compute.len()
            && keep.iter().all(|part| self.is_true(live, part))
            && live
                .compute
                .iter()
                .all(|one| goes(one.id, &one.uuid) != stays(one.id))
    }

    /// The sizes of which too few or too many exist.
    pub(super) fn miscounted<'d>(
        &self,
        divided: impl Iterator<Item = &'d (ProfileId, Vec<Placement>)>,
    ) -> Vec<Violation> {
        let mut counts: BTreeMap<(ProfileId, u8), (u32, u32)> = BTreeMap::new();
        for (key, wanted) in &self.slices {
            counts.entry(*key).or_default().0 = *wanted;
        }
        for (profile, parts) in divided {
            for part in parts {
                counts.entry((*profile, part.size)).or_default().1 += 1;
            }
        }
        let wrong = counts
            .into_iter()
            .filter(|(_, (wanted, found))| wanted != found);
        let violation = |((profile, slices), (wanted, found))| Violation::EndParts {
            profile,
            slices,
            wanted,
            found,
        };
        wrong.map(violation).collect()
    }

    /// The profiles whose parts lie in more instances than they need.
    pub(super) fn scattered(
        &self,
        gpu: &Gpu,
        expected: &Expected<'_>,
        end: &BTreeMap<Placement, (ProfileId, Vec<Placement>)>,
    ) -> Vec<Violation> {
        let mut found = Vec::new();
        let profiles: BTreeSet<ProfileId> = self.slices.keys().map(|(id, _)| *id).collect();
        for id in profiles {
            let there = end.values().filter(|(profile, _)| *profile == id).count();
            let Some(profile) = expected.profiles.iter().find(|one| one.id == id) else {
                continue;
            };
            if let Some(needed) = self.fewest(gpu, profile, there) {
                found.push(Violation::Scattered {
                    profile: id,
                    needed,
                    found: there,
                });
            }
        }
        found
    }

    /// A number below `found` of instances that would do, if there is one.
    fn fewest(&self, gpu: &Gpu, profile: &Profile, found: usize) -> Option<usize> {
        let mut sizes: Vec<u8> = Vec::new();
        for ((_, slices), count) in self.slices.iter().filter(|((id, _), _)| *id == profile.id) {
            let count = usize::try_from(*count).unwrap_or(usize::MAX).min(64);
            sizes.extend(std::iter::repeat_n(*slices, count));
        }
        self.needed(gpu, profile, sizes, found)
    }

    /// How many instances parts of these sizes need, if fewer than `end` will do: each part is tried in each place
    /// of each instance, beside those that must stay and are among them.
    pub(super) fn needed(
        &self,
        gpu: &Gpu,
        profile: &Profile,
        mut left: Vec<u8>,
        end: usize,
    ) -> Option<usize> {
        let mut open: Vec<u64> = Vec::new();
        for live in gpu
            .instances
            .iter()
            .filter(|live| live.profile == profile.id)
        {
            let places = live.compute.iter().filter_map(|one| one.placement);
            let mut taken = 0;
            for part in places.filter(|part| self.pinned.contains(&(live.placement, *part))) {
                let at = left.iter().position(|size| *size == part.size)?;
                left.remove(at);
                taken |= bits(part);
            }
            if taken != 0 {
                open.push(taken);
            }
        }
        left.sort_unstable();
        let first = open.len();
        let mut nodes = NODES;
        (first..end).find(|total| {
            let mut all = open.clone();
            all.resize(*total, 0);
            goes(profile, &mut all, &left, &mut nodes)
        })
    }
}

/// Whether the parts go into the instances, the largest first.
fn goes(profile: &Profile, open: &mut [u64], left: &[u8], nodes: &mut u32) -> bool {
    let Some((size, rest)) = left.split_last() else {
        return open.iter().all(|taken| *taken != 0);
    };
    *nodes = nodes.saturating_sub(1);
    if *nodes == 0 {
        return false;
    }
    let parts = profile.parts();
    let rows = parts.iter().filter(|row| row.slices == *size);
    let places: Vec<u64> = rows
        .flat_map(|row| &row.placements)
        .map(|one| bits(*one))
        .collect();
    for at in 0..open.len() {
        for place in &places {
            let Some(taken) = open.get_mut(at).filter(|taken| **taken & place == 0) else {
                continue;
            };
            *taken |= place;
            if goes(profile, open, rest, nodes) {
                return true;
            }
            if let Some(taken) = open.get_mut(at) {
                *taken &= !place;
            }
        }
    }
    false
}

fn bits(place: Placement) -> u64 {
    let slices = u32::from(place.start)..u32::from(place.start) + u32::from(place.size);
    slices.fold(0, |bits, slice| {
        bits | 1_u64.checked_shl(slice).unwrap_or(0)
    })
}
