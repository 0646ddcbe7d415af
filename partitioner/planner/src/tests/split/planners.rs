//! Planners that are wrong: each makes a plan from something that is not so, and is honest about the rest.
//! Whether its plan is wrong is told by trying all, and the checker must say the same, both ways.

use std::collections::BTreeMap;

use kerf_types::{GiId, Placement, Profile};

use super::{DRAW, small_families};
use crate::check::check_split;
use crate::gpu::{Existing, GpuPlan, Kept};
use crate::grid::Grid;
use crate::hosts::{Draw, Family, Host, end_states};
use crate::machine::Random;
use crate::split::{SplitBudget, SplitGpu, SplitPlan, Tables, Wanted, plan_split};

/// What a planner believes.
struct Belief {
    gpus: Vec<(Vec<Profile>, Vec<Existing>)>,
    wanted: Vec<Wanted>,
    budget: SplitBudget,
}

impl Belief {
    fn live(&mut self) -> impl Iterator<Item = &mut Existing> {
        self.gpus.iter_mut().flat_map(|(_, live)| live)
    }

    fn profiles(&mut self) -> impl Iterator<Item = &mut Profile> {
        self.gpus.iter_mut().flat_map(|(profiles, _)| profiles)
    }
}

type Mutant = fn(&mut Belief, &mut Random);

const MUTANTS: [(&str, Mutant); 18] = [
    ("media engines are ignored", |belief, _| {
        belief
            .profiles()
            .for_each(|one| one.engines = kerf_types::Engines::default());
    }),
    ("maximum counts are ignored", |belief, _| {
        belief.profiles().for_each(|one| one.max_count = 64);
    }),
    ("counts and engines are ignored", |belief, _| {
        for one in belief.profiles() {
            one.max_count = 64;
            one.engines = kerf_types::Engines::default();
        }
    }),
    ("pins are ignored", |belief, _| {
        belief.live().for_each(|one| one.pinned = false);
    }),
    ("weights are ignored", |belief, _| {
        belief.live().for_each(|one| one.weight = 1);
    }),
    ("light and heavy are mixed up", |belief, _| {
        belief.live().for_each(|one| one.weight = 9 - one.weight);
    }),
    ("nothing weighs anything", |belief, _| {
        belief.live().for_each(|one| one.weight = 0);
    }),
    ("everything may lie one unit further", |belief, _| {
        for one in belief.profiles() {
            let further = one.placements.iter().filter_map(|place| {
                Placement::try_new(u32::from(place.start) + 1, u32::from(place.size)).ok()
            });
            let further: Vec<Placement> = further.collect();
            one.placements.extend(further);
        }
    }),
    ("slices are thought smaller by a unit", |belief, _| {
        for one in belief.profiles() {
            for place in one.placements.iter_mut().filter(|place| place.size > 1) {
                place.size -= 1;
            }
        }
    }),
    ("half of the places are not known", |belief, _| {
        for one in belief.profiles() {
            one.placements.truncate(one.placements.len().div_ceil(2));
        }
    }),
    ("what lives is not seen", |belief, _| {
        belief.gpus.iter_mut().for_each(|(_, live)| live.clear());
    }),
    ("one instance is not seen", |belief, random| {
        for (_, live) in &mut belief.gpus {
            if !live.is_empty() {
                live.remove(random.below(live.len()));
                return;
            }
        }
    }),
    ("one slice less is made", |belief, _| {
        let one = belief.wanted.iter_mut().max_by_key(|one| one.count);
        one.into_iter().for_each(|one| one.count -= 1);
    }),
    ("one slice more is made", |belief, _| {
        belief
            .wanted
            .iter_mut()
            .take(1)
            .for_each(|one| one.count += 1);
    }),
    ("two names are mixed up", |belief, _| {
        if let [first, second, ..] = belief.wanted.as_mut_slice() {
            std::mem::swap(&mut first.count, &mut second.count);
        }
    }),
    ("a GPU is taken for its neighbour", |belief, _| {
        let profiles = belief.gpus[1].0.clone();
        belief.gpus[0].0 = profiles;
        for one in &mut belief.wanted {
            one.profiles[0] = one.profiles[1];
        }
    }),
    ("what the first GPU holds may not move", |belief, _| {
        belief.gpus[0]
            .1
            .iter_mut()
            .for_each(|one| one.pinned = true);
    }),
    (
        "the first way that is found is called the best",
        |belief, _| {
            belief.budget.nodes = 1;
        },
    ),
];

