//! The plan to exact places: nothing is left to choose, so it costs what it costs.

use std::collections::BTreeMap;

use kerf_types::{Placement, ProfileId, ProfileName};

use super::target::{Aim, Target};
use super::{GpuName, PlanError};
use crate::gpu::{Budget, Creation, Existing, FitError, GpuPlan, Kept, plan_gpu};
use crate::grid::Grid;

/// What is to lie where.
pub(super) type Places = BTreeMap<Placement, (ProfileId, ProfileName)>;

impl Aim<'_> {
    /// Exactly these slices in exactly these places.
    pub fn exact(
        &self,
        gpu: GpuName,
        places: &Places,
        explain: impl Fn(FitError) -> PlanError,
    ) -> Result<(Target, GpuPlan), PlanError> {
        let mut target = Target::new();
        for (placement, (id, name)) in places {
            let profile = self.grid.profile(*id);
            if !profile.is_some_and(|known| known.placements.contains(placement)) {
                let (profile, placement) = (name.clone(), *placement);
                return Err(PlanError::Place {
                    gpu,
                    profile,
                    placement,
                });
            }
            *target.entry(*id).or_default() += 1;
        }
        for (first, second) in places.keys().zip(places.keys().skip(1)) {
            if first.mask().overlaps(second.mask()) {
                let (first, second) = (*first, *second);
                return Err(PlanError::SharedPlace { gpu, first, second });
            }
        }
        // Whether counts and engines allow it does not hang on what lives there now.
        plan_gpu(self.grid, &[], &target, Budget::default()).map_err(&explain)?;
        let plan = self.bring_to(places).map_err(explain)?;
        Ok((target, plan))
    }

    fn bring_to(&self, places: &Places) -> Result<GpuPlan, FitError> {
        let mut plan = GpuPlan {
            proof: true,
            ..GpuPlan::default()
        };
        let mut left = places.clone();
        for instance in self.current {
            let wanted = left.get(&instance.placement);
            let stays = wanted.is_some_and(|(id, _)| *id == instance.profile);
            if stays {
                left.remove(&instance.placement);
                let mend = match instance.complete || instance.pinned {
                    true => None,
                    false => Some(compute_profile(self.grid, instance.profile)?),
                };
                if mend.is_some() && instance.is_mended_at_a_cost() {
                    plan.cost = plan.cost.saturating_add(instance.weight);
                }
                let instance = instance.clone();
                plan.keep.push(Kept { instance, mend });
                continue;
            }
            if instance.pinned {
                return Err(self.in_the_way(instance));
            }
            plan.cost = plan.cost.saturating_add(instance.weight);
            plan.destroy.push(instance.clone());
        }
        for (placement, (profile, _)) in left {
            let compute_profile = compute_profile(self.grid, profile)?;
            plan.create.push(Creation {
                placement,
                profile,
                compute_profile,
            });
        }
        plan.keep.sort_by_key(|kept| kept.instance.placement);
        plan.destroy.sort_by_key(|instance| instance.placement);
        plan.lower_bound = plan.cost;
        Ok(plan)
    }

    fn in_the_way(&self, pin: &Existing) -> FitError {
        FitError::PinNotWanted {
            gi: pin.gi,
            profile: self.grid.label(pin.profile),
            placement: pin.placement,
        }
    }
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
