//! The plan that a final state with divided instances means.

use kerf_types::Placement;

use super::arrange::arrange;
use super::divided::{Divided, Found, pinned_weight};
use super::{Division, PartCreation};
use crate::gpu::problem::Problem;
use crate::gpu::{Creation, Existing, FitError, GpuPlan, Kept};
use crate::search::Item;

impl Problem<'_> {
    /// The plan of the best state found.
    pub(super) fn plan_divided(
        &self,
        divided: &[Divided<'_>],
        found: &Found<'_>,
        most_gain: u64,
        exhausted: bool,
    ) -> Result<GpuPlan, FitError> {
        let mut plan = GpuPlan::default();
        let mut movable: u64 = 0;
        let mut left = found.best.state.clone();
        for instance in self.current {
            if instance.pinned {
                self.stays(divided, found, instance, &mut plan)?;
                let loose = instance.weight.saturating_sub(pinned_weight(instance));
                if instance.has_pinned_part() {
                    movable = movable.saturating_add(loose);
                }
                continue;
            }
            movable = movable.saturating_add(instance.weight);
            let is_it = |item: &Item| (item.0, item.1) == (instance.placement, instance.profile);
            match left.iter().position(is_it).map(|at| left.remove(at)) {
                None => {
                    plan.cost = plan.cost.saturating_add(instance.weight);
                    plan.destroy.push(instance.clone());
                }
                Some((_, _, 0)) => self.whole(instance, &mut plan)?,
                Some((_, _, number)) => {
                    let one = of_profile(divided, instance.profile)?;
                    recut(one, instance, one.sizes(number), &mut plan)?;
                }
            }
        }
        for (placement, profile, number) in left {
            if number == 0 {
                let compute_profile = self.compute_profile(profile)?;
                plan.create.push(Creation {
                    placement,
                    profile,
                    compute_profile,
                });
            } else {
                let one = of_profile(divided, profile)?;
                plan.divide.push(new(one, placement, one.sizes(number))?);
            }
        }
        plan.keep.sort_by_key(|kept| kept.instance.placement);
        plan.destroy.sort_by_key(|instance| instance.placement);
        plan.create.sort();
        plan.divide.sort_by_key(|division| division.placement);
        let bound = movable.saturating_sub(most_gain);
        plan.lower_bound = if exhausted { bound } else { plan.cost };
        plan.proof = plan.lower_bound == plan.cost;
        Ok(plan)
    }

    /// An instance that must stay, as a whole or for the sake of a part.
    fn stays(
        &self,
        divided: &[Divided<'_>],
        found: &Found<'_>,
        instance: &Existing,
        plan: &mut GpuPlan,
    ) -> Result<(), FitError> {
        if !instance.has_pinned_part() {
            plan.keep.push(Kept {
                instance: instance.clone(),
                mend: None,
            });
            return Ok(());
        }
        for (one, packing) in divided.iter().zip(&found.choice) {
            let mut fixed = one.pinned.iter().zip(&packing.fixed);
            if let Some((_, sizes)) = fixed.find(|(pinned, _)| pinned.gi == instance.gi) {
                return recut(one, instance, sizes, plan);
            }
        }
        Err(FitError::Undecided { nodes: self.nodes })
    }

    fn whole(&self, instance: &Existing, plan: &mut GpuPlan) -> Result<(), FitError> {
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
        Ok(())
    }
}

fn of_profile<'d, 'a>(
    divided: &'d [Divided<'a>],
    id: kerf_types::ProfileId,
) -> Result<&'d Divided<'a>, FitError> {
    let mut all = divided.iter();
    all.find(|one| one.profile.id == id)
        .ok_or(FitError::UnknownProfile { profile: id })
}

/// A live instance comes to hold these parts; those that lie right stay.
fn recut(
    one: &Divided<'_>,
    instance: &Existing,
    sizes: &[u8],
    plan: &mut GpuPlan,
) -> Result<(), FitError> {
    plan.cost = plan
        .cost
        .saturating_add(instance.weight.saturating_sub(one.kept(instance, sizes)));
    let mut division = new(one, instance.placement, sizes)?;
    division.gi = Some(instance.gi);
    if let Some(arrangement) = arrange(one.profile, sizes, &instance.parts) {
        let stays = |place: &Placement| instance.parts.iter().any(|part| part.place == *place);
        let (kept, made): (Vec<_>, Vec<_>) = arrangement.places.into_iter().partition(stays);
        let mut parts: Vec<_> = instance.parts.to_vec();
        parts.retain(|part| kept.contains(&part.place));
        parts.sort_by_key(|part| part.place);
        division.keep = parts;
        division.create = creations(one, &made)?;
    }
    let gone = instance.compute.iter().filter(|(ci, _)| {
        let mut kept = division.keep.iter();
        !kept.any(|part| part.ci == *ci)
    });
    division.destroy = gone.cloned().collect();
    plan.keep.push(Kept {
        instance: instance.clone(),
        mend: None,
    });
    plan.divide.push(division);
    Ok(())
}

/// An instance that is made and divided so.
fn new(one: &Divided<'_>, placement: Placement, sizes: &[u8]) -> Result<Division, FitError> {
    let places = arrange(one.profile, sizes, &[]).map_or_else(Vec::new, |found| found.places);
    Ok(Division {
        placement,
        profile: one.profile.id,
        gi: None,
        keep: Vec::new(),
        destroy: Vec::new(),
        create: creations(one, &places)?,
    })
}

fn creations(one: &Divided<'_>, places: &[Placement]) -> Result<Vec<PartCreation>, FitError> {
    let creation = |place: &Placement| {
        let no_part = || FitError::NoPart {
            profile: one.profile.name.clone(),
            slices: place.size,
        };
        let part = one.profile.part(place.size).ok_or_else(no_part)?;
        Ok(PartCreation {
            place: *place,
            compute_profile: part.id,
        })
    };
    places.iter().map(creation).collect()
}
