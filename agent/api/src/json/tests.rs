//! Every document as people and programs see it.

use super::show::{NOON, message, pretty, text};
use super::{Config, Error, Event, Events, Job, Jobs, Profiles, Status, Topology};
use crate::example::inventory;
use crate::v1;

#[test]
fn status() {
    let status = v1::Status {
        host: text("node-1"),
        version: text("0.1.0"),
        started_ms: NOON,
        now_ms: NOON + 61_500,
        degraded: vec![v1::Degradation {
            what: text("gpu 3 (0000:5d:00.0)"),
            why: text("fallen off the bus (XID 79)"),
            hint: text("drain the host and reset the GPU"),
            since_ms: NOON + 1_000,
        }],
        gpus: 8,
        gpus_ok: 7,
        slices: 14,
        slices_leased: 3,
        leases: 3,
        jobs_active: 2,
        store_epoch: 1,
        generation: 42,
        metrics_address: text("[::]:9450"),
        peers_address: text("10.0.0.7:9451"),
        draining: false,
        simulated: Some(text("h100x8")),
    };
    insta::assert_snapshot!(pretty(&Status::from(&status)), @r#"
    {
      "schema": "kerf.v1.Status",
      "host": "node-1",
      "version": "0.1.0",
      "ok": false,
      "degraded": [
        {
          "what": "gpu 3 (0000:5d:00.0)",
          "why": "fallen off the bus (XID 79)",
          "hint": "drain the host and reset the GPU",
          "since_at": "2026-11-24T12:00:01.000Z"
        }
      ],
      "started_at": "2026-11-24T12:00:00.000Z",
      "uptime_seconds": 61,
      "gpus": 8,
      "gpus_ok": 7,
      "slices": 14,
      "slices_leased": 3,
      "leases": 3,
      "jobs_active": 2,
      "store_epoch": 1,
      "generation": 42,
      "metrics_address": "[::]:9450",
      "peers_address": "10.0.0.7:9451",
      "draining": false,
      "simulated": "h100x8"
    }
    "#);
}

#[test]
fn topology() {
    let row = |device, pci, links: [&str; 2]| v1::TopologyRow {
        device: text(device),
        links: links.map(text).into(),
        cpu_affinity: Some(text("0-55")),
        numa_node: Some(0),
        pci: text(pci),
        memory_node: (device == "GPU0").then_some(8),
    };
    let mut topology = v1::Topology {
        header: ["GPU0", "NIC0"].map(text).into(),
        rows: vec![
            row("GPU0", "0000:1b:00.0", ["X", "PIX"]),
            row("NIC0", "", ["PIX", "X"]),
        ],
    };
    insta::assert_snapshot!(pretty(&message::<Topology, _>(&topology)), @r#"
    {
      "schema": "kerf.v1.Topology",
      "devices": [ "GPU0", "NIC0" ],
      "rows": [
        {
          "device": "GPU0",
          "pci": "0000:1b:00.0",
          "links": [ "X", "PIX" ],
          "cpu_affinity": "0-55",
          "numa_node": 0,
          "gpu_numa_id": 8
        },
        {
          "device": "NIC0",
          "pci": null,
          "links": [ "PIX", "X" ],
          "cpu_affinity": "0-55",
          "numa_node": 0,
          "gpu_numa_id": null
        }
      ]
    }
    "#);
    topology.rows[1].links.pop();
    let error = Topology::try_from(&topology).expect_err("a ragged matrix");
    assert_eq!(error.path, "rows[1].links");
}

#[test]
fn profiles() {
    insta::assert_snapshot!(pretty(&Profiles::from(&inventory())), @r#"
    {
      "schema": "kerf.v1.Profiles",
      "gpus": [
        {
          "index": 0,
          "uuid": "GPU-5d4c3b2a-0000-4000-8000-000000000001",
          "pci": "0000:1b:00.0",
          "name": "NVIDIA H100 80GB HBM3",
          "mig_mode": "enabled",
          "profiles": [
            {
              "id": 19,
              "name": "1g.10gb",
              "slices": 1,
              "memory_bytes": 10468982784,
              "sm_count": 16,
              "engines": { "copy": 1, "decoder": 1, "encoder": 0, "jpeg": 1, "ofa": 0 },
              "max_count": 7,
              "placements": [ { "start": 0, "size": 1 }, { "start": 6, "size": 1 } ],
              "full_compute_profile": 0
            }
          ]
        },
        {
          "index": 1,
          "uuid": "GPU-5d4c3b2a-0000-4000-8000-000000000002",
          "pci": "0000:43:00.0",
          "name": "NVIDIA H100 80GB HBM3",
          "mig_mode": "unsupported",
          "profiles": []
        }
      ]
    }
    "#);
}

fn job_message() -> v1::Job {
    let spec = super::job::parse(r#"{"image": "busybox", "args": ["true"]}"#).expect("a job");
    v1::Job {
        id: text("0192f0a4-5c1e-7000-8000-00000000002b"),
        spec_json: super::job::canonical_json(&spec),
        spec_hash: super::job::hash_text(&super::job::spec_hash(&spec)),
        state: text("failed"),
        reason: text("exit code 3"),
        exit_code: Some(3),
        container: Some(text("kerf/job-1")),
        lease: None,
        uid: 1_000,
        submitted_ms: NOON,
        started_ms: Some(NOON + 10),
        ended_ms: None,
        restarts: 0,
        members: vec![v1::JobMember {
            member: 0,
            attempt: 2,
            host_id: text("0192f0a4-5c1e-7000-8000-0000000000aa"),
            host: text("node-1"),
        }],
    }
}

#[test]
fn job() {
    insta::assert_snapshot!(pretty(&message::<Job, _>(&job_message())), @r#"
    {
      "schema": "kerf.v1.Job",
      "id": "0192f0a4-5c1e-7000-8000-00000000002b",
      "state": "failed",
      "reason": "exit code 3",
      "exit_code": 3,
      "container": "kerf/job-1",
      "lease": null,
      "uid": 1000,
      "submitted_at": "2026-11-24T12:00:00.000Z",
      "started_at": "2026-11-24T12:00:00.010Z",
      "ended_at": null,
      "restarts": 0,
      "members": [
        {
          "member": 0,
          "attempt": 2,
          "host_id": "0192f0a4-5c1e-7000-8000-0000000000aa",
          "host": "node-1"
        }
      ],
      "spec_hash": "7661984d3553d09036de83f11fffb87eba610578b3375fcceb28f74046c6e521",
      "spec": {
        "schema": "kerf.v1.JobSpec",
        "name": "",
        "kind": "batch",
        "image": "busybox",
        "args": [ "true" ],
        "env": {},
        "workdir": null,
        "terminal": false,
        "accelerator": null,
        "members": 1,
        "cpu_milli": null,
        "memory_bytes": null,
        "network_mbps": null,
        "volumes": [],
        "time_limit_seconds": null,
        "restart": "never",
        "checkpoint_grace_seconds": 30,
        "communication": "none",
        "latency_target_us": null,
        "preemptible": false,
        "priority": 0,
        "tenant": "default",
        "affinity": { "hosts": [], "not_hosts": [], "jobs": [], "not_jobs": [] },
        "labels": {},
        "inputs": [],
        "cost_limit": null,
        "on_partition": "stop"
      }
    }
    "#);
}

#[test]
fn jobs() {
    let response = v1::ListJobsResponse {
        jobs: vec![job_message()],
        next: String::new(),
    };
    let document = serde_json::to_value(message::<Jobs, _>(&response)).expect("it writes");
    assert_eq!(document["schema"], "kerf.v1.Jobs");
    let job = document["jobs"][0].as_object().expect("one job");
    assert!(
        !job.contains_key("schema"),
        "an entry is no document of its own"
    );
    assert_eq!(job["state"], "failed");
    let spec_json = text("{");
    let wrong = v1::ListJobsResponse {
        jobs: vec![v1::Job {
            spec_json,
            ..job_message()
        }],
        next: String::new(),
    };
    let error = Jobs::try_from(&wrong).expect_err("no description");
    assert_eq!(error.to_string(), "not a kerf.v1.JobSpec document");
}

#[test]
fn events() {
    let event = v1::Event {
        number: 7,
        time_ms: NOON,
        kind: text("slice"),
        subject: text("0000:1b:00.0-6-1"),
        text: text("created"),
    };
    insta::assert_snapshot!(pretty(&Events::from_iter([&event])), @r#"
    {
      "schema": "kerf.v1.Events",
      "events": [
        {
          "number": 7,
          "happened_at": "2026-11-24T12:00:00.000Z",
          "kind": "slice",
          "subject": "0000:1b:00.0-6-1",
          "text": "created"
        }
      ]
    }
    "#);
    insta::assert_snapshot!(pretty(&Event::from(&event)), @r#"
    {
      "schema": "kerf.v1.Event",
      "number": 7,
      "happened_at": "2026-11-24T12:00:00.000Z",
      "kind": "slice",
      "subject": "0000:1b:00.0-6-1",
      "text": "created"
    }
    "#);
}

#[test]
fn config() {
    let mut config = v1::Config {
        toml: text("metrics = \"[::]:9450\"\n[launch.volumes.data]\npath = \"/srv/data\"\n"),
        files: vec![text("/etc/kerf/kerf.toml")],
    };
    insta::assert_snapshot!(pretty(&message::<Config, _>(&config)), @r#"
    {
      "schema": "kerf.v1.Config",
      "files": [ "/etc/kerf/kerf.toml" ],
      "settings": {
        "launch": { "volumes": { "data": { "path": "/srv/data" } } },
        "metrics": "[::]:9450"
      }
    }
    "#);
    config.toml = text("=");
    assert!(Config::try_from(&config).is_err());
}

#[test]
fn error() {
    let cause = super::job::parse("{").expect_err("no document");
    let hint = Some(text("see `kerf schema job`"));
    insta::assert_snapshot!(pretty(&Error::new(&cause, hint)), @r#"
    {
      "schema": "kerf.v1.Error",
      "message": "not a kerf.v1.JobSpec document",
      "causes": [ "EOF while parsing an object at line 1 column 1" ],
      "hint": "see `kerf schema job`"
    }
    "#);
}
