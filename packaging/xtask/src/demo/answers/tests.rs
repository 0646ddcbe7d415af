//! Documents of the wrong kind and lists with holes are errors.

use super::{Node, Slice, document, nodes, slices};

#[test]
fn slices_are_read() {
    let text = r#"{"schema":"kerf.v1.Slices","slices":[
        {"gpu_index":0,"profile":"1g.10gb","state":"free","uuid":"MIG-1","new":1}]}"#;
    let found = slices(&document(text, "Slices").expect("the kind is right")).expect("a list");
    let slice = Slice {
        gpu: 0,
        profile: "1g.10gb".to_owned(),
        state: "free".to_owned(),
        uuid: Some("MIG-1".to_owned()),
    };
    assert_eq!(found, [slice]);
}

#[test]
fn hosts_are_read() {
    let text =
        r#"{"schema":"kerf.v1.Nodes","nodes":[{"name":"a","presence":"down","record":null}]}"#;
    let found = nodes(&document(text, "Nodes").expect("the kind is right")).expect("a list");
    let node = Node {
        name: "a".to_owned(),
        presence: "down".to_owned(),
        told: false,
    };
    assert_eq!(found, [node]);
}

#[test]
fn another_kind_is_an_error() {
    assert!(document(r#"{"schema":"kerf.v1.Job"}"#, "Slices").is_err());
    assert!(document("", "Slices").is_err());
}

#[test]
fn a_missing_field_is_named() {
    let value = serde_json::json!({ "slices": [{ "gpu_index": 0, "state": "free" }] });
    let error = slices(&value)
        .expect_err("the profile is missing")
        .to_string();
    assert!(error.starts_with("no text \"profile\""), "{error}");
}
