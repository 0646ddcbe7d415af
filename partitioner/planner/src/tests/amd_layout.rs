//! Rules about AMD GPUs: which GPUs they mean, what they come to, and every lie about that.

use kerf_types::inventory::Health;
use kerf_types::layout::Layout;
use kerf_types::layout::{GpuSelector, LayoutRule};
use kerf_types::{AmdGpu, AmdWish, ComputePartition, MemoryPartition, Step, Timestamp};

use super::amd::{gpu, wish};
use super::host::{World, rule};
use crate::host::{HostPlan, rules_by_gpu};
use crate::machine::Random;

fn about(gpus: &[GpuSelector], wish: AmdWish) -> LayoutRule {
    LayoutRule {
        gpus: gpus.to_vec(),
        amd: Some(wish),
        ..LayoutRule::default()
    }
}

/// Two GPUs of NVIDIA's and four of AMD's, of which two are linked.
fn world(rules: Vec<LayoutRule>) -> World {
    let mut world = World::new(rules);
    world.inventory.amd = (0..4).map(gpu).collect();
    for (at, gpu) in world.inventory.amd.iter_mut().enumerate() {
        gpu.hive = (at < 2).then(|| "h".to_owned());
    }
    world
}

fn lost() -> Health {
    Health::Lost {
        since: Timestamp(0),
    }
}

fn shown(plan: &HostPlan) -> Vec<String> {
    let lines = plan.amd.iter().map(|change| {
        let steps: Vec<String> = change.steps.iter().map(Step::to_string).collect();
        format!(
            "{}: {:?} {:?} [{}]",
            change.gpu.index,
            change.memory_later,
            change.compute_later,
            steps.join(", ")
        )
    });
    lines.collect()
}

#[test]
fn an_index_counts_the_gpus_of_the_rules_own_kind() {
    let first = [GpuSelector::Index(0)];
    let mixed = world(vec![
        rule(&first, true, &[("3g.40gb", 2)]),
        about(&first, wish("CPX", "")),
        about(&[GpuSelector::Model("AMD*X OAM".to_owned())], wish("", "")),
    ]);
    let text = mixed.plan().expect_err("two rules for one");
    assert_eq!(text, "rules 2 and 3 both name AMD GPU 0 (0000:00:00.0)");
    let mixed = world(mixed.rules[..2].to_vec());
    let plan = mixed.plan().expect("a plan");
    assert_eq!(plan.gpus.len(), 1);
    assert_eq!(
        shown(&plan),
        ["0: None None [set compute partition mode of 0000:00:00.0 to CPX]"]
    );
    assert_eq!(plan.steps().count(), 1);
    let by = rules_by_gpu(
        &mixed.inventory,
        &Layout {
            rules: mixed.rules.clone(),
        },
    );
    let by = by.expect("rules");
    assert_eq!(by.len(), 2);
    assert_eq!(by[&gpu(0).pci].amd, Some(wish("CPX", "")));
    // Whoever sweeps sweeps their own kind.
    let all = world(vec![
        rule(&[GpuSelector::All], true, &[]),
        about(&[GpuSelector::All], wish("SPX", "NPS1")),
    ]);
    let plan = all.plan().expect("a plan");
    assert_eq!((plan.gpus.len(), plan.amd.len()), (2, 4));
    let missing = world(vec![about(&[GpuSelector::Index(4)], wish("CPX", ""))]);
    let text = missing.plan().expect_err("there are four");
    assert!(
        text.starts_with(
            "rule 1 names GPU 4 among AMD GPUs, which is not on this host: it has GPUs 0 (0000:00"
        ),
        "{text}"
    );
}

#[test]
fn a_sick_gpu_is_left_out_or_refused_and_one_in_use_is_named() {
    let mut sick = world(vec![about(&[GpuSelector::All], wish("CPX", ""))]);
    sick.inventory.amd[3].health = lost();
    let plan = sick.plan().expect("the others");
    assert_eq!((plan.amd.len(), plan.amd_skipped.len()), (3, 1));
    sick.rules = vec![about(&[GpuSelector::Index(3)], wish("CPX", ""))];
    let text = sick.plan().expect_err("it is named");
    assert_eq!(text, "AMD GPU 3 (0000:03:00.0) is not well");
    let mut used = world(vec![about(&[GpuSelector::All], wish("CPX", ""))]);
    used.inventory.amd[1].processes = vec![41];
    let text = used.plan().expect_err("it is in use");
    assert_eq!(text, "AMD GPU 1 (0000:01:00.0) is in use by process 41");
    let never = world(vec![about(&[GpuSelector::All], wish("CPX", "NPS2"))]);
    assert!(never.plan().is_err());
}

