//! Splits over several GPUs against trying all, what is said when there is none, and what is said when the
//! search is cut short.

use kerf_types::ProfileName;

use super::{current, holding, id, place, profiles};
use crate::check::{Expected, check_plan, check_split};
use crate::families::some_profiles;
use crate::gpu::Existing;
use crate::grid::Grid;
use crate::hosts::{Draw, Family, Host, end_states};
use crate::machine::Random;
use crate::space::{Space, State};
use crate::split::{
    GPU_LIMIT, SplitBudget, SplitError, SplitGpu, SplitPlan, Tables, plan_split, wanted,
};

mod halves;
mod large;
mod mutants;
mod names;
mod planners;
mod shares;

const DRAW: Draw = Draw {
    requests: 3,
    weights: 0,
    pins: 0,
    surplus: 0,
};

/// Plans, has the plan checked, and compares with trying all. Returns whether there is a plan.
#[track_caller]
pub(super) fn check_best(host: &Host<'_>, tables: &mut Tables) -> bool {
    let (gpus, wanted) = (host.gpus(), host.wanted());
    let plan = plan_split(&gpus, &wanted, tables, SplitBudget::default());
    let context = || {
        let live = host.members.iter().map(|member| &member.current);
        format!("{:?} from {:?}", host.want, live.collect::<Vec<_>>())
    };
    match (plan, host.best()) {
        (Ok(plan), Some(best)) => {
            assert_eq!(plan.cost, best.cost, "{}", context());
            assert_eq!(end_states(&plan), best.states, "{}", context());
            assert!(plan.proof && plan.lower_bound == plan.cost, "{}", context());
            let found = check_split(&host.subjects(), &wanted, &plan);
            assert_eq!(found, [], "{}", context());
            check_steps(host, &plan);
            true
        }
        (Err(SplitError::Undecided { .. }), _) => panic!("undecided {}", context()),
        (Err(_), None) => false,
        (plan, best) => panic!("{}: planned {plan:?}, best {best:?}", context()),
    }
}

/// The steps of each GPU's plan pass the checker of one GPU, which has another model.
fn check_steps(host: &Host<'_>, plan: &SplitPlan) {
    let parts = plan.gpus.iter().zip(&plan.targets).zip(&host.members);
    for ((part, target), member) in parts {
        let pinned = member.current.iter().filter(|one| one.pinned);
        let expected = Expected {
            profiles: &member.family.profiles,
            mig_on: true,
            slices: target.clone(),
            pinned: pinned.map(|one| one.placement).collect(),
            gpu_in_use: false,
            allow_reset: false,
            weights: member
                .current
                .iter()
                .map(|one| (one.gi, one.weight))
                .collect(),
        };
        let found = check_plan(&member.gpu, part, &part.steps(member.gpu.pci), &expected);
        assert_eq!(found, []);
    }
}

pub(super) fn small_families() -> [Family; 3] {
    [
        Family::new(profiles("a30-24gb")),
        Family::new(some_profiles("a100-80gb", &[19, 20, 14, 9, 0])),
        Family::new(some_profiles("h100-80gb", &[19, 15, 9, 5])),
    ]
}

/// The benchmark has 10,000 of them, with all profiles.
#[test]
fn two_and_three_gpus_are_split_optimally() {
    let families = small_families();
    let mut random = Random(17);
    let mut tables = Tables::default();
    let mut feasible = 0;
    let draws = [
        DRAW,
        Draw {
            weights: 4,
            pins: 6,
            ..DRAW
        },
        Draw {
            weights: 100,
            surplus: 4,
            ..DRAW
        },
        Draw {
            requests: 0,
            surplus: 2,
            pins: 5,
            ..DRAW
        },
    ];
    for round in 0..160 {
        let some: Vec<&Family> = (0..2 + round % 2)
            .map(|_| &families[random.below(families.len())])
            .collect();
        let host = Host::random(&some, draws[round % draws.len()], &mut random);
        feasible += usize::from(check_best(&host, &mut tables));
    }
    assert!((40..150).contains(&feasible), "{feasible}");
}

/// Costs whose last bits the bound does not count: splits that only these tell apart.
#[test]
fn costs_beyond_the_scale_are_told_apart() {
    let family = Family::new(some_profiles("a30-24gb", &[14, 5]));
    let (mut random, mut tables, mut planned) = (Random(61), Tables::default(), 0);
    for round in 0..900 {
        let draw = Draw {
            weights: 60,
            surplus: 2,
            requests: 2,
            pins: 0,
        };
        let some = vec![&family; 3 + round % 3];
        let mut host = Host::random(&some, draw, &mut random);
        let live = host.members.iter_mut().flat_map(|one| &mut one.current);
        live.for_each(|one| one.weight += 1 << 42);
        planned += usize::from(check_best(&host, &mut tables));
    }
    assert!(planned > 300, "{planned}");
}

