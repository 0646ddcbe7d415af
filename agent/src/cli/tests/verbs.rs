//! What the verbs about layouts show beside plans: differences, and the history.

use kerf_api::json::Plan;
use kerf_api::json::history::History;
use kerf_api::v1;

use super::PLAIN;
use crate::cli::{assert, history, plan};

fn compared(mig_from: v1::MigMode, holder: Option<&str>) -> Plan {
    let gone = v1::PlannedSlice {
        profile: "1g.10gb".to_owned(),
        placement: Some(v1::Placement { start: 0, size: 1 }),
        uuid: Some("MIG-0".to_owned()),
        holder: holder.map(str::to_owned),
        ..v1::PlannedSlice::default()
    };
    let mode = v1::step::SetMigMode {
        gpu: "0000:11:00.0".to_owned(),
        enabled: false,
        allow_reset: true,
    };
    let step = v1::Step {
        kind: Some(v1::step::Kind::SetMigMode(mode)),
    };
    let gpu = |index, steps: Vec<v1::Step>, destroy| v1::GpuPlan {
        index,
        pci: "0000:11:00.0".to_owned(),
        mig_from: mig_from.into(),
        steps,
        destroy,
        ..v1::GpuPlan::default()
    };
    let message = v1::Plan {
        gpus: vec![
            gpu(0, Vec::new(), Vec::new()),
            gpu(1, vec![step], vec![gone]),
        ],
        notes: vec!["GPU 2 (0000:12:00.0) is left out: lost".to_owned()],
        ..v1::Plan::default()
    };
    Plan::try_from(&message).expect("a right plan")
}

#[test]
fn a_difference_is_shown_for_the_gpus_that_differ() {
    let text = assert::render(&compared(v1::MigMode::Enabled, None), PLAIN);
    assert_eq!(
        text,
        "GPU 1  0000:11:00.0  MIG on -> off\n  -  1g.10gb  0:1  MIG-0\n\
         note: GPU 2 (0000:12:00.0) is left out: lost\n\
         GPU 1 of 2 GPUs: not as the layout says\n"
    );
    let mut same = compared(v1::MigMode::Enabled, None);
    same.gpus.truncate(1);
    same.notes.clear();
    assert_eq!(assert::render(&same, PLAIN), "1 GPU: as the layout says\n");
}

#[test]
fn what_goes_by_force_and_what_waits_for_a_reset_is_told() {
    let forced = plan::render(
        &compared(v1::MigMode::Enabled, Some("leased by job 7")),
        PLAIN,
    );
    assert!(
        forced.contains("MIG-0  by force, in use: leased by job 7"),
        "{forced}"
    );
    let waits = plan::render(&compared(v1::MigMode::DisablePending, None), PLAIN);
    assert!(waits.contains("MIG off after a reset -> off"), "{waits}");
    assert!(
        waits.contains("after a reset of the GPU, or a restart of the host:"),
        "{waits}"
    );
}

const ENTRY: &str = r#"{
    "schema": "kerf.v1.HistoryEntry", "kind": "apply", "begun_at": "B", "ended_at": "E",
    "by": {"uid": 0, "gid": 0, "pid": 41}, "holder": null, "layout_sha256": "ab", "allow_reset": false,
    "force_destroy": ["MIG-0"], "outcome": "failed", "why": "it broke", "resumed": true,
    "plan": {"cost": 1, "lower_bound": 1, "gpus": ["0000:11:00.0"], "kept": 2, "destroyed": 1, "created": 3},
    "steps": [{"step": "create", "duration_us": 5, "error": null}, {"step": "fill", "duration_us": 7, "error": "no"}],
    "readback": [{"pci": "0000:11:00.0", "mig": "on", "slices": ["0:1 1g.10gb"]}]
}"#;

#[test]
fn the_history_tells_who_what_and_what_came_of_it() {
    let entry = v1::HistoryEntry {
        number: 3,
        document: ENTRY.to_owned(),
    };
    let entries = vec![entry];
    let read = History::try_from(&v1::ListHistoryResponse { entries }).expect("it reads");
    let list = history::render(&read, PLAIN);
    for part in [
        "apply",
        "uid 0 pid 41",
        "1 GPU: +3 -1 =2",
        "failed (resumed)",
    ] {
        assert!(list.contains(part), "{part}: {list}");
    }
    assert_eq!(
        history::render_one(&read.entries[0], PLAIN),
        "apply 3  failed, resumed after a crash
  who      uid 0 pid 41
  began    B
  ended    E
  layout   sha256 ab
  plan     1 GPU: +3 -1 =2, cost 1 of at least 1
  by force MIG-0
  why      it broke
    1. create  5 µs
    2. fill  7 µs
       failed: no
  0000:11:00.0 then: MIG on, 0:1 1g.10gb
"
    );
}
