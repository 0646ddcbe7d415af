//! Ways in which a plan for several GPUs can be wrong, each done to a right plan.

use super::{DRAW, small_families};
use crate::check::{Violation, check_split};
use crate::gpu::{Creation, Division, Kept};
use crate::hosts::{Draw, Family, Host};
use crate::machine::Random;
use crate::split::{SplitBudget, SplitPlan, Tables, Wanted, plan_split};

/// A right plan with all that it was made from.
struct Case<'f> {
    host: Host<'f>,
    wanted: Vec<Wanted>,
    plan: SplitPlan,
}

impl<'f> Case<'f> {
    /// Two or three GPUs of any families with weights and pins, so that every mutant finds its cases.
    fn random(families: &'f [Family], tables: &mut Tables, random: &mut Random) -> Option<Self> {
        let some: Vec<&Family> = (0..2 + random.below(2))
            .map(|_| &families[random.below(families.len())])
            .collect();
        let draw = Draw {
            weights: [0, 4][random.below(2)],
            pins: 5,
            surplus: [0, 3][random.below(2)],
            ..DRAW
        };
        let host = Host::random(&some, draw, random);
        let wanted = host.wanted();
        let plan = plan_split(&host.gpus(), &wanted, tables, SplitBudget::default()).ok()?;
        Some(Self { host, wanted, plan })
    }

    fn violations(&self) -> Vec<(usize, Violation)> {
        check_split(&self.host.subjects(), &self.wanted, &self.plan)
    }

    /// The numbers follow from the lists, as a planner would have it that believes in them.
    fn settle(&mut self) {
        for (gpu, target) in self.plan.gpus.iter_mut().zip(&mut self.plan.targets) {
            gpu.cost = gpu.destroy.iter().map(|one| one.weight).sum();
            gpu.lower_bound = gpu.cost;
            gpu.proof = true;
            target.clear();
            let kept = gpu.keep.iter().map(|kept| kept.instance.profile);
            for id in kept.chain(gpu.create.iter().map(|one| one.profile)) {
                *target.entry(id).or_default() += 1;
            }
        }
        self.plan.cost = self.plan.gpus.iter().map(|gpu| gpu.cost).sum();
        self.plan.lower_bound = self.plan.cost;
        self.plan.proof = true;
    }

    fn made_on(&self) -> Option<usize> {
        self.plan.gpus.iter().position(|gpu| !gpu.create.is_empty())
    }

    fn gone_on(&self) -> Option<usize> {
        self.plan
            .gpus
            .iter()
            .position(|gpu| !gpu.destroy.is_empty())
    }

    /// Destroys a kept instance and makes it again in its place.
    fn remake(&mut self, pinned: bool) -> bool {
        for (gpu, member) in self.plan.gpus.iter_mut().zip(&self.host.members) {
            let is_it = |kept: &Kept| kept.instance.pinned == pinned && kept.instance.weight > 0;
            let Some(at) = gpu.keep.iter().position(is_it) else {
                continue;
            };
            let one = gpu.keep.remove(at).instance;
            let profile = member.family.grid.profile(one.profile).expect("a profile");
            gpu.create.push(Creation {
                placement: one.placement,
                profile: one.profile,
                compute_profile: profile.compute_profile.expect("one that fills it"),
            });
            gpu.destroy.push(one);
            self.settle();
            return true;
        }
        false
    }
}

