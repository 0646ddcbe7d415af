//! From a plan to the steps that carry it out, in an order that is legal at every prefix.
//!
//! All that goes, goes first, each compute instance before its GPU instance; then each new GPU instance is
//! followed at once by its compute instance. So no step needs room, a count or an engine that a later step
//! sets free, and a crash between two steps leaves at most one instance incomplete.

use kerf_types::{PciAddress, Step};

use crate::gpu::{Creation, Existing, GpuPlan};

impl GpuPlan {
    /// The steps of this plan on the GPU at `gpu`. Empty for an empty plan.
    pub fn steps(&self, gpu: PciAddress) -> Vec<Step> {
        let mut steps = Vec::new();
        for instance in &self.destroy {
            empty(gpu, instance, &mut steps);
            steps.push(Step::DestroyGpuInstance {
                gpu,
                gi: instance.gi,
                profile: instance.profile,
                placement: instance.placement,
            });
        }
        for kept in &self.keep {
            if let Some(profile) = kept.mend {
                let placement = kept.instance.placement;
                empty(gpu, &kept.instance, &mut steps);
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
        steps
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

fn empty(gpu: PciAddress, instance: &Existing, steps: &mut Vec<Step>) {
    for (ci, uuid) in &instance.compute {
        let (gi, ci, uuid) = (instance.gi, *ci, uuid.clone());
        steps.push(Step::DestroyComputeInstance { gpu, gi, ci, uuid });
    }
}
