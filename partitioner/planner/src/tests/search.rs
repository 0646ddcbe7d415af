//! What no exhaustive comparison shows: messages, instances that are odd, grids too large to see whole.

use kerf_types::{Placement, Profile, ProfileId};

use super::{current, end_state, gi, holding, id, place, profiles, wanted};
use crate::gpu::{Budget, FitError, plan_gpu};
use crate::grid::Grid;

fn refusal(family: &str, state: &[(&str, u32, bool)], want: &[(u32, u32)]) -> String {
    let profiles = profiles(family);
    let items = state
        .iter()
        .map(|(at, profile, _)| (place(at), id(*profile)))
        .collect();
    let pins: Vec<(u64, bool)> = state.iter().map(|(_, _, pinned)| (1, *pinned)).collect();
    let gpu = holding(&profiles, &items);
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    plan_gpu(
        &grid,
        &current(&gpu, &pins),
        &wanted(want),
        Budget::default(),
    )
    .expect_err("no plan")
    .to_string()
}

#[test]
fn what_does_not_fit_is_named() {
    assert_eq!(
        refusal("h100-80gb", &[], &[(9, 3)]),
        "3g.40gb x3: at most 2 fit"
    );
    assert_eq!(
        refusal("h100-80gb", &[], &[(20, 2)]),
        "1g.10gb+me x2: at most 1 fit"
    );
    assert_eq!(
        refusal("h100-80gb", &[], &[(9, 1), (5, 1), (19, 1)]),
        "1g.10gb x1: at most 0 fit beside 4g.40gb x1, 3g.40gb x1"
    );
    assert_eq!(
        refusal("h100-80gb", &[("4:4", 9, true)], &[(9, 1), (14, 3)]),
        "2g.20gb x3: at most 2 fit beside 3g.40gb x1"
    );
    assert_eq!(
        refusal("h100-80gb", &[("0:4", 9, true)], &[(9, 1), (5, 1)]),
        "4g.40gb x1: at most 0 fit while 3g.40gb at 0:4 must stay"
    );
    assert_eq!(
        refusal("h100-80gb", &[("0:4", 9, true)], &[(5, 1)]),
        "GPU instance 0 (3g.40gb at 0:4) must stay and is not wanted"
    );
    assert_eq!(
        refusal("a30-24gb", &[], &[(21, 1), (6, 1)]),
        "the wanted slices own 2 JPEG engines together, the GPU has 1"
    );
    assert_eq!(
        refusal("a30-24gb", &[], &[(99, 1)]),
        "the GPU has no profile with id 99"
    );
}

#[test]
fn a_neighbour_stays_when_half_a_gpu_is_cut_anew() {
    let profiles = profiles("h100-80gb");
    let gpu = holding(
        &profiles,
        &vec![(place("0:4"), id(9)), (place("4:4"), id(9))],
    );
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let current = current(&gpu, &[(3, false), (2, false)]);
    let want = wanted(&[(9, 1), (14, 1)]);
    let plan = plan_gpu(&grid, &current, &want, Budget::default()).expect("a plan");
    assert_eq!((plan.cost, plan.lower_bound, plan.proof), (2, 2, true));
    assert_eq!(plan.keep[0].instance.placement, place("0:4"));
    // 4:2 and 6:2 leave equally much of each profile; a 2g may not lie at 6.
    assert_eq!(
        end_state(&plan),
        vec![(place("0:4"), id(9)), (place("4:2"), id(14))]
    );
    let steps: Vec<String> = plan
        .steps(gpu.pci)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        steps,
        [
            "destroy compute instance 1/0 (MIG-0-1) on 0000:10:00.0",
            "destroy GPU instance 1 at 4:4 on 0000:10:00.0",
            "create GPU instance of profile 14 at 4:2 on 0000:10:00.0",
            "create compute instance at 4:2 on 0000:10:00.0",
        ]
    );
}

