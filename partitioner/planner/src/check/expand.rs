//! What a rule means on a GPU, read a second time: at least, fill, and exact places.
//!
//! A plan names the multiset that it took the rule for. Here it is asked whether the rule can mean that: whatever is
//! more than the rule's numbers must have lived there or must fill, whatever fills must leave no room for one more,
//! and nothing that lived may go where keeping it would disturb less.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::layout::LayoutRule;
use kerf_types::{Engines, Gpu, Placement, Profile, ProfileId, ProfileName};

use super::claims::Effects;
use super::layout::meaning;
use super::{Expected, Violation, bound};
use crate::host::GpuChange;

type Counts = BTreeMap<ProfileId, u32>;

/// What a rule wants by name, where nobody knows the profiles: of what fills one at the least.
pub(super) fn by_name(rule: &LayoutRule) -> BTreeMap<ProfileName, u32> {
    let mut wanted = BTreeMap::new();
    for (name, count) in rule.at_least.iter().chain(&rule.slices) {
        if *count != 0 {
            wanted.insert(name.clone(), *count);
        }
    }
    if let Some(places) = &rule.places {
        for name in places.values() {
            *wanted.entry(name.clone()).or_insert(0) += 1;
        }
    }
    for name in &rule.fill {
        if !wanted.contains_key(name) {
            wanted.insert(name.clone(), 1);
        }
    }
    wanted
}

/// A rule by numbers.
pub(super) fn counts(
    gpu: &Gpu,
    change: &GpuChange,
    rule: &LayoutRule,
    expected: &Expected<'_>,
    found: &mut Vec<Violation>,
) {
    if expected.profiles.is_empty() || (rule.at_least.is_empty() && rule.fill.is_empty()) {
        return;
    }
    let reading = Reading { gpu, expected };
    let named = match rule.at_least.is_empty() {
        true => &rule.slices,
        false => &rule.at_least,
    };
    let fill = rule
        .fill
        .iter()
        .map(|name| meaning(expected.profiles, name));
    let (Some(base), Some(fill)) = (reading.numbers(named), fill.collect::<Option<Vec<_>>>())
    else {
        return found.push(Violation::Layout("a name means no profile".to_owned()));
    };
    let mut live = Counts::new();
    for instance in &gpu.instances {
        *live.entry(instance.profile).or_insert(0) += 1;
    }
    let of = |counts: &Counts, id: &ProfileId| counts.get(id).copied().unwrap_or(0);
    let ids: BTreeSet<ProfileId> = base.keys().chain(change.target.keys()).copied().collect();
    let mut wrong = |id: ProfileId, why| {
        let found_count = of(&change.target, &id);
        found.push(Violation::Meaning {
            profile: id,
            found: found_count,
            why,
        });
    };
    for id in ids {
        let (wanted, planned) = (of(&base, &id), of(&change.target, &id));
        let keeps = !rule.at_least.is_empty() && planned <= of(&live, &id);
        if planned < wanted {
            wrong(id, "fewer than it says");
        } else if planned > wanted && !fill.contains(&id) && !keeps {
            wrong(id, "more than it says, and they did not live there");
        }
    }
    for id in reading.unfilled(rule, base, &change.target, &fill) {
        wrong(id, "one more would fit");
    }
    let spares = live
        .keys()
        .filter(|id| of(&live, id) > of(&change.target, id));
    for id in spares.filter(|_| !rule.at_least.is_empty() && fill.is_empty()) {
        let mut kept = change.target.clone();
        *kept.entry(*id).or_insert(0) += 1;
        let with = Expected {
            slices: kept.clone(),
            ..expected.clone()
        };
        if reading.allows(&kept) && bound::is_beaten(&gpu.instances, &with, change.plan.cost) {
            wrong(*id, "one goes that could stay at less cost");
        }
    }
}

/// One GPU, and what must hold on it.
struct Reading<'a> {
    gpu: &'a Gpu,
    expected: &'a Expected<'a>,
}

