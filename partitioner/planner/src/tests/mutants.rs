//! Ways in which a plan can be wrong, each done to a right plan.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::{Gpu, PciAddress, Placement, Step};

use super::{gi, id};
use crate::check::{Expected, Violation, check_plan};
use crate::gpu::GpuPlan;
use crate::machine::{self, Random};
use crate::space::Multiset;

/// A right plan with all that it was made from.
pub struct Case {
    pub gpu: Gpu,
    pub want: Multiset,
    pub pinned: BTreeSet<Placement>,
    pub plan: GpuPlan,
    pub steps: Vec<Step>,
}

impl Case {
    /// What the checker says.
    pub fn violations(&self) -> Vec<Violation> {
        let expected = Expected {
            profiles: &self.gpu.profiles,
            mig_on: true,
            slices: self.want.clone(),
            pinned: self.pinned.clone(),
            gpu_in_use: false,
            allow_reset: false,
            weights: BTreeMap::new(),
        };
        check_plan(&self.gpu, &self.plan, &self.steps, &expected)
    }
}

/// One thing done wrong. Returns whether it could be done to this plan; every `true` must be found.
pub type Mutant = fn(&mut Case, &mut Random) -> bool;

/// The mutants, by name.
pub const MUTANTS: [(&str, Mutant); 31] = [
    ("a step is left out", |case, random| {
        let at = random.below(case.steps.len());
        case.steps.remove(at);
        true
    }),
    ("a step is done twice", |case, random| {
        let at = random.below(case.steps.len());
        let step = case.steps[at].clone();
        case.steps.insert(at, step);
        true
    }),
    ("the steps run backwards", |case, _| {
        case.steps.reverse();
        true
    }),
    ("creations come first", |case, _| {
        let creates = |step: &Step| {
            matches!(
                step,
                Step::CreateGpuInstance { .. } | Step::CreateComputeInstance { .. }
            )
        };
        let (made, gone): (Vec<Step>, Vec<Step>) = case.steps.drain(..).partition(creates);
        let overlap = case.plan.create.iter().any(|one| {
            let mut gone = case.plan.destroy.iter();
            gone.any(|other| other.placement.mask().overlaps(one.placement.mask()))
        });
        case.steps = made.into_iter().chain(gone).collect();
        overlap
    }),
    ("another GPU", |case, random| {
        let at = random.below(case.steps.len());
        let other = PciAddress {
            bus: 0xff,
            ..case.gpu.pci
        };
        match &mut case.steps[at] {
            Step::SetMigMode { gpu, .. }
            | Step::CreateGpuInstance { gpu, .. }
            | Step::CreateComputeInstance { gpu, .. }
            | Step::DestroyComputeInstance { gpu, .. }
            | Step::DestroyGpuInstance { gpu, .. }
            | Step::SetAmdCompute { gpu, .. }
            | Step::SetAmdMemory { gpu, .. }
            | Step::SetSriov { gpu, .. }
            | Step::CreateVgpu { gpu, .. }
            | Step::DestroyVgpu { gpu, .. } => *gpu = other,
        }
        true
    }),
    ("another place to create at", |case, _| {
        case.steps.iter_mut().any(|step| match step {
            Step::CreateGpuInstance { placement, .. } => {
                placement.start += 1;
                true
            }
            _ => false,
        })
    }),
    ("another place to fill", |case, _| {
        case.steps.iter_mut().any(|step| match step {
            Step::CreateComputeInstance { placement, .. } => {
                placement.start += 1;
                true
            }
            _ => false,
        })
    }),
    ("an unknown profile", |case, _| {
        case.steps.iter_mut().any(|step| match step {
            Step::CreateGpuInstance { profile, .. } => {
                *profile = id(77);
                true
            }
            _ => false,
        })
    }),
    ("another compute instance profile", |case, _| {
        case.steps.iter_mut().any(|step| match step {
            Step::CreateComputeInstance { profile, .. } => {
                profile.0 += 1;
                true
            }
            _ => false,
        })
    }),
    ("another GPU instance to destroy", |case, _| {
        case.steps.iter_mut().any(|step| match step {
            Step::DestroyGpuInstance { gi, .. } => {
                gi.0 += 1;
                true
            }
            _ => false,
        })
    }),
    ("an old life to destroy", |case, _| {
        case.steps.iter_mut().any(|step| match step {
            Step::DestroyComputeInstance { uuid, .. } => {
                *uuid = machine::uuid(9, gi(9));
                true
            }
            _ => false,
        })
    }),
    ("a kept instance goes", |case, _| {
        let Some(kept) = case.plan.keep.first() else {
            return false;
        };
        let one = &kept.instance;
        let (gpu, gi) = (case.gpu.pci, one.gi);
        let (profile, placement) = (one.profile, one.placement);
        for (ci, uuid) in one.compute.clone() {
            case.steps
                .push(Step::DestroyComputeInstance { gpu, gi, ci, uuid });
        }
        case.steps.push(Step::DestroyGpuInstance {
            gpu,
            gi,
            profile,
            placement,
        });
        true
    }),
    ("a kept instance is emptied and filled again", |case, _| {
        let Some(kept) = case.plan.keep.first() else {
            return false;
        };
        let (gpu, gi, placement) = (case.gpu.pci, kept.instance.gi, kept.instance.placement);
        let instance = case
            .gpu
            .instances
            .iter()
            .find(|one| one.id == gi)
            .expect("it lives");
        let compute = instance.compute[0].clone();
        case.steps.extend([
            Step::DestroyComputeInstance {
                gpu,
                gi,
                ci: compute.id,
                uuid: compute.uuid,
            },
            Step::CreateComputeInstance {
                gpu,
                placement,
                profile: compute.profile,
                compute: None,
            },
        ]);
        true
    }),
    ("MIG is turned on again", |case, _| {
        let gpu = case.gpu.pci;
        case.steps.insert(
            0,
            Step::SetMigMode {
                gpu,
                enabled: true,
                allow_reset: false,
            },
        );
        true
    }),
    ("MIG is turned off at the end", |case, _| {
        let gpu = case.gpu.pci;
        case.steps.push(Step::SetMigMode {
            gpu,
            enabled: false,
            allow_reset: false,
        });
        true
    }),
    ("one more than wanted is wanted", |case, _| {
        *case.want.entry(id(19)).or_default() += 1;
        true
    }),
    ("the cost is too low", |case, _| {
        match case.plan.cost.checked_sub(1) {
            Some(less) => {
                case.plan.cost = less;
                true
            }
            None => false,
        }
    }),
    ("the bound is above the cost", |case, _| {
        case.plan.lower_bound += 1;
        true
    }),
    (
        "a proof is claimed that there is not",
        |case, _| match case.plan.lower_bound.checked_sub(1) {
            Some(less) => {
                case.plan.lower_bound = less;
                true
            }
            None => false,
        },
    ),
    ("what goes is not said", |case, _| {
        case.plan.destroy.pop().is_some()
    }),
    ("what stays is not said", |case, _| {
        case.plan.keep.pop().is_some()
    }),
    ("an instance weighs nothing", |case, _| {
        let Some(one) = case.plan.destroy.first_mut() else {
            return false;
        };
        // With the cost made to agree, only the inventory tells.
        case.plan.cost -= one.weight;
        case.plan.lower_bound = case.plan.cost;
        one.weight = 0;
        true
    }),
    ("an instance weighs more", |case, _| {
        case.plan.keep.first_mut().is_some_and(|kept| {
            kept.instance.weight += 1;
            true
        })
    }),
    ("an instance lies elsewhere", |case, _| {
        case.plan.keep.first_mut().is_some_and(|kept| {
            kept.instance.placement.start += 1;
            true
        })
    }),
    ("an instance has another profile", |case, _| {
        case.plan.destroy.first_mut().is_some_and(|one| {
            one.profile = id(77);
            true
        })
    }),
    ("an instance is said to be incomplete", |case, _| {
        case.plan.destroy.first_mut().is_some_and(|one| {
            one.complete = false;
            true
        })
    }),
    ("an instance is said to be pinned, or not", |case, _| {
        case.plan.keep.first_mut().is_some_and(|kept| {
            kept.instance.pinned = !kept.instance.pinned;
            true
        })
    }),
    ("an instance lacks its compute instance", |case, _| {
        case.plan.keep.first_mut().is_some_and(|kept| {
            kept.instance.compute.clear();
            true
        })
    }),
    ("another compute instance is said to be made", |case, _| {
        case.plan.create.first_mut().is_some_and(|one| {
            one.compute_profile.0 += 1;
            true
        })
    }),
    ("a mend is said that is not done", |case, _| {
        case.plan.keep.first_mut().is_some_and(|kept| {
            kept.mend = Some(id(0));
            true
        })
    }),
    ("what is made is said twice", |case, _| {
        let Some(one) = case.plan.create.first().copied() else {
            return false;
        };
        case.plan.create.push(one);
        true
    }),
];
