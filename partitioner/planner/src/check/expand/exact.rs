//! A rule by exact places: what lies where at the end, and what may go on the way.

use std::collections::BTreeMap;

use kerf_types::{GpuInstance, Placement, ProfileId, ProfileName, Spot};

use super::Reading;
use crate::check::claims::Effects;
use crate::check::layout::kind;
use crate::check::{Violation, parts};
use crate::host::GpuChange;

impl Reading<'_> {
    /// A rule by exact places. Nothing is left to choose, so that neither the bound of a free choice, nor the
    /// question whether another end would disturb less or need fewer instances says anything here.
    pub fn places(
        &self,
        change: &GpuChange,
        wanted: &BTreeMap<Spot, ProfileName>,
        found: &mut Vec<Violation>,
    ) {
        if self.expected.profiles.is_empty() {
            return;
        }
        found.retain(|one| {
            !matches!(
                one,
                Violation::Needless(_)
                    | Violation::NeedlessPart { .. }
                    | Violation::Scattered { .. }
                    | Violation::Claim("its bound")
            )
        });
        if change.plan.lower_bound != change.plan.cost || !change.plan.proof {
            found.push(Violation::Claim("its bound"));
        }
        let effects = Effects::of(&change.steps);
        let end = self.end(&effects);
        let meant = |spot: &Spot| {
            let (id, slices) = kind(self.expected.profiles, wanted.get(spot)?)?;
            (slices == spot.compute.map(|part| part.size)).then_some(id)
        };
        for spot in wanted.keys() {
            let meant = meant(spot);
            if meant.is_none() || end.get(spot).copied() != meant {
                found.push(Violation::EndPlace(*spot));
            }
        }
        let more = end.keys().filter(|spot| !wanted.contains_key(spot));
        found.extend(more.map(|spot| Violation::EndPlace(*spot)));
        for live in &self.gpu.instances {
            let mut there = wanted.keys();
            let there = there
                .any(|spot| spot.placement == live.placement && meant(spot) == Some(live.profile));
            if there && effects.gone.contains(&live.id) {
                found.push(Violation::Needless(live.placement));
            }
            let gone = Self::gone_parts(&effects, live);
            let gone = gone.filter(|spot| meant(spot) == Some(live.profile));
            found.extend(gone.filter_map(|spot| {
                Some(Violation::NeedlessPart {
                    place: spot.placement,
                    part: spot.compute?,
                })
            }));
        }
    }

    /// The parts that go of an instance that stays.
    fn gone_parts<'g>(
        effects: &'g Effects,
        live: &'g GpuInstance,
    ) -> impl Iterator<Item = Spot> + 'g {
        let stays = parts::is_divided(live) && !effects.gone.contains(&live.id);
        let compute = live.compute.iter();
        let gone = compute
            .filter(move |one| stays && effects.ended.contains(&(live.id, one.id)))
            .filter_map(|one| one.placement);
        gone.map(|part| Spot {
            placement: live.placement,
            compute: Some(part),
        })
    }

    /// Every slice that is there at the end, and the profile of its instance.
    fn end(&self, effects: &Effects) -> BTreeMap<Spot, ProfileId> {
        let mut end = BTreeMap::new();
        let mut lies = |placement: Placement, profile, parts: Vec<Placement>| {
            if parts.is_empty() {
                end.insert(placement.into(), profile);
            }
            for part in parts {
                let compute = Some(part);
                end.insert(Spot { placement, compute }, profile);
            }
        };
        let made = |place: Placement| {
            let parts = effects.parts.keys();
            parts.filter_map(move |(gi, part)| (*gi == place).then_some(*part))
        };
        for live in &self.gpu.instances {
            if effects.gone.contains(&live.id) {
                continue;
            }
            let stays = live.compute.iter();
            let stays = stays.filter(|one| !effects.ended.contains(&(live.id, one.id)));
            let stays = stays.filter_map(|one| one.placement);
            lies(
                live.placement,
                live.profile,
                stays.chain(made(live.placement)).collect(),
            );
        }
        for (place, profile) in &effects.made {
            lies(*place, *profile, made(*place).collect());
        }
        end
    }
}