impl Reading<'_> {
    fn numbers(&self, named: &BTreeMap<ProfileName, u32>) -> Option<Counts> {
        let mut out = Counts::new();
        for (name, count) in named.iter().filter(|(_, count)| **count != 0) {
            let sum = out
                .entry(meaning(self.expected.profiles, name)?)
                .or_insert(0);
            *sum = sum.saturating_add(*count);
        }
        Some(out)
    }

    /// Profiles that were to fill and of which one more would fit, in their order where it can be told: what stood
    /// there before the filling is known only of a rule that says exactly.
    fn unfilled(
        &self,
        rule: &LayoutRule,
        base: Counts,
        planned: &Counts,
        fill: &[ProfileId],
    ) -> Vec<ProfileId> {
        let mut so_far = match rule.at_least.is_empty() {
            true => base,
            false => planned.clone(),
        };
        let mut open = Vec::new();
        for id in fill {
            let count = planned.get(id).copied().unwrap_or(0);
            so_far.insert(*id, count.saturating_add(1));
            if self.allows(&so_far) && bound::fits(&self.gpu.instances, self.expected, &so_far) {
                open.push(*id);
            }
            so_far.insert(*id, count);
        }
        open
    }

    /// Whether maximum counts and media engines allow so many; what lives has been allowed by the driver.
    fn allows(&self, counts: &Counts) -> bool {
        let profile = |id: &ProfileId| self.expected.profiles.iter().find(|known| known.id == *id);
        let mut needed = [0_u64; 4];
        for (id, count) in counts.iter().filter(|(_, count)| **count > 0) {
            let Some(profile) = profile(id) else {
                return false;
            };
            let live = self
                .gpu
                .instances
                .iter()
                .filter(|one| one.profile == *id)
                .count();
            if *count > profile.max_count
                && usize::try_from(*count).map_or(true, |count| count > live)
            {
                return false;
            }
            add(&mut needed, &profile.engines, *count);
        }
        let mut given = [0_u64; 4];
        for profile in self
            .expected
            .profiles
            .iter()
            .filter(|known| !known.placements.is_empty())
        {
            widen(&mut given, profile);
        }
        let mut live = [0_u64; 4];
        for one in self
            .gpu
            .instances
            .iter()
            .filter_map(|one| profile(&one.profile))
        {
            add(&mut live, &one.engines, 1);
        }
        let most = given
            .into_iter()
            .zip(live)
            .map(|(given, live)| given.max(live));
        needed
            .into_iter()
            .zip(most)
            .all(|(needed, most)| needed <= most)
    }
}

fn add(sum: &mut [u64; 4], engines: &Engines, times: u32) {
    let each = [engines.decoder, engines.encoder, engines.jpeg, engines.ofa];
    for (sum, one) in sum.iter_mut().zip(each) {
        *sum = sum.saturating_add(u64::from(one).saturating_mul(u64::from(times)));
    }
}

fn widen(given: &mut [u64; 4], profile: &Profile) {
    let mut all = [0; 4];
    add(&mut all, &profile.engines, profile.max_count);
    for (given, all) in given.iter_mut().zip(all) {
        *given = (*given).max(all);
    }
}

/// A rule by exact places. Nothing is left to choose, so that neither the bound of a free choice nor the question
/// whether another end would disturb less says anything here.
pub(super) fn places(
    gpu: &Gpu,
    change: &GpuChange,
    wanted: &BTreeMap<Placement, ProfileName>,
    expected: &Expected<'_>,
    found: &mut Vec<Violation>,
) {
    if expected.profiles.is_empty() {
        return;
    }
    found.retain(|one| !matches!(one, Violation::Needless(_) | Violation::Claim("its bound")));
    if change.plan.lower_bound != change.plan.cost || !change.plan.proof {
        found.push(Violation::Claim("its bound"));
    }
    let effects = Effects::of(&change.steps);
    let stays = gpu
        .instances
        .iter()
        .filter(|live| !effects.gone.contains(&live.id));
    let stays = stays.map(|live| (live.placement, live.profile));
    let end: BTreeMap<Placement, ProfileId> = stays.chain(effects.made.clone()).collect();
    for (place, name) in wanted {
        if end.get(place).copied() != meaning(expected.profiles, name) || !end.contains_key(place) {
            found.push(Violation::EndPlace(*place));
        }
    }
    let more = end.keys().filter(|place| !wanted.contains_key(place));
    found.extend(more.map(|place| Violation::EndPlace(*place)));
    // An instance goes only where it is not what its place must hold.
    let gone = gpu
        .instances
        .iter()
        .filter(|live| effects.gone.contains(&live.id));
    for live in gone {
        let wanted = wanted.get(&live.placement);
        if wanted.and_then(|name| meaning(expected.profiles, name)) == Some(live.profile) {
            found.push(Violation::Needless(live.placement));
        }
    }
}