/// One thing done wrong. Returns whether it could be done to this plan; every `true` must be found.
type Mutant = fn(&mut Case<'_>, &mut Random) -> bool;

const MUTANTS: [(&str, Mutant); 25] = [
    ("a slice is made on another GPU", |case, _| {
        let Some(from) = case.made_on() else {
            return false;
        };
        let one = case.plan.gpus[from].create.remove(0);
        let to = (from + 1) % case.plan.gpus.len();
        case.plan.gpus[to].create.push(one);
        case.settle();
        // Where there is room for it of that id and name, it is as good a plan.
        case.host.members[to].family.grid != case.host.members[from].family.grid
    }),
    ("a slice is not made", |case, _| {
        let made = case.made_on();
        let done = made.is_some_and(|at| case.plan.gpus[at].create.pop().is_some());
        case.settle();
        done
    }),
    ("a slice is made twice", |case, _| {
        let Some(at) = case.made_on() else {
            return false;
        };
        let one = case.plan.gpus[at].create[0];
        case.plan.gpus[at].create.push(one);
        case.settle();
        true
    }),
    ("what must go is forgotten", |case, _| {
        let gone = case.gone_on();
        let done = gone.is_some_and(|at| case.plan.gpus[at].destroy.pop().is_some());
        case.settle();
        done
    }),
    ("what must go stays", |case, _| {
        let Some(at) = case.gone_on() else {
            return false;
        };
        let instance = case.plan.gpus[at].destroy.remove(0);
        let mend = None;
        case.plan.gpus[at].keep.push(Kept { instance, mend });
        case.settle();
        true
    }),
    ("what stays is forgotten", |case, _| {
        let at = case.plan.gpus.iter().position(|gpu| !gpu.keep.is_empty());
        let done = at.is_some_and(|at| case.plan.gpus[at].keep.pop().is_some());
        case.settle();
        done
    }),
    ("what stays goes and is made again", |case, _| {
        case.remake(false)
    }),
    ("a pinned instance is made again", |case, _| {
        case.remake(true)
    }),
    ("a pinned instance is emptied", |case, _| {
        let kept = case.plan.gpus.iter_mut().flat_map(|gpu| &mut gpu.keep);
        let mut pinned = kept.filter(|kept| kept.instance.pinned);
        pinned.next().is_some_and(|kept| {
            kept.mend = Some(kept.instance.profile);
            true
        })
    }),
    ("a slice is made where none may lie", |case, _| {
        let mut made = case.plan.gpus.iter_mut().flat_map(|gpu| &mut gpu.create);
        made.next().is_some_and(|one| {
            one.placement.size += 1;
            true
        })
    }),
    ("a slice is made over one that stays", |case, _| {
        for gpu in &mut case.plan.gpus {
            if let (Some(kept), Some(one)) = (gpu.keep.first(), gpu.create.first_mut()) {
                one.placement = kept.instance.placement;
                return true;
            }
        }
        false
    }),
    ("one that stays is divided besides", |case, _| {
        for gpu in &mut case.plan.gpus {
            let Some(kept) = gpu.keep.first() else {
                continue;
            };
            gpu.divide.push(Division {
                placement: kept.instance.placement,
                profile: kept.instance.profile,
                gi: Some(kept.instance.gi),
                keep: Vec::new(),
                destroy: kept.instance.compute.clone(),
                create: Vec::new(),
            });
            return true;
        }
        false
    }),
    ("another compute instance is made", |case, _| {
        let mut made = case.plan.gpus.iter_mut().flat_map(|gpu| &mut gpu.create);
        made.next().is_some_and(|one| {
            one.compute_profile.0 += 1;
            true
        })
    }),
    ("another profile is made", |case, _| {
        let mut made = case.plan.gpus.iter_mut().flat_map(|gpu| &mut gpu.create);
        let done = made.next().is_some_and(|one| {
            one.profile.0 += 40;
            true
        });
        case.settle();
        done
    }),
    ("two GPUs are mixed up", |case, _| {
        case.plan.gpus.swap(0, 1);
        case.plan.targets.swap(0, 1);
        case.host.members[0].current != case.host.members[1].current
    }),
    ("a GPU is left out", |case, _| {
        case.plan.targets.pop();
        case.plan.gpus.pop().is_some()
    }),
    ("a GPU is there twice", |case, _| {
        let (gpu, target) = (case.plan.gpus[0].clone(), case.plan.targets[0].clone());
        case.plan.gpus.push(gpu);
        case.plan.targets.push(target);
        true
    }),
    ("a target is not what comes", |case, _| {
        case.plan
            .targets
            .iter_mut()
            .any(|target| target.pop_first().is_some())
    }),
    ("the cost of a GPU is too low", |case, _| {
        let mut costly = case.plan.gpus.iter_mut().filter(|gpu| gpu.cost > 0);
        costly.next().is_some_and(|gpu| {
            gpu.cost -= 1;
            gpu.lower_bound = gpu.cost;
            true
        })
    }),
    ("the cost of all is too low", |case, _| {
        let less = case.plan.cost.checked_sub(1);
        case.plan.cost = less.unwrap_or(0);
        case.plan.lower_bound = case.plan.cost;
        less.is_some()
    }),
    ("the bound is above the cost", |case, _| {
        case.plan.lower_bound += 1;
        true
    }),
    ("a proof is claimed that there is not", |case, _| {
        let less = case.plan.lower_bound.checked_sub(1);
        case.plan.lower_bound = less.unwrap_or(0);
        less.is_some()
    }),
    ("a proof is not claimed that there is", |case, _| {
        case.plan.proof = false;
        true
    }),
    ("an instance weighs nothing", |case, _| {
        let mut gone = case.plan.gpus.iter_mut().flat_map(|gpu| &mut gpu.destroy);
        let heavy = gone.find(|one| one.weight > 0);
        let done = heavy.is_some_and(|one| {
            one.weight = 0;
            true
        });
        case.settle();
        done
    }),
    ("a whole GPU is cleared first", |case, random| {
        let at = random.below(case.plan.gpus.len());
        let member = &case.host.members[at];
        let gpu = &mut case.plan.gpus[at];
        let before = case.plan.cost;
        let kept: Vec<Kept> = std::mem::take(&mut gpu.keep);
        for Kept { instance, .. } in kept {
            let profile = member
                .family
                .grid
                .profile(instance.profile)
                .expect("a profile");
            gpu.create.push(Creation {
                placement: instance.placement,
                profile: instance.profile,
                compute_profile: profile.compute_profile.expect("one that fills it"),
            });
            gpu.destroy.push(instance);
        }
        case.settle();
        case.plan.cost > before
    }),
];

#[test]
fn every_mutant_of_a_plan_is_caught() {
    let families = small_families();
    let mut random = Random(41);
    let mut tables = Tables::default();
    let mut tried = [0_u32; MUTANTS.len()];
    for _ in 0..80 {
        for ((name, mutant), tried) in MUTANTS.iter().zip(&mut tried) {
            let Some(mut case) = Case::random(&families, &mut tables, &mut random) else {
                continue;
            };
            if !mutant(&mut case, &mut random) {
                continue;
            }
            *tried += 1;
            assert_ne!(case.violations(), [], "{name}: {:?}", case.plan);
        }
    }
    for ((name, _), tried) in MUTANTS.iter().zip(tried) {
        assert!(tried >= 10, "{name}: only {tried} tried");
    }
}
