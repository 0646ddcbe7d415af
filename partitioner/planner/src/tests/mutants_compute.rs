//! Ways in which a plan of divided instances can be wrong, each done to right plans and each to be found.

use std::collections::BTreeMap;

use kerf_types::Step;

use super::parts::{DividedSpace, PartCase, check_pair};
use super::{id, place};
use crate::machine::Random;

/// One thing done wrong to a plan and its steps. Returns whether it could be done; every `true` must be found.
type Mutant = fn(&mut PartCase, &mut Vec<Step>) -> bool;

fn first_part(steps: &mut [Step], change: impl Fn(&mut Step)) -> bool {
    let is_part = |step: &&mut Step| {
        matches!(
            step,
            Step::CreateComputeInstance {
                compute: Some(_),
                ..
            }
        )
    };
    steps.iter_mut().find(is_part).map(change).is_some()
}

const MUTANTS: [(&str, Mutant); 20] = [
    ("a part lies one slice further", |_, steps| {
        first_part(steps, |step| {
            if let Step::CreateComputeInstance {
                compute: Some(part),
                ..
            } = step
            {
                part.start += 1;
            }
        })
    }),
    ("a part is larger than its profile", |_, steps| {
        first_part(steps, |step| {
            if let Step::CreateComputeInstance {
                compute: Some(part),
                ..
            } = step
            {
                part.size += 1;
            }
        })
    }),
    ("a part is of another profile", |_, steps| {
        first_part(steps, |step| {
            if let Step::CreateComputeInstance { profile, .. } = step {
                profile.0 += 1;
            }
        })
    }),
    ("a part fills the instance", |_, steps| {
        first_part(steps, |step| {
            if let Step::CreateComputeInstance { compute, .. } = step {
                *compute = None;
            }
        })
    }),
    ("a part lies in another instance", |_, steps| {
        first_part(steps, |step| {
            if let Step::CreateComputeInstance { placement, .. } = step {
                placement.start += 1;
            }
        })
    }),
    ("a part is made twice", |_, steps| {
        let mut parts = steps.iter();
        let part = parts.find(|step| {
            matches!(
                step,
                Step::CreateComputeInstance {
                    compute: Some(_),
                    ..
                }
            )
        });
        let part = part.cloned();
        steps.extend(part.clone());
        part.is_some()
    }),
    ("a part is not made", |_, steps| {
        let is_part = |step: &Step| {
            matches!(
                step,
                Step::CreateComputeInstance {
                    compute: Some(_),
                    ..
                }
            )
        };
        let at = steps.iter().rposition(is_part);
        at.map(|at| steps.remove(at)).is_some()
    }),
    ("parts come before their instance", |_, steps| {
        let new = steps
            .iter()
            .any(|step| matches!(step, Step::CreateGpuInstance { .. }));
        let is_gi = |step: &Step| matches!(step, Step::CreateGpuInstance { .. });
        let (late, early): (Vec<Step>, Vec<Step>) = steps.drain(..).partition(is_gi);
        *steps = early.into_iter().chain(late).collect();
        new
    }),
    ("an instance goes before its parts", |case, steps| {
        let is_gi = |step: &Step| matches!(step, Step::DestroyGpuInstance { .. });
        let (early, late): (Vec<Step>, Vec<Step>) = steps.drain(..).partition(is_gi);
        let divided = case.plan.destroy.iter().any(|one| !one.parts.is_empty());
        *steps = early.into_iter().chain(late).collect();
        divided
    }),
    ("a part that stays goes", |case, steps| {
        let divisions = &case.plan.divide;
        let kept = divisions
            .iter()
            .find_map(|one| Some((one.gi?, one.keep.first()?)));
        let Some((gi, part)) = kept else { return false };
        let (gpu, ci, uuid) = (case.gpu.pci, part.ci, part.uuid.clone());
        steps.insert(0, Step::DestroyComputeInstance { gpu, gi, ci, uuid });
        true
    }),
    (
        "a part that stays goes, and the plan says so",
        |case, steps| {
            let mut divisions = case.plan.divide.iter_mut();
            let Some(one) = divisions.find(|one| one.gi.is_some() && !one.keep.is_empty()) else {
                return false;
            };
            let part = one.keep.remove(0);
            one.destroy.push((part.ci, part.uuid));
            case.plan.cost += part.weight;
            case.plan.lower_bound = case.plan.cost;
            *steps = case.plan.steps(case.gpu.pci);
            true
        },
    ),
    ("a part goes that is only made again", |case, steps| {
        let mut divisions = case.plan.divide.iter_mut();
        let Some(one) = divisions.find(|one| one.gi.is_some() && !one.keep.is_empty()) else {
            return false;
        };
        let part = one.keep.remove(0);
        let profiles = case.gpu.profile(one.profile).expect("known").parts();
        let row = profiles.iter().find(|row| row.slices == part.place.size);
        one.create.push(crate::gpu::PartCreation {
            place: part.place,
            compute_profile: row.expect("known").id,
        });
        one.destroy.push((part.ci, part.uuid));
        case.plan.cost += part.weight;
        case.plan.lower_bound = case.plan.cost;
        *steps = case.plan.steps(case.gpu.pci);
        true
    }),
    ("one part more is wanted", |case, _| {
        let mut parts = case.target.parts.values_mut();
        parts.next().map(|count| *count += 1).is_some()
    }),
    ("parts of another size are wanted", |case, _| {
        let Some((key, count)) = case.target.parts.pop_first() else {
            return false;
        };
        case.target.parts.insert((key.0, key.1 + 1), count);
        true
    }),
    ("a division is not said", |case, _| {
        // One that is unchanged and left out says nothing wrong of the steps.
        let changed = case
            .plan
            .divide
            .last()
            .is_some_and(|one| !one.is_unchanged());
        changed && case.plan.divide.pop().is_some()
    }),
    ("a part is said to stay that goes", |case, _| {
        let mut divisions = case.plan.divide.iter_mut();
        divisions.any(|one| one.destroy.pop().is_some())
    }),
    ("a part is said to weigh more", |case, _| {
        let mut kept = case.plan.keep.iter_mut();
        let part = kept.find_map(|kept| kept.instance.parts.first_mut());
        part.map(|part| part.weight += 1).is_some()
    }),
    ("a part is said to be pinned, or not", |case, _| {
        let mut kept = case.plan.keep.iter_mut();
        let part = kept.find_map(|kept| kept.instance.parts.first_mut());
        part.map(|part| part.pinned = !part.pinned).is_some()
    }),
    ("a part that goes must stay", |case, _| {
        let divisions = case.plan.divide.iter();
        let gone = divisions.flat_map(|one| one.destroy.iter().map(move |gone| (one, gone)));
        for (one, (ci, _)) in gone {
            let live = case
                .gpu
                .instances
                .iter()
                .find(|live| Some(live.id) == one.gi);
            let part = live.and_then(|live| live.compute.iter().find(|part| part.id == *ci));
            if let Some(part) = part.and_then(|part| part.placement) {
                case.pinned.1.insert((one.placement, part));
                return true;
            }
        }
        false
    }),
    ("the cost leaves out a part", |case, _| {
        let parts = case.plan.divide.iter().any(|one| !one.destroy.is_empty());
        let less = case.plan.cost.checked_sub(1).filter(|_| parts);
        less.map(|less| (case.plan.cost, case.plan.lower_bound) = (less, less))
            .is_some()
    }),
];

