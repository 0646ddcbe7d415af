//! Explanations read what they write, and what a later kerfd adds; the answer to `kerf explain` holds one or none.

use serde_json::json;

use super::{Explanation, JobExplanation, Verdict};
use crate::json::schema::SchemaKind;
use crate::json::schema::tests::{check_accepted, check_refused};
use crate::json::show::{pretty, text};
use crate::v1;

fn document() -> serde_json::Value {
    let score = json!({
        "apart": 0, "mode_changes": 0, "cuts": 1, "options_lost": 3, "places_lost": 2, "whole_gpus_left": 4,
        "numa_nodes": 1, "load_tenths": 5, "price_milli_per_hour": null, "remote": true, "text": "1 to cut",
    });
    let refusal = json!({ "constraint": "cordoned", "may_pass": true, "text": "it is cordoned" });
    json!({
        "schema": "kerf.v1.Explanation",
        "unplaced": { "member": 1, "members": 2 },
        "hosts": [
            { "id": "1", "name": "a", "verdict": "chosen", "members": [0], "score": score, "full": refusal },
            { "id": "2", "name": "b", "verdict": "feasible", "score": score },
            { "id": "3", "name": "c", "verdict": "refused", "refusal": refusal },
        ],
        "refusals": { "cordoned": 1 },
        "not_listed": 0,
        "not_sampled": 7,
    })
}

#[test]
fn what_is_written_reads_back() {
    let written = document();
    let read: Explanation = serde_json::from_value(written.clone()).expect("it reads");
    assert!(matches!(&read.hosts[2].verdict, Verdict::Refused { refusal } if refusal.may_pass));
    assert_eq!(serde_json::to_value(&read).expect("it writes"), written);
    check_accepted(SchemaKind::Explanation, &written);
}

#[test]
fn what_a_later_kerfd_adds_is_passed_over_and_what_is_missing_is_refused() {
    let mut later = document();
    later["hosts"][0]["hue"] = json!("blue");
    later["made_by"] = json!("node-1");
    serde_json::from_value::<Explanation>(later).expect("it reads");
    for (path, value) in [
        ("/schema", json!("kerf.v2.Explanation")),
        ("/hosts/1/verdict", json!("perhaps")),
        ("/hosts/2/refusal", json!("no")),
        ("/not_sampled", json!(null)),
    ] {
        let mut wrong = document();
        *wrong.pointer_mut(path).expect(path) = value;
        check_refused(SchemaKind::Explanation, &wrong);
        assert!(
            serde_json::from_value::<Explanation>(wrong).is_err(),
            "{path}"
        );
    }
}

#[test]
fn the_answer_holds_the_job_beside_it() {
    let member = v1::JobMember {
        member: 0,
        attempt: 1,
        host_id: text("0192f0a4-5c1e-7000-8000-0000000000aa"),
        host: text("node-1"),
    };
    let mut answer = v1::JobExplanation {
        job: Some(v1::Job {
            id: text("0192f0a4-5c1e-7000-8000-00000000002b"),
            state: text("running"),
            reason: text("its container runs"),
            members: vec![member],
            ..v1::Job::default()
        }),
        explanation_json: None,
    };
    let read = JobExplanation::try_from(&answer).expect("it reads");
    insta::assert_snapshot!(pretty(&read), @r#"
    {
      "schema": "kerf.v1.JobExplanation",
      "job": "0192f0a4-5c1e-7000-8000-00000000002b",
      "state": "running",
      "reason": "its container runs",
      "members": [
        {
          "member": 0,
          "attempt": 1,
          "host_id": "0192f0a4-5c1e-7000-8000-0000000000aa",
          "host": "node-1"
        }
      ],
      "explanation": null
    }
    "#);
    answer.explanation_json = Some(document().to_string());
    let read = JobExplanation::try_from(&answer).expect("it reads");
    let hosts = read.explanation.map(|explanation| explanation.hosts.len());
    assert_eq!(hosts, Some(3));
    answer.explanation_json = Some(text("{"));
    assert!(JobExplanation::try_from(&answer).is_err());
    let none = v1::JobExplanation::default();
    assert!(JobExplanation::try_from(&none).is_err(), "no job");
}
