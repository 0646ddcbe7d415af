//! AMD GPUs in plans, comparisons and exports.

use kerf_api::json::layout::LayoutDocument;
use kerf_api::json::{Applied, Plan};
use kerf_api::v1;
use kerf_types::layout::Layout;
use kerf_types::{ComputePartition, MemoryPartition, Step};

use super::PLAIN;
use crate::cli::output::{Syntax, written};
use crate::cli::style::Style;
use crate::cli::{apply, assert, export, plan};
use crate::host::fixture;

fn modes(compute: &str, memory: &str) -> Option<v1::AmdModes> {
    let mode = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Some(v1::AmdModes {
        compute: mode(compute),
        memory: mode(memory),
    })
}

/// One GPU that is changed, one that waits for its driver, and one that is as it shall be.
fn message() -> v1::Plan {
    let pci = "0000:20:00.0".parse().expect("an address");
    let step = Step::SetAmdCompute {
        gpu: pci,
        mode: ComputePartition::Cpx,
    };
    let gpu = |index: u32, from, to, later| v1::AmdPlan {
        index,
        pci: format!("0000:2{index}:00.0"),
        from,
        to,
        steps: Vec::new(),
        after_reload: later,
    };
    let mut changed = gpu(0, modes("spx", "nps1"), modes("cpx", ""), modes("", ""));
    changed.steps = vec![(&step).into()];
    let to = modes("cpx", "nps4");
    v1::Plan {
        generation: 7,
        proof: true,
        amd: vec![
            changed,
            gpu(1, modes("spx", "nps1"), to.clone(), to),
            gpu(2, modes("cpx", "nps1"), modes("cpx", "nps1"), modes("", "")),
        ],
        ..v1::Plan::default()
    }
}

#[test]
fn a_plan_says_what_changes_and_what_waits() {
    let plan = Plan::try_from(&message()).expect("a right plan");
    insta::assert_snapshot!(plan::render(&plan, PLAIN), @"
    AMD GPU 0  0000:20:00.0
      -  compute  SPX
      +  compute  CPX
      =  memory   NPS1
    AMD GPU 1  0000:21:00.0
      -  compute  SPX
      +  compute  CPX   when the driver is loaded anew
      -  memory   NPS1
      +  memory   NPS4  when the driver is loaded anew
    AMD GPU 2  0000:22:00.0
      nothing to do
    Plan: 1 step on 1 GPU
          cost 0: nothing that exists is destroyed (proven: no plan costs less); made from generation 7
    ");
    let colored = plan::render(&plan, Style { color: true });
    assert!(
        colored.contains("\x1b[31m-\x1b[0m  \x1b[31mcompute"),
        "{colored}"
    );
    assert!(
        colored.contains("\x1b[32m+\x1b[0m  \x1b[32mcompute"),
        "{colored}"
    );
}

#[test]
fn what_waits_is_a_difference_and_no_change() {
    let mut message = message();
    message.amd.remove(0);
    let plan = Plan::try_from(&message).expect("a right plan");
    assert!(!plan.changes && plan.differs());
    let last = plan::render(&plan, PLAIN);
    assert_eq!(
        last.lines().last(),
        Some("Nothing to do now: what was asked for comes when the driver is loaded anew.")
    );
    let compared = assert::render(&plan, PLAIN);
    assert_eq!(
        compared.lines().last(),
        Some("AMD GPU 1 of 2 AMD GPUs: not as the layout says")
    );
    assert!(!compared.contains("AMD GPU 2"), "{compared}");
}

#[test]
fn steps_and_the_end_name_amd_gpus_as_such() {
    let plan = Plan::try_from(&message()).expect("a right plan");
    let done = v1::apply_progress::StepDone {
        number: 1,
        of: 1,
        step: Some(message().amd[0].steps[0].clone()),
        microseconds: 5,
        sharing: None,
    };
    let line = apply::step_line(&done, Some(&plan)).expect("a right step");
    assert_eq!(
        line.show(PLAIN),
        "[1/1] AMD GPU 0: set compute mode CPX  5 µs\n"
    );
    let applied = v1::apply_progress::Applied {
        generation: 8,
        steps: 1,
        after_reload: vec!["AMD GPU 0000:20:00.0: its memory mode changes then".to_owned()],
        ..v1::apply_progress::Applied::default()
    };
    let text = apply::render(&Applied::from(&applied), PLAIN);
    assert_eq!(
        text.lines().last(),
        Some(
            "when the driver is loaded anew: AMD GPU 0000:20:00.0: its memory mode changes then, and the layout goes \
             on then"
        )
    );
}

#[test]
fn an_export_is_the_rule_that_changes_nothing() {
    let mut inventory = fixture::inventory(Vec::new());
    inventory.amd = (0..4).map(fixture::amd).collect();
    inventory.amd[1].compute = Some(ComputePartition::Cpx);
    inventory.amd[2].pending_memory = Some(MemoryPartition::Nps4);
    (inventory.amd[3].compute, inventory.amd[3].memory_mode) = (None, None);
    let document: LayoutDocument =
        export::kerf(&inventory, &std::collections::BTreeMap::new()).expect("no slices");
    insta::assert_snapshot!(written(&document, Syntax::Yaml).expect("YAML"), @r#"
    schema: kerf.v1.Layout
    rules:
    - gpus:
      - "0000:20:00.0"
      amd:
        compute: spx
        memory: nps1
    - gpus:
      - "0000:21:00.0"
      amd:
        compute: cpx
        memory: nps1
    - gpus:
      - "0000:22:00.0"
      amd:
        memory: nps4
    "#);
    Layout::try_from(document).expect("it is a layout");
}
