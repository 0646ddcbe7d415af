//! Plans as people and programs see them.

use kerf_types::{CiId, GiId, ProfileId, Step};

use super::{Applied, Plan};
use crate::example::{pci, place};
use crate::json::show::{message, pretty, text};
use crate::v1;

fn plan_message() -> v1::Plan {
    let (gpu, placement, profile) = (pci("0000:1b:00.0"), place(0, 4), ProfileId(9));
    let (gi, ci, uuid) = (GiId(7), CiId(0), "MIG-7");
    let uuid = uuid.parse().expect("a UUID");
    let steps = [
        Step::SetMigMode {
            gpu,
            enabled: true,
            allow_reset: false,
        },
        Step::DestroyComputeInstance { gpu, gi, ci, uuid },
        Step::DestroyGpuInstance {
            gpu,
            gi,
            profile,
            placement,
        },
        Step::CreateGpuInstance {
            gpu,
            profile,
            placement,
        },
        Step::CreateComputeInstance {
            gpu,
            placement,
            profile: ProfileId(2),
            compute: None,
        },
    ];
    let planned = |profile, uuid: Option<&str>, holder: Option<&str>| v1::PlannedSlice {
        profile: text(profile),
        placement: Some((&placement).into()),
        uuid: uuid.map(text),
        holder: holder.map(text),
        compute: None,
    };
    let gpu = v1::GpuPlan {
        index: 0,
        uuid: text("GPU-1"),
        pci: text("0000:1b:00.0"),
        mig_from: v1::MigMode::Disabled.into(),
        mig_to: true,
        keep: vec![planned("1g.10gb", Some("MIG-1"), Some("user 1000"))],
        destroy: vec![planned("3g.40gb", Some("MIG-7"), None)],
        create: vec![planned("3g.40gb", None, None)],
        steps: steps.iter().map(Into::into).collect(),
        later: vec![v1::LaterSlices {
            profile: text("1g.20gb"),
            count: 2,
        }],
    };
    v1::Plan {
        notes: Vec::new(),
        generation: 42,
        gpus: vec![gpu],
        cost: 3,
        lower_bound: 3,
        proof: true,
        amd: vec![amd_message()],
        sharing: vec![sharing_message()],
    }
}

fn sharing_message() -> v1::SharingPlan {
    let slices = v1::sharing::TimeSlice {
        replicas: 2,
        interval: text("long"),
    };
    v1::SharingPlan {
        index: 3,
        pci: text("0000:43:00.0"),
        from: None,
        to: Some(v1::Sharing {
            mode: Some(v1::sharing::Mode::TimeSlice(slices)),
        }),
    }
}

fn amd_message() -> v1::AmdPlan {
    let modes = |compute: &str, memory: &str| {
        Some(v1::AmdModes {
            compute: Some(text(compute)),
            memory: Some(text(memory)),
        })
    };
    let step = Step::SetAmdMemory {
        gpu: pci("0000:1b:00.0"),
        mode: kerf_types::MemoryPartition::Nps4,
    };
    v1::AmdPlan {
        index: 1,
        pci: text("0000:1b:00.0"),
        from: modes("spx", "nps1"),
        to: modes("cpx", "nps4"),
        steps: vec![(&step).into()],
        after_reload: modes("cpx", "nps4"),
    }
}