/// A random host, and rules that may be had on it.
fn random_world(random: &mut Random) -> World {
    let mut world = world(Vec::new());
    let compute = [
        Some(ComputePartition::Cpx),
        Some(ComputePartition::Qpx),
        None,
    ];
    let memory = [
        Some(MemoryPartition::Nps4),
        Some(MemoryPartition::Nps1),
        None,
    ];
    for gpu in &mut world.inventory.amd {
        if random.below(3) == 0 {
            gpu.compute = Some(ComputePartition::Cpx);
        }
        if random.below(6) == 0 {
            gpu.health = lost();
        }
    }
    if random.below(3) == 0 {
        for gpu in world.inventory.amd.iter_mut().take(2) {
            gpu.pending_memory = Some(MemoryPartition::Nps4);
        }
    }
    let a_wish = |random: &mut Random| AmdWish {
        compute: *random.pick(&compute),
        memory: *random.pick(&memory),
    };
    world.rules = match random.below(2) {
        0 => vec![about(&[GpuSelector::All], a_wish(random))],
        _ => {
            let linked = [GpuSelector::Index(0), GpuSelector::Index(1)];
            let third = [GpuSelector::Pci(gpu(2).pci)];
            vec![
                about(&linked, a_wish(random)),
                about(&third, a_wish(random)),
            ]
        }
    };
    world
}

/// One thing done wrong to a plan or to what it was made from; whether it could be done.
type Mutant = fn(&mut World, &mut HostPlan) -> bool;

fn with_step(plan: &HostPlan) -> Option<usize> {
    plan.amd.iter().position(|change| !change.steps.is_empty())
}

fn sets_compute(plan: &HostPlan) -> Option<usize> {
    let sets = |step: &Step| matches!(step, Step::SetAmdCompute { .. });
    plan.amd
        .iter()
        .position(|change| change.steps.iter().any(sets))
}

fn amd<'a>(world: &'a mut World, plan: &HostPlan, at: usize) -> &'a mut AmdGpu {
    let pci = plan.amd[at].gpu.pci;
    let mut gpus = world.inventory.amd.iter_mut();
    gpus.find(|gpu| gpu.pci == pci).expect("it is planned")
}

