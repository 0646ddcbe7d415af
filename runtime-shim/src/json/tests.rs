//! What is refused, with its place, and what comes back as the bytes that went in.

use super::check;
use super::tree::{Node, Object};

#[test]
fn a_hostile_document_is_refused_with_its_place() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let cases: [(&str, &str); 9] = [
        ("", "EOF while parsing a value at line 1 column 0"),
        (
            "{\"a\": 1,\n \"b\": [1, 2",
            "EOF while parsing a list at line 2 column 11",
        ),
        (
            "{\"a\": 1, \"b\": 2, \"a\": 3}",
            "duplicate key \"a\" at line 1 column 24",
        ),
        (
            "{\"a\": [{\"x\": 1,\n\"\\u0078\": 2}]}",
            "duplicate key \"x\" at line 2 column 12",
        ),
        ("{} {}", "trailing characters at line 1 column 4"),
        (
            "[1, \"\\ud800\"]",
            "unexpected end of hex escape at line 1 column 12",
        ),
        ("{\"a\": 01}", "invalid number at line 1 column 8"),
        (&deep, "recursion limit exceeded at line 1 column 128"),
        ("\u{feff}{}", "expected value at line 1 column 1"),
    ];
    for (text, expected) in cases {
        let error = check(text).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
}

#[test]
fn a_document_of_many_keys_is_checked_in_reasonable_time() {
    let keys: Vec<String> = (0..300_000).map(|n| format!("\"k{n}\":0")).collect();
    check(&format!("{{{}}}", keys.join(","))).expect("no duplicate");
    let error = check(&format!("{{{},\"k7\":0}}", keys.join(","))).expect_err("duplicate");
    assert!(error.to_string().starts_with("duplicate key \"k7\""));
}

#[test]
fn what_is_not_touched_stays_byte_for_byte() {
    let text = r#"{"n":1e400,"big":123456789012345678901234567890,"s":"\u003c\/x","z":{"b":1.0,"a":[ 1 ]},"open":{"k":-0},"list":[{"x":1}]}"#;
    let mut object = Object::parse(text).expect("object");
    object.opened("open", "open").expect("object");
    object.opened_list("list", "list").expect("list");
    assert_eq!(serde_json::to_string(&object).expect("json"), text);
}

#[test]
fn null_counts_as_absent_and_another_shape_is_an_error() {
    let mut object = Object::parse(r#"{"null":null,"list":[],"text":"x"}"#).expect("object");
    assert!(object.get("null").is_none());
    assert!(object.opened("null", "null").expect("absent").is_none());
    let new = object.object("null", "null").expect("a new one");
    new.set("k", Node::made(&1).expect("json"));
    let error = object.opened("list", "list").expect_err("a list");
    assert_eq!(error.to_string(), "`list` is not an object");
    let error = object.list("text", "text").expect_err("a text");
    assert_eq!(error.to_string(), "`text` is not a list");
    let json = serde_json::to_string(&object).expect("json");
    assert_eq!(json, r#"{"null":{"k":1},"list":[],"text":"x"}"#);
}

#[test]
fn a_key_that_go_reads_as_ours_is_refused() {
    let known = ["linux", "process", "kind"];
    for key in ["Linux", "LINUX", "proce\u{17f}s", "\u{212a}ind"] {
        let text = format!("{{\"{key}\":1}}");
        let object = Object::parse(&text).expect("object");
        let error = object.refuse_lookalikes("", &known).expect_err(key);
        assert!(error.to_string().contains("which runc would read as"));
    }
    let object = Object::parse(r#"{"linux":1,"linux2":1,"process":2}"#).expect("object");
    object.refuse_lookalikes("", &known).expect("fine keys");
}
