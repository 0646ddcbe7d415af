//! Divided instances against looking at every state: all pairs of an A30, a share of those of an H100.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::{CiId, GiId, Gpu, GpuInstance, Placement};

use super::{Grid, id, place};
use crate::check::{Expected, ExpectedParts, check_slices};
use crate::families::some_profiles;
use crate::gpu::{Budget, Existing, FitError, GpuPlan, Part, Target, plan_slices};
use crate::host::existing_parts;
use crate::machine::Random;

mod states;

pub use states::{DividedSpace, Key, Slice, Slices, holding, key, shape};

/// A right plan with all that it was made from.
pub struct PartCase {
    pub gpu: Gpu,
    pub target: Target,
    pub pinned: Pinned,
    pub weights: Weights,
    pub plan: GpuPlan,
}

/// What must stay: whole instances, and parts.
pub type Pinned = (BTreeSet<Placement>, BTreeSet<(Placement, Placement)>);
/// What instances and parts weigh.
pub type Weights = (BTreeMap<GiId, u64>, BTreeMap<(GiId, CiId), u64>);

pub fn target(key: &Key) -> Target {
    let mut target = Target::default();
    for ((profile, size), count) in key {
        match size {
            None => drop(target.whole.insert(*profile, *count)),
            Some(size) => drop(target.parts.insert((*profile, *size), *count)),
        }
    }
    target
}

/// The instances of a GPU as the planner takes them, each slice with a weight and perhaps pinned.
fn current(gpu: &Gpu, facts: &BTreeMap<Slice, (u64, bool)>) -> Vec<Existing> {
    let one = |instance: &GpuInstance| {
        let fact = |part| {
            let slice = (instance.placement, instance.profile, part);
            facts.get(&slice).copied().unwrap_or((1, false))
        };
        existing_parts(gpu, instance, fact(None), |part| fact(part.placement))
    };
    gpu.instances.iter().map(one).collect()
}

pub fn end_state(plan: &GpuPlan) -> Slices {
    let mut out = Slices::new();
    for kept in &plan.keep {
        let one = &kept.instance;
        if plan
            .divide
            .iter()
            .all(|division| division.gi != Some(one.gi))
        {
            out.insert((one.placement, one.profile, None));
        }
    }
    for one in &plan.create {
        out.insert((one.placement, one.profile, None));
    }
    for one in &plan.divide {
        let kept = one.keep.iter().map(|part| part.place);
        let made = one.create.iter().map(|part| part.place);
        let own = kept
            .chain(made)
            .map(|part| (one.placement, one.profile, Some(part)));
        out.extend(own);
    }
    out
}

impl PartCase {
    /// What the checker says of these steps.
    pub fn violations(&self, steps: &[kerf_types::Step]) -> Vec<crate::check::Violation> {
        let expected = Expected {
            profiles: &self.gpu.profiles,
            mig_on: true,
            slices: self.target.whole.clone(),
            pinned: self.pinned.0.clone(),
            gpu_in_use: false,
            allow_reset: false,
            weights: self.weights.0.clone(),
        };
        let parts = ExpectedParts {
            slices: self.target.parts.clone(),
            pinned: self.pinned.1.clone(),
            weights: self.weights.1.clone(),
        };
        check_slices(&self.gpu, &self.plan, steps, &expected, &parts)
    }
}

/// Plans, has the plan checked, and compares with the best that looking at every state finds.
pub fn check_pair(
    space: &DividedSpace,
    from: &Slices,
    facts: &BTreeMap<Slice, (u64, bool)>,
    want: &Key,
) -> Option<PartCase> {
    let gpu = holding(&space.profiles, from);
    let current = current(&gpu, facts);
    let target = target(want);
    let fact = |slice: &Slice| facts.get(slice).copied().unwrap_or((1, false));
    let known: Vec<(Slice, u64, bool)> = from
        .iter()
        .map(|slice| (*slice, fact(slice).0, fact(slice).1))
        .collect();
    let best = space.best(&known, want);
    let plan = plan_slices(&space.grid, &current, &target, Budget::default());
    let context = || format!("from {known:?} to {want:?}");
    let (plan, (cost, room)) = match (plan, best) {
        (Ok(plan), Some(best)) => (plan, best),
        (Err(FitError::Undecided { .. }), _) => panic!("undecided {}", context()),
        (Err(_), None) => return None,
        (plan, best) => panic!("{}: planned {plan:?}, best {best:?}", context()),
    };
    let end = end_state(&plan);
    assert_eq!(key(&end), *want, "{}", context());
    let found = (plan.cost, space.room[&shape(&end)]);
    assert_eq!(found, (cost, room), "{}: {plan:?}", context());
    assert!(plan.proof && plan.lower_bound == cost, "{}", context());
    let divided: BTreeMap<GiId, u64> = current.iter().map(|one| (one.gi, one.weight)).collect();
    let parts = current.iter().flat_map(|one| {
        let weight = |part: &Part| ((one.gi, part.ci), part.weight);
        one.parts.iter().map(weight).collect::<Vec<_>>()
    });
    let weights = (divided, parts.collect());
    let pinned = known.iter().filter(|(_, _, pinned)| *pinned);
    let (whole, parts): (Vec<Slice>, Vec<Slice>) = pinned
        .map(|(slice, _, _)| *slice)
        .partition(|slice| slice.2.is_none());
    let parts = parts
        .into_iter()
        .filter_map(|(at, _, part)| Some((at, part?)));
    let pinned = (
        whole.into_iter().map(|slice| slice.0).collect(),
        parts.collect(),
    );
    let case = PartCase {
        gpu,
        target,
        pinned,
        weights,
        plan,
    };
    let violations = case.violations(&case.plan.steps(case.gpu.pci));
    assert!(violations.is_empty(), "{}: {violations:?}", context());
    Some(case)
}

