//! Plans as diffs, and steps as lines.

use kerf_api::json::{Applied, Plan};
use kerf_api::v1;
use kerf_api::v1::apply_progress::{Applied as AppliedMessage, StepDone};
use kerf_api::v1::step::{CreateComputeInstance, CreateGpuInstance, Kind};

use super::PLAIN;
use crate::cli::style::Style;
use crate::cli::{apply, plan};

const PCI: &str = "0000:10:00.0";

fn slice(profile: &str, start: u32, size: u32) -> v1::PlannedSlice {
    v1::PlannedSlice {
        profile: profile.to_owned(),
        placement: Some(v1::Placement { start, size }),
        ..v1::PlannedSlice::default()
    }
}

fn create(profile: u32, start: u32, size: u32) -> v1::Step {
    let kind = CreateGpuInstance {
        gpu: PCI.to_owned(),
        profile,
        placement: Some(v1::Placement { start, size }),
    };
    v1::Step {
        kind: Some(Kind::CreateGpuInstance(kind)),
    }
}

fn message() -> v1::Plan {
    let kept = v1::PlannedSlice {
        uuid: Some("MIG-4".to_owned()),
        holder: Some("container default/c1".to_owned()),
        ..slice("3g.40gb", 4, 4)
    };
    let gone = v1::PlannedSlice {
        uuid: Some("MIG-0".to_owned()),
        ..slice("1g.20gb", 0, 2)
    };
    v1::Plan {
        notes: Vec::new(),
        generation: 7,
        gpus: vec![
            v1::GpuPlan {
                pci: PCI.to_owned(),
                mig_from: v1::MigMode::Enabled.into(),
                mig_to: true,
                keep: vec![kept],
                destroy: vec![gone],
                create: vec![slice("2g.20gb", 0, 2)],
                steps: vec![create(14, 0, 2)],
                ..v1::GpuPlan::default()
            },
            v1::GpuPlan {
                index: 1,
                pci: "0000:11:00.0".to_owned(),
                mig_from: v1::MigMode::Disabled.into(),
                ..v1::GpuPlan::default()
            },
        ],
        cost: 0,
        lower_bound: 0,
        proof: true,
        amd: Vec::new(),
        sharing: Vec::new(),
    }
}