#[test]
fn every_mutant_of_a_divided_plan_is_found() {
    let mut done: BTreeMap<&str, u32> = BTreeMap::new();
    let mut random = Random(5);
    for (family, ids) in [("a30-24gb", &[14, 5, 0][..]), ("h100-80gb", &[14, 9][..])] {
        let space = DividedSpace::new(family, ids);
        let wants: Vec<_> = space.wants().collect();
        for _ in 0..300 {
            let from = &space.states[random.below(space.states.len())];
            let want = wants[random.below(wants.len())];
            for (name, mutant) in MUTANTS {
                let Some(mut case) = check_pair(&space, from, &BTreeMap::new(), want) else {
                    break;
                };
                let mut steps = case.plan.steps(case.gpu.pci);
                if mutant(&mut case, &mut steps) {
                    let found = case.violations(&steps);
                    assert!(
                        !found.is_empty(),
                        "{name} passes: {:?} {steps:?}",
                        case.plan
                    );
                    *done.entry(name).or_default() += 1;
                }
            }
        }
    }
    for (name, _) in MUTANTS {
        assert!(
            done.get(name).is_some_and(|times| *times > 3),
            "{name}: {done:?}"
        );
    }
}

/// Parts that lie in two instances where one would do are no answer, though each step is legal.
#[test]
fn scattered_parts_are_found() {
    let space = DividedSpace::new("h100-80gb", &[9]);
    let part = |at: &str, part: &str| (place(at), id(9), Some(place(part)));
    let scattered = [part("0:4", "0:1"), part("4:4", "0:1")]
        .into_iter()
        .collect();
    let want = BTreeMap::from([((id(9), Some(1)), 2)]);
    let case = check_pair(&space, &scattered, &BTreeMap::new(), &want).expect("a plan");
    assert_eq!(case.plan.cost, 1, "one of them moves to the other");
    let idle = PartCase {
        plan: crate::gpu::GpuPlan::default(),
        ..case
    };
    let found = idle.violations(&[]);
    let is_it = |one: &crate::check::Violation| {
        matches!(
            one,
            crate::check::Violation::Scattered {
                needed: 1,
                found: 2,
                ..
            }
        )
    };
    assert!(found.iter().any(is_it), "{found:?}");
}