/// Every pair of placed states, so that nothing is taken for granted about multisets either.
#[test]
fn two_gpus_are_split_as_well_as_any_pair_of_states() {
    let family = Family::new(some_profiles("h100-80gb", &[19, 9, 5]));
    let mut random = Random(23);
    let mut tables = Tables::default();
    let gone = |host: &Host<'_>, at: usize, state: &State| -> u64 {
        let live = host.members[at].current.iter();
        let gone = live.filter(|one| !state.contains(&(one.placement, one.profile)));
        gone.map(|one| one.weight).sum()
    };
    let mut planned = 0;
    for _ in 0..16 {
        let draw = Draw {
            weights: 5,
            requests: 1,
            surplus: 3,
            ..DRAW
        };
        let host = Host::random(&[&family, &family], draw, &mut random);
        let want: Vec<(String, u32)> = host.want.clone().into_iter().collect();
        let names = |state: &State| {
            state
                .iter()
                .map(|(_, id)| family.grid.label(*id))
                .collect::<Vec<String>>()
        };
        let all: Vec<(Vec<String>, [u64; 2])> = (family.space.states.iter())
            .map(|state| (names(state), [0, 1].map(|at| gone(&host, at, state))))
            .collect();
        let mut best: Option<u64> = None;
        for (first, [cost, _]) in &all {
            for (second, [_, more]) in &all {
                let count = |name: &String| {
                    first
                        .iter()
                        .chain(second)
                        .filter(|one| *one == name)
                        .count()
                };
                let total: u32 = want.iter().map(|(_, count)| count).sum();
                let same = want
                    .iter()
                    .all(|(name, wanted)| u32::try_from(count(name)) == Ok(*wanted));
                if same && first.len() + second.len() == usize::try_from(total).expect("small") {
                    best = Some(best.map_or(cost + more, |least| least.min(cost + more)));
                }
            }
        }
        let plan = plan_split(
            &host.gpus(),
            &host.wanted(),
            &mut tables,
            SplitBudget::default(),
        );
        planned += usize::from(plan.is_ok());
        assert_eq!(plan.ok().map(|plan| plan.cost), best);
    }
    assert!(planned > 3, "{planned}");
}

/// GPUs of one family, each with a state, and a wish.
fn split(
    family: &str,
    states: &[&[(&str, u32, u64, bool)]],
    want: &[(&str, u32)],
) -> Result<SplitPlan, SplitError> {
    let profiles = profiles(family);
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let live = states.iter().map(|state| {
        let items = state
            .iter()
            .map(|(at, profile, _, _)| (place(at), id(*profile)))
            .collect();
        let weights: Vec<(u64, bool)> = state
            .iter()
            .map(|(_, _, weight, pinned)| (*weight, *pinned))
            .collect();
        current(&holding(&profiles, &items), &weights)
    });
    let live: Vec<Vec<Existing>> = live.collect();
    let gpus: Vec<SplitGpu<'_>> = live
        .iter()
        .map(|current| SplitGpu {
            grid: &grid,
            current,
        })
        .collect();
    let names = want
        .iter()
        .map(|(name, count)| (name.parse::<ProfileName>().expect("a name"), *count));
    let wanted = wanted(&vec![&grid; gpus.len()], &names.collect())?;
    plan_split(
        &gpus,
        &wanted,
        &mut Tables::default(),
        SplitBudget::default(),
    )
}

fn refusal(states: &[&[(&str, u32, u64, bool)]], want: &[(&str, u32)]) -> String {
    split("h100-80gb", states, want)
        .expect_err("no plan")
        .to_string()
}

