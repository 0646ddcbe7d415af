//! Grids with more states than a table may have, and searches that are cut short.

use kerf_types::{Placement, Profile, ProfileId};

use super::DRAW;
use crate::check::{Subject, check_split};
use crate::gpu::Budget;
use crate::grid::Grid;
use crate::hosts::{Draw, Family, Host};
use crate::machine::Random;
use crate::space::State;
use crate::split::{SplitBudget, SplitError, SplitGpu, Tables, plan_split, wanted};
use crate::tests::{current, holding, id, profiles};

/// 64 units with 1 and 4 of them anywhere: far more states than a table may have.
fn huge() -> Vec<Profile> {
    let template = profiles("h100-80gb").remove(0);
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
    [(1, 64), (4, 16)].into_iter().map(profile).collect()
}

#[test]
fn a_grid_too_large_for_a_table_gets_a_plan_and_an_honest_bound() {
    let profiles = huge();
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    assert_eq!(Tables::default().prepare(&grid), None);
    let thirds = |from: u8| -> State {
        (from..from + 20)
            .map(|at| {
                (
                    Placement {
                        start: at * 3,
                        size: 1,
                    },
                    id(1),
                )
            })
            .collect()
    };
    let live = [0, 1].map(|from| current(&holding(&profiles, &thirds(from)), &[]));
    let gpus = live.each_ref().map(|current| SplitGpu {
        grid: &grid,
        current,
    });
    let names =
        [("1g.1gb", 40), ("4g.4gb", 6)].map(|(name, count)| (name.parse().expect("a name"), count));
    let wanted = wanted(&[&grid, &grid], &names.into()).expect("profiles");
    let budget = SplitBudget {
        gpu: Budget { nodes: 5_000 },
        ..SplitBudget::default()
    };
    let plan = plan_split(&gpus, &wanted, &mut Tables::default(), budget).expect("a plan");
    assert!(
        plan.lower_bound <= plan.cost && plan.cost < 20,
        "{}",
        plan.cost
    );
    assert_eq!(plan.proof, plan.lower_bound == plan.cost);
    let subjects = live.each_ref().map(|current| Subject {
        profiles: &profiles,
        engines: None,
        current,
    });
    assert_eq!(check_split(&subjects, &wanted, &plan), []);
}

/// Fewer nodes than a search over four GPUs takes.
const SHORT: u64 = 10;

#[test]
fn a_search_that_ends_early_says_so() {
    let family = Family::new(profiles("h100-80gb"));
    let mut random = Random(31);
    let mut tables = Tables::default();
    let (mut unproven, mut undecided) = (0, 0);
    for _ in 0..40 {
        let draw = Draw {
            requests: 4,
            ..DRAW
        };
        let host = Host::random(&[&family; 4], draw, &mut random);
        let (gpus, wanted) = (host.gpus(), host.wanted());
        let short = SplitBudget {
            nodes: SHORT,
            ..SplitBudget::default()
        };
        let long = plan_split(&gpus, &wanted, &mut tables, SplitBudget::default());
        match (plan_split(&gpus, &wanted, &mut tables, short), long) {
            (Ok(plan), Ok(best)) => {
                assert!(plan.lower_bound <= best.cost && best.cost <= plan.cost);
                assert_eq!(plan.proof, plan.lower_bound == plan.cost);
                assert_eq!(check_split(&host.subjects(), &wanted, &plan), []);
                unproven += usize::from(!plan.proof);
            }
            (Err(SplitError::Undecided { nodes: SHORT }), _) => undecided += 1,
            (Err(_), Err(_)) => {}
            (plan, best) => panic!("{plan:?}, {best:?}"),
        }
    }
    assert!(unproven > 0 && undecided > 0, "{unproven} {undecided}");
}
