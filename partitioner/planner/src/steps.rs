//! From a plan to the steps that carry it out, in an order that is legal at every prefix.
//!
//! All that goes, goes first, each compute instance before its GPU instance; then each new GPU instance is
//! followed at once by its compute instances. So no step needs room, a count or an engine that a later step
//! sets free, and a crash between two steps leaves at most one instance incomplete.

use kerf_types::{CiId, GiId, MigUuid, PciAddress, Step};

use crate::gpu::{Creation, Division, GpuPlan};

impl GpuPlan {
    /// The steps of this plan on the GPU at `gpu`. Empty for an empty plan.
    pub fn steps(&self, gpu: PciAddress) -> Vec<Step> {
        let mut steps = Vec::new();
        for instance in &self.destroy {
            empty(gpu, instance.gi, &instance.compute, &mut steps);
            steps.push(Step::DestroyGpuInstance {
                gpu,
                gi: instance.gi,
                profile: instance.profile,
                placement: instance.placement,
            });
        }
        for division in &self.divide {
            if let Some(gi) = division.gi {
                empty(gpu, gi, &division.destroy, &mut steps);
            }
        }
        for kept in &self.keep {
            if let Some(profile) = kept.mend {
                let placement = kept.instance.placement;
                empty(gpu, kept.instance.gi, &kept.instance.compute, &mut steps);
                steps.push(Step::CreateComputeInstance {
                    gpu,
                    placement,
                    profile,
                    compute: None,
                });
            }
        }
        for creation in &self.create {
            steps.extend(creation.steps(gpu));
        }
        for division in &self.divide {
            division.make(gpu, &mut steps);
        }
        steps
    }
}

impl Division {
    fn make(&self, gpu: PciAddress, steps: &mut Vec<Step>) {
        let (placement, profile) = (self.placement, self.profile);
        if self.gi.is_none() {
            steps.push(Step::CreateGpuInstance {
                gpu,
                profile,
                placement,
            });
        }
        let parts = self.create.iter().map(|part| Step::CreateComputeInstance {
            gpu,
            placement,
            profile: part.compute_profile,
            compute: Some(part.place),
        });
        steps.extend(parts);
    }
}

impl Creation {
    /// The two steps that make it.
    pub fn steps(&self, gpu: PciAddress) -> [Step; 2] {
        let placement = self.placement;
        [
            Step::CreateGpuInstance {
                gpu,
                profile: self.profile,
                placement,
            },
            Step::CreateComputeInstance {
                gpu,
                placement,
                profile: self.compute_profile,
                compute: None,
            },
        ]
    }
}

fn empty(gpu: PciAddress, gi: GiId, compute: &[(CiId, MigUuid)], steps: &mut Vec<Step>) {
    for (ci, uuid) in compute {
        let (ci, uuid) = (*ci, uuid.clone());
        steps.push(Step::DestroyComputeInstance { gpu, gi, ci, uuid });
    }
}
