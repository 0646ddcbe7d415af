//! What a rule means on a GPU, read a second time: at least, fill, and exact places.
//!
//! A plan names the multiset that it took the rule for. Here it is asked whether the rule can mean that: whatever is
//! more than the rule's numbers must have lived there or must fill, whatever fills must leave no room for one more,
//! and nothing that lived may go where keeping it would disturb less.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::layout::LayoutRule;
use kerf_types::{Engines, Gpu, Placement, Profile, ProfileId, ProfileName};

use super::claims::Effects;
use super::layout::kind;
use super::{Expected, ExpectedParts, Violation, bound, complete, parts};
use crate::host::GpuChange;

mod exact;

/// A profile, or the parts of its instances with so many compute slices.
type Kind = (ProfileId, Option<u8>);

type Counts = BTreeMap<Kind, u32>;

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

/// One GPU, and what must hold on it.
pub(super) struct Reading<'a> {
    pub gpu: &'a Gpu,
    pub expected: &'a Expected<'a>,
    pub parts: &'a ExpectedParts,
}

fn of(counts: &Counts, kind: Kind) -> u32 {
    counts.get(&kind).copied().unwrap_or(0)
}

impl Reading<'_> {
    /// A rule by numbers.
    pub fn counts(&self, change: &GpuChange, rule: &LayoutRule, found: &mut Vec<Violation>) {
        let profiles = self.expected.profiles;
        if profiles.is_empty() || (rule.at_least.is_empty() && rule.fill.is_empty()) {
            return;
        }
        let named = match rule.at_least.is_empty() {
            true => &rule.slices,
            false => &rule.at_least,
        };
        let fill = rule.fill.iter().map(|name| kind(profiles, name));
        let (Some(base), Some(fill)) = (self.numbers(named), fill.collect::<Option<Vec<_>>>())
        else {
            return found.push(Violation::Layout("a name means no profile".to_owned()));
        };
        let (live, planned) = (self.live(), planned(change));
        let mut wrong = |kind: Kind, why| {
            found.push(Violation::Meaning {
                profile: kind.0,
                found: of(&planned, kind),
                why,
            });
        };
        let kinds: BTreeSet<Kind> = base.keys().chain(planned.keys()).copied().collect();
        for one in kinds {
            let (wanted, count) = (of(&base, one), of(&planned, one));
            let keeps = !rule.at_least.is_empty() && count <= of(&live, one);
            if count < wanted {
                wrong(one, "fewer than it says");
            } else if count > wanted && !fill.contains(&one) && !keeps {
                wrong(one, "more than it says, and they did not live there");
            }
        }
        for one in self.unfilled(rule, base, &planned, &fill) {
            wrong(one, "one more would fit");
        }
        let spares = live
            .keys()
            .filter(|one| of(&live, **one) > of(&planned, **one));
        for one in spares.filter(|_| !rule.at_least.is_empty() && fill.is_empty()) {
            if self.could_stay(*one, &planned, change) {
                wrong(*one, "one goes that could stay at less cost");
            }
        }
    }

    fn numbers(&self, named: &BTreeMap<ProfileName, u32>) -> Option<Counts> {
        let mut out = Counts::new();
        for (name, count) in named.iter().filter(|(_, count)| **count != 0) {
            let sum = out.entry(kind(self.expected.profiles, name)?).or_insert(0);
            *sum = sum.saturating_add(*count);
        }
        Some(out)
    }

    /// The slices that live there.
    fn live(&self) -> Counts {
        let mut live = Counts::new();
        for instance in &self.gpu.instances {
            let id = instance.profile;
            if !parts::is_divided(instance) {
                *live.entry((id, None)).or_insert(0) += 1;
                continue;
            }
            for part in instance.compute.iter().filter_map(|one| one.placement) {
                *live.entry((id, Some(part.size))).or_insert(0) += 1;
            }
        }
        live
    }

    /// Kinds that were to fill and of which one more would fit, in their order where it can be told: what stood
    /// there before the filling is known only of a rule that says exactly.
    fn unfilled(
        &self,
        rule: &LayoutRule,
        base: Counts,
        planned: &Counts,
        fill: &[Kind],
    ) -> Vec<Kind> {
        // An instance stays for the sake of a part that must.
        let held = self.parts.pinned.iter().map(|(place, _)| *place);
        let pinned = self.expected.pinned.iter().copied().chain(held).collect();
        let expected = Expected {
            pinned,
            ..self.expected.clone()
        };
        let mut so_far = match rule.at_least.is_empty() {
            true => base,
            false => planned.clone(),
        };
        let mut open = Vec::new();
        for one in fill {
            let count = of(planned, *one);
            so_far.insert(*one, count.saturating_add(1));
            let instances = self.instances(&so_far).filter(|all| self.allows(all));
            if instances.is_some_and(|all| bound::fits(&self.gpu.instances, &expected, &all)) {
                open.push(*one);
            }
            so_far.insert(*one, count);
        }
        open
    }

    /// Whether one more of what lived could have been kept at less cost. Where instances are divided only what goes
    /// from a place that nothing takes is seen.
    fn could_stay(&self, kind: Kind, planned: &Counts, change: &GpuChange) -> bool {
        let mut kept = planned.clone();
        *kept.entry(kind).or_insert(0) += 1;
        let Some(instances) = self.instances(&kept).filter(|all| self.allows(all)) else {
            return false;
        };
        let has_parts = planned
            .iter()
            .any(|((_, part), count)| part.is_some() && *count > 0);
        if has_parts || self.gpu.instances.iter().any(parts::is_divided) {
            return self.leaves_its_place_free(kind, &Effects::of(&change.steps));
        }
        let with = Expected {
            slices: instances,
            ..self.expected.clone()
        };
        bound::is_beaten(&self.gpu.instances, &with, change.plan.cost)
    }

    /// Whether a slice of this kind goes and nothing comes to lie where it was.
    fn leaves_its_place_free(&self, (id, slices): Kind, effects: &Effects) -> bool {
        let apart = |a: Placement, b: Placement| a.end() <= b.start || b.end() <= a.start;
        let stays = self.gpu.instances.iter();
        let stays = stays.filter(|one| !effects.gone.contains(&one.id));
        let stays = stays.map(|one| one.placement);
        let end: Vec<Placement> = stays.chain(effects.made.keys().copied()).collect();
        let mut instances = self.gpu.instances.iter().filter(|one| one.profile == id);
        instances.any(|live| {
            let gone = effects.gone.contains(&live.id);
            let Some(slices) = slices else {
                let whole = !parts::is_divided(live) && complete(live, self.expected.profiles);
                return gone && whole && end.iter().all(|place| apart(*place, live.placement));
            };
            if gone || !parts::is_divided(live) || effects.filled.contains_key(&live.placement) {
                return false;
            }
            let ends = |ci| effects.ended.contains(&(live.id, ci));
            let places = live
                .compute
                .iter()
                .filter_map(|one| Some((one.placement?, ends(one.id))));
            let made = effects.parts.keys().filter(|(gi, _)| *gi == live.placement);
            let made = made.map(|(_, part)| (*part, false));
            let (gone, taken): (Vec<_>, Vec<_>) = places.chain(made).partition(|(_, ends)| *ends);
            gone.iter().any(|(part, _)| {
                part.size == slices && taken.iter().all(|(other, _)| apart(*part, *other))
            })
        })
    }

    /// How many GPU instances hold these: the whole ones, and as few as the parts go into; `None` where they do
    /// not, or where nobody knows.
    fn instances(&self, counts: &Counts) -> Option<BTreeMap<ProfileId, u32>> {
        let mut out = BTreeMap::new();
        let mut sizes: BTreeMap<ProfileId, Vec<u8>> = BTreeMap::new();
        for ((id, slices), count) in counts.iter().filter(|(_, count)| **count > 0) {
            match slices {
                None => *out.entry(*id).or_insert(0) += count,
                Some(slices) => {
                    let count = usize::try_from(*count).ok().filter(|count| *count <= 64)?;
                    let all = std::iter::repeat_n(*slices, count);
                    sizes.entry(*id).or_default().extend(all);
                }
            }
        }
        for (id, mut sizes) in sizes {
            sizes.sort_unstable();
            let profile = self.expected.profiles.iter().find(|known| known.id == id)?;
            let live = self.gpu.instances.iter().filter(|one| one.profile == id);
            let most = usize::try_from(profile.max_count).ok()?.max(live.count());
            let needed = self.parts.needed(self.gpu, profile, sizes, most + 1)?;
            *out.entry(id).or_insert(0) += u32::try_from(needed).ok()?;
        }
        Some(out)
    }

    /// Whether maximum counts and media engines allow so many; what lives has been allowed by the driver.
    fn allows(&self, counts: &BTreeMap<ProfileId, u32>) -> bool {
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

/// What a plan takes the rule for.
fn planned(change: &GpuChange) -> Counts {
    let whole = change.target.iter();
    let whole = whole.map(|(id, count)| ((*id, None), *count));
    let parts = change.parts.iter();
    let parts = parts.map(|((id, slices), count)| ((*id, Some(*slices)), *count));
    whole.chain(parts).collect()
}
