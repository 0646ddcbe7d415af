//! Hosts that have told of themselves, and hosts that have not.

use super::Nodes;
use crate::json::schema::SchemaKind;
use crate::json::schema::tests::{check_accepted, check_refused};
use crate::json::show::{NOON, pretty, text};
use crate::v1;

fn response() -> v1::ListNodesResponse {
    let model = v1::NodeModel {
        name: text("NVIDIA H100 80GB HBM3"),
        count: 8,
        mig_capable: true,
    };
    let record = v1::NodeRecord {
        store_epoch: 1,
        revision: 42,
        models: vec![model],
        gpus: 8,
        gpus_ok: 7,
        gpus_in_maintenance: 1,
        gpus_free: 2,
        slices: 14,
        slices_free: 3,
        leased: 12,
        cpu_milli: 64_000,
        cpu_free_milli: 12_500,
        memory_bytes: 512 << 30,
        memory_free_bytes: 100 << 30,
        load_per_mille: 425,
        jobs: 3,
        admission: text("open"),
        labels: [(text("zone"), text("a"))].into(),
        price_milli_per_hour: None,
    };
    let told = v1::Node {
        id: text("0192f0a4-5c1e-7000-8000-0000000000aa"),
        name: text("node-1"),
        here: true,
        address: text("10.0.0.1:9451"),
        presence: text("alive"),
        since_ms: NOON,
        record: Some(record),
        record_age_ms: Some(1_500),
    };
    let silent = v1::Node {
        here: false,
        address: String::new(),
        presence: text("suspect"),
        record: None,
        record_age_ms: None,
        ..told.clone()
    };
    v1::ListNodesResponse {
        nodes: vec![told, silent],
        listens: true,
    }
}

#[test]
fn what_is_not_known_is_null() {
    insta::assert_snapshot!(pretty(&Nodes::from(&response())), @r#"
    {
      "schema": "kerf.v1.Nodes",
      "listens": true,
      "nodes": [
        {
          "id": "0192f0a4-5c1e-7000-8000-0000000000aa",
          "name": "node-1",
          "here": true,
          "address": "10.0.0.1:9451",
          "presence": "alive",
          "since_at": "2026-11-24T12:00:00.000Z",
          "record": {
            "store_epoch": 1,
            "revision": 42,
            "models": [ { "name": "NVIDIA H100 80GB HBM3", "count": 8, "mig_capable": true } ],
            "gpus": 8,
            "gpus_ok": 7,
            "gpus_in_maintenance": 1,
            "gpus_free": 2,
            "slices": 14,
            "slices_free": 3,
            "leased": 12,
            "cpu_milli": 64000,
            "cpu_free_milli": 12500,
            "memory_bytes": 549755813888,
            "memory_free_bytes": 107374182400,
            "load_per_mille": 425,
            "jobs": 3,
            "admission": "open",
            "labels": { "zone": "a" },
            "price_milli_per_hour": null
          },
          "record_age_ms": 1500
        },
        {
          "id": "0192f0a4-5c1e-7000-8000-0000000000aa",
          "name": "node-1",
          "here": false,
          "address": null,
          "presence": "suspect",
          "since_at": "2026-11-24T12:00:00.000Z",
          "record": null,
          "record_age_ms": null
        }
      ]
    }
    "#);
}

#[test]
fn the_schema_accepts_it() {
    let document = serde_json::to_value(Nodes::from(&response())).expect("it writes");
    check_accepted(SchemaKind::Nodes, &document);
    for path in ["/schema", "/nodes/0/record/gpus", "/nodes/0/id"] {
        let mut document = document.clone();
        *document.pointer_mut(path).expect(path) = serde_json::json!(-1);
        check_refused(SchemaKind::Nodes, &document);
    }
}
