//! What a host plan says to people, and adds up: each lie is found.

use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{Health, Inventory, MigMode, Timestamp};

use super::host::{World, rule};
use super::{id, place};
use crate::check::{Violation, check_host};
use crate::host::{Change, HostPlan, HostRequest, Usage, Use};

/// One thing that a host plan says wrongly.
type Lie = (&'static str, fn(&mut HostPlan));

const LIES: [Lie; 18] = [
    ("the GPU", |plan| plan.gpus[0].index += 7),
    ("the GPU", |plan| {
        plan.gpus[0].uuid = "GPU-somebody-else".parse().expect("a UUID");
    }),
    ("the MIG mode", |plan| plan.gpus[1].from = MigMode::Enabled),
    ("the MIG mode", |plan| plan.gpus[1].to = MigMode::Disabled),
    ("the target", |plan| plan.gpus[0].target.clear()),
    ("the target", |plan| {
        plan.gpus[1].target.insert(id(19), 1);
    }),
    ("the diff", |plan| drop(plan.gpus[0].diff.pop())),
    ("the diff", |plan| {
        let line = plan.gpus[0].diff[0].clone();
        plan.gpus[0].diff.insert(0, line);
    }),
    ("the diff", |plan| {
        plan.gpus[0].diff[0].change = Change::Keep
    }),
    ("the diff", |plan| {
        plan.gpus[0].diff[0].profile = "7g.80gb".to_owned();
    }),
    ("the diff", |plan| plan.gpus[0].diff[0].uuid = None),
    ("the diff", |plan| {
        plan.gpus[0].diff[1].placement = place("6:2")
    }),
    ("the diff", |plan| plan.gpus[0].diff[2].used_by = None),
    ("the diff", |plan| {
        plan.gpus[0].diff[2].used_by = Some("leased by container else".to_owned());
    }),
    ("the cost of the host", |plan| plan.cost += 1),
    ("the bound of the host", |plan| plan.lower_bound = 0),
    ("the proof of the host", |plan| plan.proof = false),
    ("what is planned later", |plan| {
        let name = "1g.10gb".parse().expect("a profile");
        plan.gpus[1].later.insert(name, 1);
    }),
];

#[test]
fn what_a_host_plan_says_is_checked_word_by_word() {
    let mut world = World::new(vec![
        rule(
            &[GpuSelector::Index(0)],
            true,
            &[("3g.40gb", 1), ("2g.20gb", 1)],
        ),
        rule(&[GpuSelector::Index(1)], true, &[("7g.80gb", 1)]),
    ]);
    world.lease("4:4", Use::Leased("container web".to_owned()));
    let plan = world.plan().expect("a plan");
    for (what, lie) in LIES {
        let mut plan = plan.clone();
        lie(&mut plan);
        let found = world.violations(&plan);
        let claim = Violation::Claim(what);
        assert!(
            found.iter().any(|(_, violation)| *violation == claim),
            "{what}: {found:?}"
        );
    }
}

#[test]
fn who_is_left_out_is_checked() {
    let mut world = World::new(vec![rule(&[GpuSelector::All], true, &[("7g.80gb", 1)])]);
    world.gpu(1).health = Health::Lost {
        since: Timestamp(0),
    };
    let plan = world.plan().expect("a plan for the other");
    let check = |rules: &[LayoutRule], inventory: &Inventory, plan: &HostPlan| {
        let layout = Layout {
            rules: rules.to_vec(),
        };
        let request = HostRequest {
            inventory,
            layout: &layout,
            usage: &Usage::default(),
            allow_reset: false,
        };
        check_host(&request, plan)
    };
    let claim = [(0, Violation::Claim("the GPUs that are left out"))];
    let mut silent = plan.clone();
    silent.skipped.clear();
    assert_eq!(check(&world.rules, &world.inventory, &silent), claim);
    let mut well = world.inventory.clone();
    well.gpus[1].health = Health::Ok;
    assert!(check(&world.rules, &well, &plan).contains(&claim[0]));
    let by_name = [rule(
        &[GpuSelector::All, GpuSelector::Index(1)],
        true,
        &[("7g.80gb", 1)],
    )];
    assert_eq!(check(&by_name, &world.inventory, &plan), claim);
}
