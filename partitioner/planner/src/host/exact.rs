//! The plan to exact places: nothing is left to choose, so it costs what it costs.

use std::collections::BTreeMap;

use kerf_types::{Placement, ProfileId, ProfileName, Spot};

use super::target::Aim;
use super::{GpuName, PlanError};
use crate::gpu::{
    Budget, Creation, Division, Existing, FitError, GpuPlan, Kept, Kind, Part, PartCreation,
    Target, plan_gpu,
};
use crate::grid::Grid;

/// What is to lie where.
pub(super) type Places = BTreeMap<Spot, (Kind, ProfileName)>;

/// What a GPU instance is to be.
#[derive(Clone)]
struct Wanted {
    profile: ProfileId,
    /// Where its parts are to lie; none where it is to be whole.
    parts: Vec<Placement>,
}

impl Aim<'_> {
    /// Exactly these slices in exactly these places.
    pub fn exact(
        &self,
        gpu: GpuName,
        places: &Places,
        explain: impl Fn(FitError) -> PlanError,
    ) -> Result<(Target, GpuPlan), PlanError> {
        let mut target = Target::default();
        for (spot, (kind, name)) in places {
            if !self.may_lie(*spot, *kind) {
                let (profile, place) = (name.clone(), *spot);
                return Err(PlanError::Place {
                    gpu,
                    profile,
                    place,
                });
            }
            *target.count_mut(*kind) += 1;
        }
        for (first, second) in places.iter().zip(places.iter().skip(1)) {
            let ((first, ((one, _), _)), (second, ((other, _), _))) = (first, second);
            // One GPU instance has parts of one profile.
            let is_torn = first.placement == second.placement && one != other;
            if first.overlaps(*second) || is_torn {
                let (first, second) = (*first, *second);
                return Err(PlanError::SharedPlace { gpu, first, second });
            }
        }
        let wanted = instances(places);
        let mut counts = BTreeMap::new();
        for one in wanted.values() {
            *counts.entry(one.profile).or_default() += 1;
        }
        // Whether counts and engines allow it does not hang on what lives there now.
        plan_gpu(self.grid, &[], &counts, Budget::default()).map_err(&explain)?;
        self.check_parts(&wanted).map_err(&explain)?;
        let plan = self.bring_to(wanted).map_err(explain)?;
        Ok((target, plan))
    }

    fn may_lie(&self, spot: Spot, (id, slices): Kind) -> bool {
        let Some(profile) = self.grid.profile(id) else {
            return false;
        };
        let part = match (spot.compute, slices) {
            (None, None) => true,
            (Some(at), Some(slices)) => profile
                .part(slices)
                .is_some_and(|part| part.placements.contains(&at)),
            _ => false,
        };
        part && profile.placements.contains(&spot.placement)
    }

    /// No more parts of one size in an instance than the driver allows.
    fn check_parts(&self, wanted: &BTreeMap<Placement, Wanted>) -> Result<(), FitError> {
        for one in wanted.values() {
            for part in &one.parts {
                let row = self.grid.profile(one.profile);
                let most = row.and_then(|row| row.part(part.size));
                let most = most.map_or(0, |row| row.max_count);
                let same = one.parts.iter().filter(|other| other.size == part.size);
                let asked = u32::try_from(same.count()).unwrap_or(u32::MAX);
                if let Some(row) = row.filter(|_| asked > most) {
                    let profile = row.name.part(Some(part.size));
                    return Err(FitError::TooMany {
                        profile,
                        asked,
                        most,
                    });
                }
            }
        }
        Ok(())
    }

    fn bring_to(&self, mut wanted: BTreeMap<Placement, Wanted>) -> Result<GpuPlan, FitError> {
        let mut plan = GpuPlan {
            proof: true,
            ..GpuPlan::default()
        };
        for instance in self.current {
            let fits = |one: &Wanted| one.profile == instance.profile;
            if !wanted.get(&instance.placement).is_some_and(fits) {
                self.refuse_pinned(instance)?;
                plan.cost = plan.cost.saturating_add(instance.weight);
                plan.destroy.push(instance.clone());
                continue;
            }
            match wanted.remove(&instance.placement) {
                Some(one) if !one.parts.is_empty() => {
                    self.divide(instance, &one.parts, &mut plan)?;
                }
                _ => self.keep_whole(instance, &mut plan)?,
            }
        }
        for (placement, one) in wanted {
            let profile = one.profile;
            if one.parts.is_empty() {
                let compute_profile = compute_profile(self.grid, profile)?;
                plan.create.push(Creation {
                    placement,
                    profile,
                    compute_profile,
                });
                continue;
            }
            plan.divide.push(Division {
                placement,
                profile,
                gi: None,
                keep: Vec::new(),
                destroy: Vec::new(),
                create: self.creations(profile, &one.parts)?,
            });
        }
        plan.keep.sort_by_key(|kept| kept.instance.placement);
        plan.destroy.sort_by_key(|instance| instance.placement);
        plan.divide.sort_by_key(|division| division.placement);
        plan.lower_bound = plan.cost;
        Ok(plan)
    }

    /// The instance stays and is filled by one compute instance.
    fn keep_whole(&self, instance: &Existing, plan: &mut GpuPlan) -> Result<(), FitError> {
        if instance.has_pinned_part() {
            return self.refuse_pinned(instance);
        }
        let mend = match instance.complete || instance.pinned {
            true => None,
            false => Some(compute_profile(self.grid, instance.profile)?),
        };
        if mend.is_some() && instance.is_mended_at_a_cost() {
            plan.cost = plan.cost.saturating_add(instance.weight);
        }
        let instance = instance.clone();
        plan.keep.push(Kept { instance, mend });
        Ok(())
    }

    /// The instance stays and has parts in these places; those that are there stay too.
    fn divide(
        &self,
        instance: &Existing,
        places: &[Placement],
        plan: &mut GpuPlan,
    ) -> Result<(), FitError> {
        if instance.parts.is_empty() {
            self.refuse_pinned(instance)?;
            if !instance.compute.is_empty() {
                plan.cost = plan.cost.saturating_add(instance.weight);
            }
        }
        let parts = instance.parts.iter().cloned();
        let (mut keep, gone): (Vec<_>, Vec<_>) =
            parts.partition(|part| places.contains(&part.place));
        for part in &gone {
            if part.pinned {
                return Err(self.part_in_the_way(instance, part));
            }
            plan.cost = plan.cost.saturating_add(part.weight);
        }
        keep.sort_by_key(|part| part.place);
        let mut new = places.to_vec();
        new.retain(|place| keep.iter().all(|part| part.place != *place));
        let stays = |ci| keep.iter().any(|part| part.ci == ci);
        let destroy = instance.compute.iter().filter(|(ci, _)| !stays(*ci));
        plan.divide.push(Division {
            placement: instance.placement,
            profile: instance.profile,
            gi: Some(instance.gi),
            destroy: destroy.cloned().collect(),
            create: self.creations(instance.profile, &new)?,
            keep,
        });
        plan.keep.push(Kept {
            instance: instance.clone(),
            mend: None,
        });
        Ok(())
    }

    fn creations(
        &self,
        id: ProfileId,
        places: &[Placement],
    ) -> Result<Vec<PartCreation>, FitError> {
        let profile = self
            .grid
            .profile(id)
            .ok_or(FitError::UnknownProfile { profile: id })?;
        let creation = |place: &Placement| {
            let no_part = || FitError::NoPart {
                profile: profile.name.clone(),
                slices: place.size,
            };
            let part = profile.part(place.size).ok_or_else(no_part)?;
            Ok(PartCreation {
                place: *place,
                compute_profile: part.id,
            })
        };
        places.iter().map(creation).collect()
    }

    fn refuse_pinned(&self, instance: &Existing) -> Result<(), FitError> {
        if let Some(part) = instance.parts.iter().find(|part| part.pinned) {
            return Err(self.part_in_the_way(instance, part));
        }
        match instance.pinned {
            false => Ok(()),
            true => Err(FitError::PinNotWanted {
                gi: instance.gi,
                profile: self.grid.label(instance.profile),
                placement: instance.placement,
            }),
        }
    }

    fn part_in_the_way(&self, instance: &Existing, part: &Part) -> FitError {
        FitError::PartNotWanted {
            gi: instance.gi,
            ci: part.ci,
            profile: self.grid.part_label(instance.profile, part.place.size),
        }
    }
}

/// The GPU instances that the places speak of.
fn instances(places: &Places) -> BTreeMap<Placement, Wanted> {
    let mut out: BTreeMap<Placement, Wanted> = BTreeMap::new();
    for (spot, ((profile, _), _)) in places {
        let one = out.entry(spot.placement).or_insert_with(|| Wanted {
            profile: *profile,
            parts: Vec::new(),
        });
        one.parts.extend(spot.compute);
    }
    out
}

fn compute_profile(grid: &Grid, id: ProfileId) -> Result<ProfileId, FitError> {
    let profile = grid
        .profile(id)
        .ok_or(FitError::UnknownProfile { profile: id })?;
    let missing = || FitError::NoComputeProfile {
        profile: profile.name.clone(),
    };
    profile.compute_profile.ok_or_else(missing)
}
