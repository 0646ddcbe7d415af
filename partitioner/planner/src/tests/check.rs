//! The checker finds what is wrong with a plan: seeded mutants of right plans, each wrong in one way.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::inventory::{Architecture, GpuProcess};
use kerf_types::{CiId, Gpu, MigMode, PciAddress, Step};

use super::mutants::{Case, MUTANTS};
use super::{current, gi, holding, id, profiles};
use crate::check::{Expected, Violation, check_steps};
use crate::families::FAMILIES;
use crate::gpu::{Budget, plan_gpu};
use crate::grid::Grid;
use crate::machine::{self, Random};
use crate::space::{Multiset, Space};

fn case(space: &Space, grid: &Grid, random: &mut Random) -> Option<Case> {
    let state = &space.states[random.below(space.states.len())];
    let targets: Vec<&Multiset> = space.by_multiset.keys().collect();
    let want = targets[random.below(targets.len())].clone();
    let gpu = holding(&space.profiles, state);
    let pins: Vec<(u64, bool)> = state.iter().map(|_| (1, random.below(4) == 0)).collect();
    let current = current(&gpu, &pins);
    let plan = plan_gpu(grid, &current, &want, Budget::default()).ok()?;
    let pinned = current
        .iter()
        .filter(|one| one.pinned)
        .map(|one| one.placement)
        .collect();
    let steps = plan.steps(gpu.pci);
    Some(Case {
        gpu,
        want,
        pinned,
        plan,
        steps,
    })
}

#[test]
fn every_mutant_is_caught() {
    let mut random = Random(3);
    let mut tried = vec![0_u32; MUTANTS.len()];
    for (family, _) in FAMILIES {
        let profiles = profiles(family);
        let grid = Grid::from_profiles(&profiles).expect("a grid");
        let space = Space::new(&profiles, None, 10_000).expect("a small space");
        for _ in 0..150 {
            for ((name, mutant), tried) in MUTANTS.iter().zip(&mut tried) {
                let Some(mut case) = case(&space, &grid, &mut random) else {
                    continue;
                };
                assert_eq!(case.violations(), []);
                if case.steps.is_empty() || !mutant(&mut case, &mut random) {
                    continue;
                }
                *tried += 1;
                assert_ne!(case.violations(), [], "{name}: {:?}", case.steps);
            }
        }
    }
    for ((name, _), tried) in MUTANTS.iter().zip(tried) {
        assert!(tried >= 20, "{name}: only {tried} tried");
    }
}

/// A planner that forgets to keep: what could stay goes and is made again.
#[test]
fn a_needless_outage_is_caught() {
    let profiles = profiles("h100-80gb");
    let from = vec![("0:1".parse().expect("a place"), id(19))];
    let to = vec![("6:1".parse().expect("a place"), id(19))];
    let gpu = holding(&profiles, &from);
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let gone = current(&gpu, &[]);
    let fresh = plan_gpu(&grid, &[], &crate::space::multiset(&to), Budget::default());
    let mut plan = fresh.expect("a plan");
    plan.cost = 1;
    plan.lower_bound = 1;
    plan.destroy = gone;
    let steps = plan.steps(gpu.pci);
    let want = crate::space::multiset(&to);
    let case = Case {
        gpu,
        want,
        pinned: BTreeSet::new(),
        plan,
        steps,
    };
    assert_eq!(
        case.violations(),
        [
            Violation::Claim("its bound"),
            Violation::Needless(from[0].0)
        ]
    );
}