#[test]
fn plan() {
    let mut plan: Plan = message(&plan_message());
    assert!(plan.changes);
    plan.gpus[0].steps.clear();
    insta::assert_snapshot!(pretty(&plan), @r#"
    {
      "schema": "kerf.v1.Plan",
      "generation": 42,
      "changes": true,
      "cost": 3,
      "lower_bound": 3,
      "proof": true,
      "gpus": [
        {
          "index": 0,
          "uuid": "GPU-1",
          "pci": "0000:1b:00.0",
          "mig_mode": "disabled",
          "mig_wanted": true,
          "keep": [
            {
              "profile": "1g.10gb",
              "placement": { "start": 0, "size": 4 },
              "uuid": "MIG-1",
              "holder": "user 1000"
            }
          ],
          "destroy": [
            {
              "profile": "3g.40gb",
              "placement": { "start": 0, "size": 4 },
              "uuid": "MIG-7",
              "holder": null
            }
          ],
          "create": [
            {
              "profile": "3g.40gb",
              "placement": { "start": 0, "size": 4 },
              "uuid": null,
              "holder": null
            }
          ],
          "steps": [],
          "later": [ { "profile": "1g.20gb", "count": 2 } ]
        }
      ],
      "notes": [],
      "amd": [
        {
          "index": 1,
          "pci": "0000:1b:00.0",
          "from": { "compute": "spx", "memory": "nps1" },
          "to": { "compute": "cpx", "memory": "nps4" },
          "steps": [ { "action": "set_amd_memory", "gpu": "0000:1b:00.0", "mode": "NPS4" } ],
          "after_reload": { "compute": "cpx", "memory": "nps4" }
        }
      ],
      "sharing": [
        {
          "index": 3,
          "pci": "0000:43:00.0",
          "from": null,
          "to": { "time-slice": { "replicas": 2, "interval": "long" } }
        }
      ]
    }
    "#);
}

#[test]
fn steps() {
    let plan: Plan = message(&plan_message());
    insta::assert_snapshot!(pretty(&plan.gpus[0].steps), @r#"
    [
      { "action": "set_mig_mode", "gpu": "0000:1b:00.0", "enabled": true, "allow_reset": false },
      {
        "action": "destroy_compute_instance",
        "gpu": "0000:1b:00.0",
        "gi": 7,
        "ci": 0,
        "uuid": "MIG-7"
      },
      {
        "action": "destroy_gpu_instance",
        "gpu": "0000:1b:00.0",
        "gi": 7,
        "profile": 9,
        "placement": { "start": 0, "size": 4 }
      },
      {
        "action": "create_gpu_instance",
        "gpu": "0000:1b:00.0",
        "profile": 9,
        "placement": { "start": 0, "size": 4 }
      },
      {
        "action": "create_compute_instance",
        "gpu": "0000:1b:00.0",
        "profile": 2,
        "placement": { "start": 0, "size": 4 }
      }
    ]
    "#);
}

#[test]
fn a_plan_without_steps_changes_nothing() {
    let mut nothing = plan_message();
    nothing.gpus[0].steps.clear();
    nothing.amd[0].steps.clear();
    assert!(message::<Plan, _>(&nothing).changes, "sharing begins");
    nothing.sharing.clear();
    // What waits for a driver changes nothing now, and is a difference.
    let waits = message::<Plan, _>(&nothing);
    assert!(!waits.changes && waits.differs());
    nothing.amd[0].from = nothing.amd[0].to.clone();
    assert!(!message::<Plan, _>(&nothing).differs());
}

#[test]
fn a_plan_with_a_hole_is_refused() {
    let mut wrong = plan_message();
    wrong.gpus[0].destroy[0].placement = Some(v1::Placement { start: 0, size: 0 });
    let error = Plan::try_from(&wrong).expect_err("an empty place");
    assert_eq!(error.path, "gpus[0].destroy[0].placement");
    let mut wrong = plan_message();
    wrong.gpus[0].steps[1].kind = None;
    let error = Plan::try_from(&wrong).expect_err("no step");
    assert_eq!(error.path, "gpus[0].steps[1].kind");
    let mut wrong = plan_message();
    wrong.amd[0].from = Some(v1::AmdModes {
        compute: Some(text("cpq")),
        memory: None,
    });
    let error = Plan::try_from(&wrong).expect_err("no such mode");
    assert_eq!(error.path, "amd[0].from.compute");
}

#[test]
fn applied() {
    let done = v1::apply_progress::Applied {
        history: 3,
        after_reset: Vec::new(),
        after_reload: Vec::new(),
        generation: 43,
        steps: 5,
        microseconds: 1_250_000,
    };
    insta::assert_snapshot!(pretty(&Applied::from(&done)), @r#"
    {
      "schema": "kerf.v1.Applied",
      "generation": 43,
      "steps": 5,
      "duration_us": 1250000,
      "history": 3,
      "after_reset": [],
      "after_reload": []
    }
    "#);
}