#[test]
fn an_incomplete_instance_is_mended_in_place() {
    let profiles = profiles("h100-80gb");
    let mut gpu = holding(
        &profiles,
        &vec![(place("0:4"), id(9)), (place("4:4"), id(9))],
    );
    gpu.instances[0].compute.clear();
    gpu.instances[1].compute[0].profile = id(0);
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let want = wanted(&[(9, 2)]);
    let plan = plan_gpu(&grid, &current(&gpu, &[]), &want, Budget::default()).expect("a plan");
    // The empty one costs nobody anything, the other loses what runs in it.
    assert_eq!(
        (plan.cost, plan.destroy.len(), plan.create.len()),
        (1, 0, 0)
    );
    assert_eq!(plan.steps(gpu.pci).len(), 3);
    let pins = [(1, true), (1, true)];
    let pinned = plan_gpu(&grid, &current(&gpu, &pins), &want, Budget::default());
    assert!(pinned.expect("a plan").is_empty());
}

#[test]
fn an_instance_where_the_driver_says_none_may_lie_can_stay() {
    let profiles = profiles("h100-80gb");
    let gpu = holding(&profiles, &vec![(place("1:4"), id(9))]);
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let plan = plan_gpu(
        &grid,
        &current(&gpu, &[]),
        &wanted(&[(9, 1)]),
        Budget::default(),
    );
    assert!(plan.expect("a plan").is_empty());
}

#[test]
fn a_profile_without_compute_instance_is_refused_only_where_it_must_be_made() {
    let mut profiles = profiles("h100-80gb");
    let gpu = holding(&profiles, &vec![(place("0:4"), id(9))]);
    profiles
        .iter_mut()
        .for_each(|profile| profile.full_compute_profile = None);
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let current = current(&gpu, &[]);
    let kept = plan_gpu(&grid, &current, &wanted(&[(9, 1)]), Budget::default());
    assert!(kept.expect("a plan").is_empty());
    let made = plan_gpu(&grid, &current, &wanted(&[(9, 2)]), Budget::default());
    assert_eq!(
        made.expect_err("no plan").to_string(),
        "no compute instance profile fills 3g.40gb"
    );
}

/// 64 units with 1, 2 and 4 of them anywhere: far more states than can be looked at.
fn huge() -> Vec<Profile> {
    let template = profiles("h100-80gb").remove(0);
    let sizes = [(1, 64), (2, 32), (4, 16)];
    let profile = |(size, max_count): (u32, u32)| Profile {
        id: ProfileId(size),
        name: format!("{size}g.{size}gb").parse().expect("a name"),
        max_count,
        placements: (0..=64 - size)
            .map(|start| Placement::try_new(start, size).expect("in the grid"))
            .collect(),
        engines: kerf_types::Engines::default(),
        ..template.clone()
    };
    sizes.into_iter().map(profile).collect()
}

#[test]
fn a_grid_too_large_to_see_whole_gets_a_plan_and_an_honest_bound() {
    let profiles = huge();
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let every_third: Vec<_> = (0..20)
        .map(|at| {
            (
                Placement {
                    start: at * 3,
                    size: 1,
                },
                id(1),
            )
        })
        .collect();
    let gpu = holding(&profiles, &every_third);
    let budget = Budget { nodes: 5_000 };
    let want = wanted(&[(1, 20), (4, 5)]);
    let plan = plan_gpu(&grid, &current(&gpu, &[]), &want, budget).expect("a plan");
    assert!(plan.lower_bound <= plan.cost);
    assert_eq!(plan.proof, plan.lower_bound == plan.cost);
    // One 4-unit place takes at least one of the small ones, two where it is badly laid.
    assert!((1..=10).contains(&plan.cost), "{}", plan.cost);
    let nothing = plan_gpu(&grid, &current(&gpu, &[]), &want, Budget { nodes: 1 });
    assert_eq!(nothing, Err(FitError::Undecided { nodes: 1 }));
    assert_eq!(gi(0), gpu.instances[0].id);
}

#[test]
fn weights_without_measure_do_not_overflow() {
    let profiles = profiles("h100-80gb");
    let gpu = holding(
        &profiles,
        &vec![(place("0:4"), id(9)), (place("4:4"), id(9))],
    );
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let current = current(&gpu, &[(u64::MAX, false), (u64::MAX, false)]);
    let kept = plan_gpu(&grid, &current, &wanted(&[(9, 2)]), Budget::default());
    assert!(kept.expect("a plan").is_empty());
    let gone = plan_gpu(&grid, &current, &wanted(&[(0, 1)]), Budget::default());
    assert_eq!(gone.expect("a plan").cost, u64::MAX);
}
