//! How sharing is written in a layout, and what is refused of it.

use kerf_types::layout::Layout;
use serde_json::json;

use super::super::{LayoutDocument, parse};
use crate::json::schema::SchemaKind;
use crate::json::schema::tests::{check_accepted, check_refused as check_schema_refused};
use crate::v1;

const SHARED: &str = r#"{"rules": [
    {"gpus": [0], "mig": false, "sharing": {"mps": {"clients": 4, "threads": 25, "memory": "18GiB"}}},
    {"gpus": [1], "slices": {"3g.40gb": 2}, "sharing": {"mps": {"clients": 20}}},
    {"gpus": [2], "mig": false, "sharing": {"time-slice": {"replicas": 3, "interval": "short"}}},
    {"gpus": [3], "mig": false, "sharing": {"time-slice": {"replicas": 1}}}
]}"#;

fn refusal(rule: &str) -> String {
    let text = format!("{{\"rules\": [{{\"gpus\": [0], {rule}}}]}}");
    let error = parse(&text).expect_err("a refusal");
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    let text = format!("{error}{}", cause.unwrap_or_default());
    text.split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn sharing_reads_back_as_it_was_written_by_file_and_by_wire() {
    let layout = parse(SHARED).expect("a layout");
    let told = layout.rules.iter().filter_map(|rule| rule.sharing);
    let told: Vec<String> = told.map(|sharing| sharing.to_string()).collect();
    assert_eq!(
        told,
        [
            "mps for 4 clients, each 25 % of the threads and 18GiB",
            "mps for 20 clients",
            "3 time slices, interval short",
            "1 time slice, interval default",
        ]
    );
    let document = serde_json::to_value(LayoutDocument::from(&layout)).expect("it writes");
    check_accepted(SchemaKind::Layout, &document);
    assert_eq!(parse(&document.to_string()).expect("it reads"), layout);
    let wire = v1::Layout::from(&layout);
    assert_eq!(Layout::try_from(wire), Ok(layout));
    let yaml = "rules:\n- gpus: [0]\n  mig: false\n  sharing: {time-slice: {replicas: 2}}\n";
    let document: LayoutDocument = serde_saphyr::from_str(yaml).expect("YAML");
    assert!(document.rules[0].sharing.is_some());
}

#[test]
fn what_cannot_be_shared_so_is_refused_where_it_stands() {
    let mps = |numbers: &str| {
        refusal(&format!(
            "\"mig\": false, \"sharing\": {{\"mps\": {{{numbers}}}}}"
        ))
    };
    let clients = "rules[0].sharing.mps.clients";
    let allowed = "is not a number of clients from 1 to 48";
    assert_eq!(mps("\"clients\": 0"), format!("{clients}: 0 {allowed}"));
    assert_eq!(mps("\"clients\": 49"), format!("{clients}: 49 {allowed}"));
    assert_eq!(
        mps("\"clients\": 1, \"threads\": 101"),
        "rules[0].sharing.mps.threads: 101 is not a percentage from 1 to 100"
    );
    assert_eq!(
        mps("\"clients\": 1, \"memory\": \"1000B\""),
        "rules[0].sharing.mps.memory: 1000B is not an amount of memory in whole MiB"
    );
    assert!(mps("\"client\": 1").contains("unknown field `client`, expected one of `clients`"));
    let rule = |rest: &str| refusal(rest);
    assert_eq!(
        rule(r#""mig": false, "sharing": {"time-slice": {"replicas": 2, "interval": "forever"}}"#),
        "rules[0].sharing.time-slice.interval: a time slice expected, found \"forever\": \
         default, short, medium or long"
    );
    assert_eq!(
        rule(r#""slices": {"1g.10gb": 1}, "sharing": {"time-slice": {"replicas": 2}}"#),
        "rules[0].sharing: the driver has no time slices with MIG on: share by mps, or turn MIG off"
    );
    assert_eq!(
        rule(r#""mig": true, "sharing": {"mps": {"clients": 2}}"#),
        "rules[0].sharing: with MIG on it is slices that are shared, and this rule has none"
    );
    assert_eq!(
        rule(r#""amd": {"compute": "cpx"}, "sharing": {"mps": {"clients": 2}}"#),
        "rules[0].sharing: kerf shares NVIDIA's GPUs alone"
    );
    let both = r#"{"mps": {"clients": 2}, "time-slice": {"replicas": 2}}"#;
    assert_eq!(
        rule(&format!("\"mig\": false, \"sharing\": {both}")),
        "rules[0].sharing.time-slice: a device is shared in one way: by mps or by time-slice"
    );
    assert_eq!(
        rule("\"mig\": false, \"sharing\": {}"),
        "rules[0].sharing.mps: missing"
    );
}

#[test]
fn the_schema_refuses_the_same() {
    let rule = |sharing: serde_json::Value| json!({"rules": [{"gpus": [0], "mig": false, "sharing": sharing}]});
    for wrong in [
        json!({}),
        json!({"mps": {}}),
        json!({"mps": {"clients": 0}}),
        json!({"mps": {"clients": 49}}),
        json!({"mps": {"clients": 1, "threads": 0}}),
        json!({"mps": {"clients": 1, "memory": "many"}}),
        json!({"time-slice": {"replicas": 65}}),
        json!({"time-slice": {"replicas": 1, "interval": "forever"}}),
        json!({"mps": {"clients": 1}, "time-slice": {"replicas": 1}}),
    ] {
        check_schema_refused(SchemaKind::Layout, &rule(wrong));
    }
}