/// The plan of a planner with a belief, its words about what lives and about costs made true.
fn plan(host: &Host<'_>, belief: &Belief, tables: &mut Tables) -> Option<SplitPlan> {
    let grids = belief
        .gpus
        .iter()
        .map(|(profiles, _)| Grid::from_profiles(profiles));
    let grids = grids.collect::<Result<Vec<Grid>, _>>().ok()?;
    let pairs = grids.iter().zip(&belief.gpus);
    let gpus: Vec<SplitGpu<'_>> = pairs
        .map(|(grid, (_, current))| SplitGpu { grid, current })
        .collect();
    let mut plan = plan_split(&gpus, &belief.wanted, tables, belief.budget).ok()?;
    for (part, member) in plan.gpus.iter_mut().zip(&host.members) {
        tell_truth(part, &member.current);
        for made in &mut part.create {
            made.placement = true_place(member.family, made.profile, made.placement);
        }
    }
    plan.cost = plan.gpus.iter().map(|part| part.cost).sum();
    plan.lower_bound = plan.cost;
    plan.proof = true;
    Some(plan)
}

fn tell_truth(part: &mut GpuPlan, current: &[Existing]) {
    let truth: BTreeMap<GiId, &Existing> = current.iter().map(|one| (one.gi, one)).collect();
    let named: Vec<GiId> = (part.keep.iter().map(|kept| kept.instance.gi))
        .chain(part.destroy.iter().map(|one| one.gi))
        .collect();
    for Kept { instance, .. } in &mut part.keep {
        *instance = truth[&instance.gi].clone();
    }
    for instance in &mut part.destroy {
        *instance = truth[&instance.gi].clone();
    }
    // What it did not see it clears away, as the tools do that cut a GPU anew.
    let unseen = current.iter().filter(|one| !named.contains(&one.gi));
    part.destroy.extend(unseen.cloned());
    part.cost = part.destroy.iter().map(|one| one.weight).sum();
    part.lower_bound = part.cost;
    part.proof = true;
}

/// A slice has the size that it has, whatever was believed.
fn true_place(family: &Family, id: kerf_types::ProfileId, place: Placement) -> Placement {
    let known = family.grid.profile(id);
    let size = known.map_or(place.size, |one| one.placements[0].size);
    Placement { size, ..place }
}

/// What trying all says against a plan.
fn is_wrong(host: &Host<'_>, plan: &SplitPlan) -> bool {
    let ends = end_states(plan);
    let legal = ends.iter().zip(&host.members);
    let legal = legal
        .into_iter()
        .all(|(end, member)| member.family.space.states.contains(end));
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for (end, member) in ends.iter().zip(&host.members) {
        for (_, id) in end {
            *counts.entry(member.family.grid.label(*id)).or_default() += 1;
        }
    }
    let pins = plan.gpus.iter().flat_map(|part| &part.destroy);
    let best = host.best().map(|best| best.cost);
    !legal
        || counts != host.want
        || pins.into_iter().any(|one| one.pinned)
        || best != Some(plan.cost)
}

#[test]
fn every_mutant_of_the_planner_is_caught() {
    let families = small_families();
    let mut random = Random(43);
    let mut tables = Tables::default();
    for (name, mutant) in MUTANTS {
        let (mut wrong, mut rounds) = (0, 0);
        while wrong < 10 {
            rounds += 1;
            assert!(rounds < 2_000, "{name}: only {wrong} wrong plans");
            let draw = Draw {
                weights: 5,
                pins: 6,
                requests: 2,
                ..DRAW
            };
            let some = [random.below(3), random.below(3)].map(|at| &families[at]);
            let host = Host::random(&some, draw, &mut random);
            let mut belief = Belief {
                gpus: (host.members.iter())
                    .map(|member| (member.family.profiles.clone(), member.current.clone()))
                    .collect(),
                wanted: host.wanted(),
                budget: SplitBudget::default(),
            };
            mutant(&mut belief, &mut random);
            let Some(plan) = plan(&host, &belief, &mut tables) else {
                continue;
            };
            let found = check_split(&host.subjects(), &host.wanted(), &plan);
            let is_wrong = is_wrong(&host, &plan);
            assert_eq!(
                !found.is_empty(),
                is_wrong,
                "{name}: {found:?} {:?} {plan:?}",
                host.want
            );
            wrong += u32::from(is_wrong);
        }
    }
}