/// A planner that clears the GPU first, as mig-parted does: honest about what it costs, and not the least.
#[test]
fn a_plan_that_disturbs_more_than_it_must_is_caught() {
    let mut random = Random(5);
    for (family, _) in FAMILIES {
        let profiles = profiles(family);
        let grid = Grid::from_profiles(&profiles).expect("a grid");
        let space = Space::new(&profiles, None, 10_000).expect("a small space");
        let (mut worse, mut equal) = (0, 0);
        while worse < 100 {
            let Some(mut case) = case(&space, &grid, &mut random) else {
                continue;
            };
            case.pinned.clear();
            let best = plan_gpu(
                &grid,
                &current(&case.gpu, &[]),
                &case.want,
                Budget::default(),
            );
            let best = best.expect("one without pins").cost;
            // Media engines that live instances own may be more than an empty GPU promises.
            let Ok(fresh) = plan_gpu(&grid, &[], &case.want, Budget::default()) else {
                continue;
            };
            let all = current(&case.gpu, &[]);
            let cost = u64::try_from(all.len()).expect("few");
            case.plan = crate::gpu::GpuPlan {
                destroy: all,
                cost,
                lower_bound: cost,
                ..fresh
            };
            case.steps = case.plan.steps(case.gpu.pci);
            let bound = Violation::Claim("its bound");
            assert_eq!(case.violations().contains(&bound), best < cost, "{family}");
            if best < cost {
                worse += 1;
            } else {
                equal += 1;
            }
        }
        assert!(equal > 0, "{family}: a right plan is let through, too");
    }
}

/// A GPU, steps on it, and what is found.
fn check_mode(
    mode: MigMode,
    mig_on: bool,
    change: fn(&mut Gpu),
    steps: &[Step],
    found: &[Violation],
) {
    let mut gpu = machine::gpu(0, &profiles("h100-80gb"));
    gpu.mig_mode = mode;
    change(&mut gpu);
    let expected = Expected {
        profiles: &gpu.profiles.clone(),
        mig_on,
        slices: Multiset::new(),
        pinned: BTreeSet::new(),
        gpu_in_use: false,
        allow_reset: false,
        weights: BTreeMap::new(),
    };
    assert_eq!(check_steps(&gpu, steps, &expected), found);
}

const GPU: PciAddress = PciAddress {
    domain: 0,
    bus: 0x10,
    device: 0,
    function: 0,
};

fn set(enabled: bool) -> Step {
    Step::SetMigMode {
        gpu: GPU,
        enabled,
        allow_reset: false,
    }
}

#[test]
fn a_mode_changes_where_it_may() {
    check_mode(MigMode::Disabled, true, |_| (), &[set(true)], &[]);
    check_mode(MigMode::Enabled, false, |_| (), &[set(false)], &[]);
    check_mode(MigMode::DisablePending, true, |_| (), &[set(true)], &[]);
    check_mode(
        MigMode::Disabled,
        true,
        |_| (),
        &[],
        &[Violation::EndMode { on: false }],
    );
    let no_mig = [
        Violation::NoMig { step: 0 },
        Violation::EndMode { on: false },
    ];
    check_mode(MigMode::Unsupported, true, |_| (), &[set(true)], &no_mig);
}

#[test]
fn a_reset_needs_leave() {
    let reset = Step::SetMigMode {
        gpu: GPU,
        enabled: true,
        allow_reset: true,
    };
    let found = [Violation::Reset { step: 0 }];
    check_mode(MigMode::Disabled, true, |_| (), &[reset], &found);
    let ampere = |gpu: &mut Gpu| gpu.architecture = Architecture::Ampere;
    check_mode(MigMode::Disabled, true, ampere, &[set(true)], &found);
}

#[test]
fn a_mode_changes_over_nobody() {
    let busy = |gpu: &mut Gpu| {
        gpu.processes = vec![GpuProcess {
            pid: 7,
            memory: None,
            gi: None,
            ci: None,
        }];
    };
    let in_use = [Violation::GpuInUse { step: 0 }];
    check_mode(MigMode::Enabled, false, busy, &[set(false)], &in_use);
    let full = |gpu: &mut Gpu| {
        machine::add(gpu, id(0), "0:8".parse().expect("a place"));
    };
    let found = [
        Violation::MigOffOverInstances { step: 0, left: 1 },
        Violation::EndCount {
            profile: id(0),
            wanted: 0,
            found: 1,
        },
    ];
    check_mode(MigMode::Enabled, false, full, &[set(false)], &found);
}

#[test]
fn nothing_is_done_to_instances_while_mig_is_off() {
    let uuid = machine::uuid(0, gi(0));
    let early = Step::DestroyComputeInstance {
        gpu: GPU,
        gi: gi(0),
        ci: CiId(0),
        uuid,
    };
    let found = [
        Violation::MigOff { step: 0 },
        Violation::NotThere { step: 0 },
    ];
    check_mode(MigMode::Disabled, false, |_| (), &[early], &found);
}
