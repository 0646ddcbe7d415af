//! The schemas are stable, accept what kerf writes and reads, and refuse what it refuses.

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{SchemaKind, schema};
use crate::example::inventory;
use crate::json::Inventory;
use crate::json::job::JobSpecDocument;

fn validator(kind: SchemaKind) -> Validator {
    jsonschema::draft202012::options()
        .should_validate_formats(false)
        .build(&schema(kind))
        .expect("a schema of draft 2020-12")
}

pub fn check_accepted(kind: SchemaKind, document: &Value) {
    let validator = validator(kind);
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{document}: {errors:#?}");
}

pub fn check_refused(kind: SchemaKind, document: &Value) {
    assert!(
        !validator(kind).is_valid(document),
        "{document} was accepted"
    );
}

/// Keys sorted, so that the text does not depend on how serde_json was built.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            entries
                .into_iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect()
        }
        Value::Array(list) => list.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[test]
fn schemas_are_stable() {
    for kind in SchemaKind::ALL {
        let text = serde_json::to_string_pretty(&sorted(&schema(kind))).expect("it writes");
        insta::assert_snapshot!(kind.as_str(), text, kind.as_str());
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
    assert!("jobs".parse::<SchemaKind>().is_err());
}

#[test]
fn schemas_are_schemas() {
    for kind in SchemaKind::ALL {
        assert!(jsonschema::meta::is_valid(&schema(kind)), "{kind:?}");
    }
}

#[test]
fn every_field_is_described() {
    fn undescribed(path: &str, value: &Value, found: &mut Vec<String>) {
        let Some(map) = value.as_object() else { return };
        if let Some(properties) = map.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                // The description of an enum's variant stands beside the property that tells it apart.
                let is_tag = properties.len() == 1 || property.get("const").is_some();
                let is_variant = is_tag && map.contains_key("description");
                if !is_variant && property.get("description").is_none() {
                    found.push(format!("{path}.{name}"));
                }
            }
        }
        for (key, value) in map {
            undescribed(&format!("{path}/{key}"), value, found);
            let list = value.as_array().into_iter().flatten();
            list.for_each(|value| undescribed(&format!("{path}/{key}"), value, found));
        }
    }
    let mut found = Vec::new();
    for kind in SchemaKind::ALL {
        undescribed(kind.as_str(), &schema(kind), &mut found);
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn inventories_are_accepted() {
    let document = serde_json::to_value(Inventory::from(&inventory())).expect("it writes");
    check_accepted(SchemaKind::Inventory, &document);
    let wrong: [(&str, Value); 4] = [
        ("/schema", json!("kerf.v2.Inventory")),
        ("/gpus/0/mig_mode", json!("on")),
        ("/gpus/0/memory_bytes", json!("80GiB")),
        ("/gpus/1/health", json!({ "state": "unwell" })),
    ];
    for (path, value) in wrong {
        let mut document = document.clone();
        *document.pointer_mut(path).expect(path) = value;
        check_refused(SchemaKind::Inventory, &document);
    }
}

#[test]
fn jobs_are_accepted() {
    let full = JobSpecDocument::from(&crate::json::job::tests::full());
    let full = serde_json::to_value(full).expect("it writes");
    for document in [
        json!({ "image": "busybox" }),
        json!({ "image": "busybox", "memory_bytes": "20GiB", "restart": "always" }),
        json!({ "schema": "kerf.v1.JobSpec", "image": "a", "workdir": null }),
        full,
    ] {
        check_accepted(SchemaKind::Job, &document);
        crate::json::job::parse(&document.to_string()).expect("accepted by the schema");
    }
    for document in [
        json!({}),
        json!({ "image": "" }),
        json!({ "image": "a", "imag": "b" }),
        json!({ "image": "a", "members": 0 }),
        json!({ "image": "a", "members": 4_097 }),
        json!({ "image": "a", "memory_bytes": "20 GiB" }),
        json!({ "image": "a", "memory_bytes": 0 }),
        json!({ "image": "a", "priority": 1.5 }),
        json!({ "image": "a", "env": { "A=B": "" } }),
        json!({ "image": "a", "env": { "A": 1 } }),
        json!({ "image": "a", "workdir": "tmp" }),
        json!({ "image": "a", "restart": { "on_failure": { "max": 0 } } }),
        json!({ "image": "a", "volumes": [{ "name": "d", "path": "data" }] }),
        json!({ "image": "a", "cost_limit": { "milli": 1, "currency": "euro" } }),
        json!({ "image": "a", "schema": "kerf.v1.Layout" }),
        json!({ "image": "a", "tenant": "" }),
        json!({ "image": "a", "on_partition": "pause" }),
    ] {
        check_refused(SchemaKind::Job, &document);
        assert!(
            crate::json::job::parse(&document.to_string()).is_err(),
            "{document}"
        );
    }
}

#[test]
fn layouts_are_accepted() {
    for document in [
        json!({ "rules": [] }),
        json!({ "rules": [{ "gpus": "all", "slices": { "1g.10gb": 7 } }] }),
        json!({ "schema": "kerf.v1.Layout", "rules": [
            { "gpus": [0, "GPU-5d4c", "0000:1b:00.0", "3"], "slices": { "1g.10gb+me": 1 } },
            { "gpus": [7], "mig": false },
        ] }),
        json!({ "rules": [{ "gpus": "all", "slices": { "1g.10gb": 65 }, "together": true }] }),
        json!({ "rules": [{ "gpus": "all", "amd": { "compute": "CPX", "memory": "nps4" } }] }),
    ] {
        check_accepted(SchemaKind::Layout, &document);
        crate::json::layout::parse(&document.to_string()).expect("accepted by the schema");
    }
    for document in [
        json!({}),
        json!({ "rules": [{ "gpus": "some", "mig": true }] }),
        json!({ "rules": [{ "gpus": [], "mig": true }] }),
        json!({ "rules": [{ "gpus": [-1], "mig": true }] }),
        json!({ "rules": [{ "gpus": "all", "slices": { "1g": 1 } }] }),
        json!({ "rules": [{ "gpus": "all", "slices": { "1g.10gb": 65 } }] }),
        json!({ "rules": [{ "gpus": "all", "slices": { "1g.10gb": 65 }, "together": false }] }),
        json!({ "rules": [{ "gpus": "all", "slices": { "1g.10gb": 1025 }, "together": true }] }),
        json!({ "rules": [{ "gpus": "all", "amd": { "compute": "cpq" } }] }),
        json!({ "rules": [{ "gpus": "all", "amd": { "memory": "nps3" } }] }),
        json!({ "rules": [{ "gpus": "all", "mig": "yes" }] }),
        json!({ "rules": [{ "mig": true }] }),
    ] {
        check_refused(SchemaKind::Layout, &document);
        assert!(
            crate::json::layout::parse(&document.to_string()).is_err(),
            "{document}"
        );
    }
}