#[test]
fn a_plan_is_a_diff() {
    let plan = Plan::try_from(&message()).expect("a right plan");
    insta::assert_snapshot!(plan::render(&plan, PLAIN), @"
    GPU 0  0000:10:00.0  MIG on
      =  3g.40gb  4:4  MIG-4  in use: container default/c1
      -  1g.20gb  0:2  MIG-0
      +  2g.20gb  0:2
    GPU 1  0000:11:00.0  MIG off
      nothing to do
    Plan: 1 step on 1 GPU: 1 slice to create, 1 to destroy, 1 kept
          cost 0: nothing that exists is destroyed (proven: no plan costs less); made from generation 7
    ");
}

#[test]
fn what_goes_is_red_and_what_comes_is_green() {
    let plan = Plan::try_from(&message()).expect("a right plan");
    let text = plan::render(&plan, Style { color: true });
    assert!(text.contains("\x1b[31m-\x1b[0m  \x1b[31m1g.20gb"), "{text}");
    assert!(text.contains("\x1b[32m+\x1b[0m  \x1b[32m2g.20gb"), "{text}");
}

#[test]
fn a_plan_says_what_it_disturbs_and_what_is_not_proven() {
    let mut message = message();
    (message.cost, message.lower_bound, message.proof) = (3, 2, false);
    let plan = Plan::try_from(&message).expect("a right plan");
    let text = plan::render(&plan, PLAIN);
    insta::assert_snapshot!(text.lines().last().unwrap_or_default(), @"      cost 3: the weight of what is destroyed (not proven best: at least 2 is unavoidable); made from generation 7");
}

#[test]
fn slices_that_a_second_plan_is_for_are_named() {
    let mut message = message();
    message.gpus.remove(1);
    message.gpus[0].keep.clear();
    message.gpus[0].create.clear();
    let later = |profile: &str, count| v1::LaterSlices {
        profile: profile.to_owned(),
        count,
    };
    message.gpus[0].later = vec![later("1g.10gb", 2), later("3g.40gb", 1)];
    let plan = Plan::try_from(&message).expect("a right plan");
    insta::assert_snapshot!(plan::render(&plan, PLAIN), @"
    GPU 0  0000:10:00.0  MIG on
      -  1g.20gb  0:2  MIG-0
      then plan again: 1g.10gb x2, 3g.40gb x1
    Plan: 1 step on 1 GPU: 0 slices to create, 1 to destroy, 0 kept
          3 more to create after that: their places are known only while MIG is on, and `kerf apply` plans them then
          cost 0: nothing that exists is destroyed (proven: no plan costs less); made from generation 7
    ");
}

#[test]
fn a_plan_without_steps_says_so() {
    let mut message = message();
    message.gpus.remove(0);
    let plan = Plan::try_from(&message).expect("a right plan");
    insta::assert_snapshot!(plan::render(&plan, PLAIN), @"
    GPU 1  0000:11:00.0  MIG off
      nothing to do
    The host is as the layout wants it: nothing to do.
    ");
}

#[test]
fn a_step_has_the_name_that_the_plan_knows() {
    let plan = Plan::try_from(&message()).expect("a right plan");
    let line = |step: v1::Step, plan: Option<&Plan>| {
        let done = StepDone {
            number: 3,
            of: 12,
            step: Some(step),
            microseconds: 3_456,
            sharing: None,
        };
        apply::step_line(&done, plan)
            .expect("a right step")
            .show(PLAIN)
    };
    let lines = [
        line(create(14, 0, 2), Some(&plan)),
        line(create(14, 2, 2), Some(&plan)),
        line(create(14, 0, 2), None),
    ];
    insta::assert_snapshot!(lines.concat(), @"
    [ 3/12] GPU 0: create 2g.20gb at 0:2  3.4 ms
    [ 3/12] GPU 0: create profile 14 at 2:2  3.4 ms
    [ 3/12] 0000:10:00.0: create profile 14 at 0:2  3.4 ms
    ");
}

#[test]
fn parts_of_an_instance_are_planned_one_by_one() {
    let part = |start, size| v1::PlannedSlice {
        compute: Some(v1::Placement { start, size }),
        ..slice("1c.3g.40gb", 0, 4)
    };
    let mut message = message();
    message.gpus.truncate(1);
    message.gpus[0].create = vec![part(0, 1), part(1, 1)];
    let kind = CreateComputeInstance {
        gpu: PCI.to_owned(),
        placement: Some(v1::Placement { start: 0, size: 4 }),
        profile: 0,
        compute: Some(v1::Placement { start: 1, size: 1 }),
    };
    let second = v1::Step {
        kind: Some(Kind::CreateComputeInstance(kind)),
    };
    let plan = Plan::try_from(&message).expect("a right plan");
    let line = |step: v1::Step| {
        let done = StepDone {
            number: 1,
            of: 3,
            step: Some(step),
            microseconds: 1,
            sharing: None,
        };
        apply::step_line(&done, Some(&plan)).expect("a right step")
    };
    let lines = [line(create(9, 0, 4)), line(second)].map(|line| line.show(PLAIN));
    insta::assert_snapshot!(plan::render(&plan, PLAIN) + &lines.concat(), @"
    GPU 0  0000:10:00.0  MIG on
      =  3g.40gb     4:4       MIG-4  in use: container default/c1
      -  1g.20gb     0:2       MIG-0
      +  1c.3g.40gb  0:4 c0:1
      +  1c.3g.40gb  0:4 c1:1
    Plan: 1 step on 1 GPU: 2 slices to create, 1 to destroy, 1 kept
          cost 0: nothing that exists is destroyed (proven: no plan costs less); made from generation 7
    [1/3] GPU 0: create 3g.40gb at 0:4  1 µs
    [1/3] GPU 0: create compute instance 1:1 at 0:4  1 µs
    ");
}

#[test]
fn the_end_of_an_apply() {
    let show = |steps| {
        let message = AppliedMessage {
            history: 3,
            after_reset: Vec::new(),
            after_reload: Vec::new(),
            generation: 8,
            steps,
            microseconds: 35_200,
        };
        apply::render(&Applied::from(&message), PLAIN)
    };
    insta::assert_snapshot!(show(12) + &show(0), @"
    Applied: 12 steps in 35.2 ms; generation 8
    Nothing was to be done; generation 8
    ");
}