fn check_pairs(space: &DividedSpace, stride: usize) {
    let pairs = space.states.iter();
    let pairs = pairs.flat_map(|state| space.wants().map(move |want| (state, want)));
    for (state, want) in pairs.step_by(stride) {
        check_pair(space, state, &BTreeMap::new(), want);
    }
}

#[test]
fn every_pair_of_divided_a30_states_is_optimal() {
    // Each half has 4 sets of 1g and 4 ways to fill a 2g; a 4g is whole or has one of 24 sets of parts.
    let space = DividedSpace::new("a30-24gb", &[14, 5, 0]);
    assert_eq!((space.states.len(), space.by_target.len()), (89, 28));
    check_pairs(&space, 1);
}

/// The stride is coprime to the number of targets, so that every state and every target has its turn.
#[test]
fn a_share_of_divided_h100_pairs_is_optimal() {
    let space = DividedSpace::new("h100-80gb", &[9, 0]);
    check_pairs(&space, 37);
}

#[test]
fn weights_and_pins_of_parts_are_kept() {
    let mut random = Random(11);
    for (family, ids) in [("a30-24gb", &[14, 5, 0][..]), ("h100-80gb", &[14, 9][..])] {
        let space = DividedSpace::new(family, ids);
        let wants: Vec<&Key> = space.wants().collect();
        let mut planned = 0;
        for _ in 0..1_500 {
            let from = &space.states[random.below(space.states.len())];
            let mut facts = BTreeMap::new();
            for slice in from {
                let weight = u64::try_from(random.below(4)).expect("small");
                facts.insert(*slice, (weight, random.below(5) == 0));
            }
            let want = wants[random.below(wants.len())];
            planned += u32::from(check_pair(&space, from, &facts, want).is_some());
        }
        assert!(planned > 100, "{planned} of {family}");
    }
}

#[test]
fn what_cannot_be_divided_so_is_refused_with_its_reason() {
    let profiles = some_profiles("h100-80gb", &[9, 0]);
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let refused = |parts: &[((u32, u8), u32)]| {
        let parts = parts
            .iter()
            .map(|((profile, size), count)| ((id(*profile), *size), *count));
        let target = Target {
            parts: parts.collect(),
            ..Target::default()
        };
        let plan = plan_slices(&grid, &[], &target, Budget::default());
        plan.expect_err("refused").to_string()
    };
    assert_eq!(
        refused(&[((9, 1), 7)]),
        "1c.3g.40gb x7 do not go into 2 of 3g.40gb"
    );
    assert_eq!(
        refused(&[((9, 2), 3)]),
        "2c.3g.40gb x3 do not go into 2 of 3g.40gb"
    );
    assert_eq!(
        refused(&[((9, 4), 1)]),
        "3g.40gb has no part of 4 compute slices"
    );
    assert_eq!(
        refused(&[((9, 1), u32::MAX)]),
        "1c.3g.40gb x4294967295 do not go into 2 of 3g.40gb"
    );
    assert_eq!(
        refused(&[((9, 1), 1), ((0, 1), 1)]),
        "3g.40gb x1: at most 0 fit beside 7g.80gb x1"
    );
}

/// A part goes for another and its siblings stay, in the order in which a driver takes it.
#[test]
fn a_recut_touches_nothing_but_what_must_go() {
    let profiles = some_profiles("h100-80gb", &[9]);
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let at = place("4:4");
    let parts = ["0:1", "1:1", "2:1"].map(|part| (at, id(9), Some(place(part))));
    let gpu = holding(&profiles, &parts.into_iter().collect());
    let facts = BTreeMap::from([(parts[1], (1, true))]);
    let current = current(&gpu, &facts);
    let target = Target {
        parts: BTreeMap::from([((id(9), 1), 2)]),
        ..Target::default()
    };
    let plan = plan_slices(&grid, &current, &target, Budget::default()).expect("a plan");
    let steps: Vec<String> = plan
        .steps(gpu.pci)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        steps.join("\n"),
        "destroy compute instance 0/2 (MIG-0-2) on 0000:10:00.0"
    );
}
