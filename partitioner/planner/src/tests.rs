//! The planner against exhaustive search, the checker against mutants, choices against the reference.

#![expect(
    clippy::indexing_slicing,
    reason = "a test that indexes wrongly fails, as it should"
)]

use std::collections::BTreeMap;

use kerf_types::{GiId, Gpu, Placement, ProfileId};

use crate::check::{Expected, check_plan};
use crate::choose::GpuView;
use crate::families::profiles;
use crate::gpu::{Budget, Existing, FitError, GpuPlan, plan_gpu};
use crate::grid::Grid;
use crate::host::existing;
use crate::machine;
use crate::space::{Item, Multiset, Space, State};

mod amd;
mod amd_layout;
mod check;
mod choose;
mod churn;
mod constrained;
mod exact;
mod grid;
mod host;
mod meaning;
mod meaning_parts;
mod mutants;
mod mutants_compute;
mod parts;
mod parts_host;
mod placed;
mod random;
mod report;
mod rings;
mod search;
mod share;
mod split;
mod together;
mod vgpu;
mod whole;
mod wishes;

/// A GPU of these profiles that holds `state`, in order of the state.
fn holding(profiles: &[kerf_types::Profile], state: &State) -> Gpu {
    let mut gpu = machine::gpu(0, profiles);
    for (placement, profile) in state {
        machine::add(&mut gpu, *profile, *placement);
    }
    gpu
}

/// The instances of a GPU as the planner takes them, each with a weight and perhaps pinned.
fn current(gpu: &Gpu, weights: &[(u64, bool)]) -> Vec<Existing> {
    let ones = std::iter::repeat(&(1, false));
    let weights = weights.iter().chain(ones);
    let pairs = gpu.instances.iter().zip(weights);
    pairs
        .map(|(one, (weight, pinned))| existing(gpu, one, *weight, *pinned))
        .collect()
}

/// What lies on the GPU when the plan is done.
fn end_state(plan: &GpuPlan) -> State {
    let kept = plan
        .keep
        .iter()
        .map(|kept| (kept.instance.placement, kept.instance.profile));
    let made = plan
        .create
        .iter()
        .map(|creation| (creation.placement, creation.profile));
    let mut state: State = kept.chain(made).collect();
    state.sort();
    state
}

/// Plans, has the plan checked, and compares with the best that looking at every state finds.
fn check_against(
    space: &Space,
    grid: &Grid,
    state: &State,
    weights: &[(u64, bool)],
    want: &Multiset,
) {
    let gpu = holding(&space.profiles, state);
    let current = current(&gpu, weights);
    let from: Vec<(Item, u64, bool)> = current
        .iter()
        .map(|one| ((one.placement, one.profile), one.weight, one.pinned))
        .collect();
    let plan = plan_gpu(grid, &current, want, Budget::default());
    let best = space.best(&from, want);
    let context = || format!("from {from:?} to {want:?}");
    match (plan, best) {
        (Ok(plan), Some((cost, state))) => {
            assert_eq!(
                (plan.cost, &end_state(&plan)),
                (cost, state),
                "{}",
                context()
            );
            assert!(plan.proof && plan.lower_bound == cost, "{}", context());
            let pinned = current
                .iter()
                .filter(|one| one.pinned)
                .map(|one| one.placement);
            let expected = Expected {
                profiles: &space.profiles,
                mig_on: true,
                slices: want.clone(),
                pinned: pinned.collect(),
                gpu_in_use: false,
                allow_reset: false,
                weights: current.iter().map(|one| (one.gi, one.weight)).collect(),
            };
            let violations = check_plan(&gpu, &plan, &plan.steps(gpu.pci), &expected);
            assert!(violations.is_empty(), "{}: {violations:?}", context());
        }
        (Err(FitError::Undecided { .. }), _) => panic!("undecided {}", context()),
        (Err(_), None) => {}
        (plan, best) => panic!("{}: planned {plan:?}, best {best:?}", context()),
    }
}

fn place(text: &str) -> Placement {
    text.parse().expect("a placement")
}

fn id(number: u32) -> ProfileId {
    ProfileId(number)
}

fn wanted(items: &[(u32, u32)]) -> BTreeMap<ProfileId, u32> {
    items
        .iter()
        .map(|(profile, count)| (id(*profile), *count))
        .collect()
}

fn gi(number: u32) -> GiId {
    GiId(number)
}

/// A view of a GPU on which everything is allowed.
fn view<'a>(gpu: &'a Gpu, grid: &'a Grid) -> GpuView<'a> {
    GpuView {
        gpu,
        grid: Some(grid),
        may_enable_mig: true,
        may_disable_mig: true,
        closed: None,
    }
}

fn multiset_of(gpu: &Gpu) -> Multiset {
    let mut out = Multiset::new();
    for instance in &gpu.instances {
        *out.entry(instance.profile).or_default() += 1;
    }
    out
}