#[test]
fn what_does_not_fit_is_named() {
    assert_eq!(
        refusal(&[&[], &[]], &[("7g.80gb", 3)]),
        "7g.80gb x3: at most 2 fit on the GPUs given"
    );
    assert_eq!(
        refusal(&[&[], &[]], &[("2g.10gb+gfx", 1)]),
        "no GPU given has a profile 2g.10gb+gfx"
    );
    assert_eq!(
        refusal(&[&[], &[]], &[("1g.5gb", 1)]),
        "1g.5gb could mean 1g.20gb, 1g.10gb of GPU 0"
    );
    assert_eq!(
        refusal(&[&[("0:4", 9, 1, true)], &[]], &[("1g.10gb", 1)]),
        "3g.40gb at 0:4 on GPU 0 must stay and is not wanted"
    );
    assert_eq!(
        refusal(
            &[&[], &[]],
            &[
                ("7g.80gb", 1),
                ("4g.40gb", 1),
                ("3g.40gb", 1),
                ("1g.10gb", 1)
            ]
        ),
        "the wanted slices do not fit together on the GPUs given"
    );
    assert_eq!(
        refusal(
            &[&[("0:4", 9, 1, true)], &[("4:4", 9, 1, true)]],
            &[("3g.40gb", 2), ("4g.40gb", 2)]
        ),
        "4g.40gb x2: at most 1 fit on the GPUs given"
    );
    assert_eq!(
        refusal(&vec![[].as_slice(); GPU_LIMIT + 1], &[]),
        "17 GPUs are given, a plan is for at most 16"
    );
    let one = split("h100-80gb", &[&[]], &[("3g.40gb", 3)]).expect_err("no plan");
    assert_eq!(one.to_string(), "the wanted slices do not fit on GPU 0");
}

#[test]
fn nothing_is_wanted() {
    let live = [("0:4", 9, 5, false)];
    let plan = split("h100-80gb", &[&live, &live], &[]).expect("a plan");
    assert_eq!((plan.cost, plan.lower_bound, plan.proof), (10, 10, true));
    assert_eq!(
        refusal(&[&[("0:4", 9, 1, true)], &[]], &[]),
        "3g.40gb at 0:4 on GPU 0 must stay and is not wanted"
    );
}

#[test]
fn a_slice_goes_where_it_disturbs_least() {
    let full = [("0:4", 9, 5, false), ("4:4", 9, 7, false)];
    let other = [("0:4", 9, 4, false), ("4:2", 14, 9, false)];
    let plan = split(
        "h100-80gb",
        &[&full, &other],
        &[("3g.40gb", 3), ("4g.40gb", 1)],
    )
    .expect("a plan");
    // The 2g goes nowhere, since it is not wanted; the lightest 3g moves over for the 4g.
    assert_eq!((plan.cost, plan.lower_bound, plan.proof), (13, 13, true));
    assert_eq!(plan.gpus[0].cost, 0);
    let nothing = split(
        "h100-80gb",
        &[&full, &other],
        &[("3g.40gb", 3), ("2g.20gb", 1)],
    )
    .expect("a plan");
    assert!(nothing.is_empty() && nothing.proof);
}

#[test]
fn weights_without_measure_do_not_overflow() {
    let heavy = [("0:4", 9, u64::MAX, false), ("4:4", 9, u64::MAX, false)];
    let plan = split("h100-80gb", &[&heavy, &heavy], &[("3g.40gb", 4)]).expect("a plan");
    assert!(plan.is_empty() && plan.proof);
    let plan = split("h100-80gb", &[&heavy, &heavy], &[("7g.80gb", 2)]).expect("a plan");
    assert_eq!((plan.cost, plan.proof), (u64::MAX, true));
    let light = [("0:4", 9, 3, false), ("4:4", 9, u64::MAX, false)];
    let plan = split(
        "h100-80gb",
        &[&heavy, &light],
        &[("3g.40gb", 3), ("4g.40gb", 1)],
    )
    .expect("a plan");
    assert_eq!((plan.cost, plan.proof), (3, true));
}

/// An instance where the driver says none may lie can stay, and so can one too many.
#[test]
fn what_the_driver_allowed_can_stay() {
    let plan = split(
        "h100-80gb",
        &[&[("1:4", 9, 1, false)], &[]],
        &[("3g.40gb", 2), ("1g.10gb", 1)],
    )
    .expect("a plan");
    assert_eq!((plan.cost, plan.proof), (0, true));
    let engines = [("0:1", 20, 1, false), ("1:1", 20, 1, false)];
    let plan = split("h100-80gb", &[&engines, &[]], &[("1g.10gb+me", 3)]).expect("a plan");
    assert_eq!((plan.cost, plan.gpus[1].create.len()), (0, 1));
}

#[test]
fn tables_have_every_state_once_and_in_order() {
    for (family, _) in crate::families::FAMILIES {
        let profiles = profiles(family);
        let family = Family::new(profiles);
        assert_eq!(
            Tables::default().prepare(&family.grid),
            Some(family.space.states.len())
        );
    }
    let space = Space::new(&profiles("a30-24gb"), None, 1000).expect("a small space");
    assert!(space.states.is_sorted());
}