const MUTANTS: [(&str, Mutant); 17] = [
    ("a step is left out", |_, plan| {
        let Some(at) = with_step(plan) else {
            return false;
        };
        plan.amd[at].steps.clear();
        true
    }),
    ("a step is done twice", |_, plan| {
        let Some(at) = with_step(plan) else {
            return false;
        };
        let step = plan.amd[at].steps[0].clone();
        plan.amd[at].steps.push(step);
        true
    }),
    ("a step is another GPU's", |_, plan| {
        let Some(at) = with_step(plan) else {
            return false;
        };
        let step = plan.amd[at].steps.remove(0);
        let other = (at + 1) % plan.amd.len();
        plan.amd[other].steps.push(step);
        other != at
    }),
    ("a step is one of NVIDIA's", |_, plan| {
        let Some(change) = plan.amd.first_mut() else {
            return false;
        };
        let gpu = change.gpu.pci;
        change.steps.push(Step::SetMigMode {
            gpu,
            enabled: true,
            allow_reset: true,
        });
        true
    }),
    ("another mode is set", |_, plan| {
        let Some(at) = sets_compute(plan) else {
            return false;
        };
        let gpu = plan.amd[at].gpu.pci;
        let mode = ComputePartition::Dpx;
        plan.amd[at].steps = vec![Step::SetAmdCompute { gpu, mode }];
        true
    }),
    ("a GPU is left out", |_, plan| plan.amd.pop().is_some()),
    ("a GPU is there twice", |_, plan| {
        let Some(change) = plan.amd.first().cloned() else {
            return false;
        };
        plan.amd.push(change);
        true
    }),
    ("a well GPU is skipped", |_, plan| {
        let Some(change) = plan.amd.pop() else {
            return false;
        };
        plan.amd_skipped.push((change.gpu, "lost".to_owned()));
        true
    }),
    ("a GPU that nobody names is changed", |world, plan| {
        let Some(change) = plan.amd.first().cloned() else {
            return false;
        };
        world.rules.clear();
        plan.amd = vec![change];
        true
    }),
    ("the GPU is in use", |world, plan| {
        let Some(at) = sets_compute(plan) else {
            return false;
        };
        amd(world, plan, at).processes = vec![7];
        true
    }),
    ("the GPU is leased", |world, plan| {
        let Some(at) = sets_compute(plan) else {
            return false;
        };
        let pci = plan.amd[at].gpu.pci;
        world.usage.gpus.insert(pci, "job 7".to_owned());
        true
    }),
    ("the GPU is not well", |world, plan| {
        if plan.amd.is_empty() {
            return false;
        }
        amd(world, plan, 0).health = lost();
        true
    }),
    ("the driver does not offer the mode", |world, plan| {
        let Some(at) = sets_compute(plan) else {
            return false;
        };
        amd(world, plan, at).compute_modes = vec![ComputePartition::Spx];
        true
    }),
    ("the XCCs cannot be grouped so", |world, plan| {
        let Some(at) = sets_compute(plan) else {
            return false;
        };
        amd(world, plan, at).xccs = Some(3);
        true
    }),
    (
        "one of its hive is to have another memory mode",
        |world, plan| {
            let asks = |step: &Step| matches!(step, Step::SetAmdMemory { .. });
            let Some(at) = plan.amd.iter().position(|one| one.steps.iter().any(asks)) else {
                return false;
            };
            let hive = Some("other".to_owned());
            amd(world, plan, at).hive.clone_from(&hive);
            let mut stranger = gpu(8);
            stranger.hive = hive;
            world.inventory.amd.push(stranger);
            !world
                .rules
                .iter()
                .any(|rule| rule.gpus == [GpuSelector::All])
        },
    ),
    ("what comes later is not told", |_, plan| {
        let mut waits = plan.amd.iter_mut();
        let Some(change) = waits.find(|change| change.memory_later.is_some()) else {
            return false;
        };
        change.memory_later = None;
        true
    }),
    ("what is wanted is told wrongly", |_, plan| {
        let Some(change) = plan.amd.first_mut() else {
            return false;
        };
        change.wish.compute = Some(ComputePartition::Tpx);
        true
    }),
];

#[test]
fn every_mutant_of_a_plan_is_found() {
    let mut random = Random(11);
    let (mut done, mut planned) = ([0; MUTANTS.len()], 0);
    for _ in 0..400 {
        let world = random_world(&mut random);
        // It passes its check, or is refused.
        let Ok(plan) = world.plan() else {
            continue;
        };
        planned += 1;
        for ((name, mutant), done) in MUTANTS.iter().zip(&mut done) {
            let mut wrong = plan.clone();
            let mut other = World::new(world.rules.clone());
            other.inventory = world.inventory.clone();
            if mutant(&mut other, &mut wrong) {
                *done += 1;
                let found = other.violations(&wrong);
                assert!(!found.is_empty(), "{name}: {:?}", shown(&wrong));
            }
        }
    }
    assert!(planned > 100, "{planned}");
    assert!(done.iter().all(|count| *count > 10), "{done:?}");
}

/// What the checker takes for possible is what the vocabulary takes for possible, XCC by XCC.
#[test]
fn the_table_of_the_checker_is_that_of_the_driver() {
    let mut possible = 0;
    for mode in ComputePartition::ALL {
        for memory in MemoryPartition::ALL {
            for xccs in 0..=16 {
                let mut world = world(vec![about(
                    &[GpuSelector::Index(2)],
                    AmdWish {
                        compute: Some(mode),
                        memory: None,
                    },
                )]);
                let gpu = &mut world.inventory.amd[2];
                (gpu.xccs, gpu.memory_mode) = (Some(xccs), Some(memory));
                (gpu.compute, gpu.compute_modes) = (None, ComputePartition::ALL.to_vec());
                let can = kerf_types::amd::check_mode(mode, memory, xccs).is_ok();
                let mut plan = HostPlan {
                    proof: true,
                    ..HostPlan::default()
                };
                world.inventory.amd[2].xccs = None;
                plan.amd
                    .clone_from(&world.plan().expect("nothing is known").amd);
                world.inventory.amd[2].xccs = Some(xccs);
                let refused = world.violations(&plan);
                assert_eq!(
                    refused.is_empty(),
                    can,
                    "{mode} {memory} {xccs}: {refused:?}"
                );
                possible += u32::from(can);
            }
        }
    }
    assert!(possible > 20, "{possible}");
}
