//! What is read is what is meant, what is wrong is refused with its place, and hashes never change.

mod later;
use kerf_types::job::{
    Affinity, Communication, CostLimit, DataInput, JobKind, JobSpec, OnPartition, RestartPolicy,
    Selector, VolumeMount,
};
use kerf_types::{Ask, Bytes};

use super::{
    DOCUMENT_LIMIT, JobSpecDocument, JobSpecError, canonical_json, hash_text, parse, spec_hash,
    validate,
};

/// A description in which nothing has its default.
pub fn full() -> JobSpec {
    let text = str::to_owned;
    let map = |key, value| [(text(key), text(value))].into();
    let selector = |key, values: &[&str]| Selector {
        key: text(key),
        values: values.iter().map(|value| text(value)).collect(),
    };
    JobSpec {
        name: text("Größe 7B"),
        kind: JobKind::Train,
        image: text("registry.example/team/train:1.2@sha256:00"),
        args: vec![text("sh"), text("-c"), text("echo \"$A\"\n\u{1}")],
        env: map("NCCL_DEBUG", "INFO=1"),
        workdir: Some(text("/work/dir")),
        terminal: false,
        accelerator: Some(ask("memory>=20GiB,fp8,bf16,nvlink:4")),
        members: 16,
        cpu_milli: Some(8_500),
        memory: Some(Bytes(64 << 30)),
        network_mbps: Some(400_000),
        volumes: vec![VolumeMount {
            name: text("data"),
            path: text("/data"),
            writable: true,
        }],
        time_limit_seconds: Some(86_400),
        restart: RestartPolicy::OnFailure { max: 3 },
        checkpoint_grace_seconds: 120,
        communication: Communication::AllReduce,
        latency_target_us: Some(50_000),
        preemptible: true,
        priority: -5,
        tenant: text("team-a"),
        affinity: Affinity {
            hosts: vec![selector("example.org/zone", &["a", "b"])],
            not_hosts: vec![selector("slow", &[])],
            jobs: vec![selector("app", &["web"])],
            not_jobs: vec![selector("app", &["batch"])],
        },
        labels: map("example.org/app", "llm"),
        inputs: vec![DataInput {
            name: text("s3://corpus/v1"),
            size: Some(Bytes(5 << 40)),
        }],
        cost_limit: Some(CostLimit {
            milli: 125_500,
            currency: text("EUR"),
        }),
        on_partition: OnPartition::Continue,
        network: None,
    }
}

fn ask(text: &str) -> Ask {
    text.parse().expect("an ask")
}

fn minimal() -> JobSpec {
    parse(r#"{"image": "busybox"}"#).expect("an image is enough")
}

fn check_refused(json: &str, expected: &str) {
    let error = parse(json).expect_err(expected);
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    let found = format!("{error}{}", cause.unwrap_or_default());
    assert_eq!(found.split(" at line ").next(), Some(expected));
}

/// Refuses a description that is right but for this field.
fn check_field(field: &str, expected: &str) {
    check_refused(&format!("{{\"image\": \"busybox\", {field}}}"), expected);
}

/// These hashes are part of the identity of jobs that exist. A change that breaks this test breaks them.
#[test]
fn hashes_are_permanent() {
    assert_eq!(
        hash_text(&spec_hash(&minimal())),
        "5ec223a106c9968957b2ebd9ab0f0e187ae61bc4234498b49b7c0c430f958ab2"
    );
    assert_eq!(
        hash_text(&spec_hash(&full())),
        "2d4c981e0adbc1682f50c720375d3249fc86b40c1d31620f06b90342275ea57e"
    );
}

#[test]
fn canonical_form_is_fixed() {
    insta::assert_snapshot!(canonical_json(&minimal()), @r#"{"schema":"kerf.v1.JobSpec","name":"","kind":"batch","image":"busybox","args":[],"env":{},"workdir":null,"terminal":false,"accelerator":null,"members":1,"cpu_milli":null,"memory_bytes":null,"network_mbps":null,"volumes":[],"time_limit_seconds":null,"restart":"never","checkpoint_grace_seconds":30,"communication":"none","latency_target_us":null,"preemptible":false,"priority":0,"tenant":"default","affinity":{"hosts":[],"not_hosts":[],"jobs":[],"not_jobs":[]},"labels":{},"inputs":[],"cost_limit":null,"on_partition":"stop"}"#);
    insta::assert_snapshot!(canonical_json(&full()), @r#"{"schema":"kerf.v1.JobSpec","name":"Größe 7B","kind":"train","image":"registry.example/team/train:1.2@sha256:00","args":["sh","-c","echo \"$A\"\n\u0001"],"env":{"NCCL_DEBUG":"INFO=1"},"workdir":"/work/dir","terminal":false,"accelerator":"memory>=20GiB,bf16,fp8,nvlink:4","members":16,"cpu_milli":8500,"memory_bytes":68719476736,"network_mbps":400000,"volumes":[{"name":"data","path":"/data","writable":true}],"time_limit_seconds":86400,"restart":{"on_failure":{"max":3}},"checkpoint_grace_seconds":120,"communication":"all_reduce","latency_target_us":50000,"preemptible":true,"priority":-5,"tenant":"team-a","affinity":{"hosts":[{"key":"example.org/zone","values":["a","b"]}],"not_hosts":[{"key":"slow","values":[]}],"jobs":[{"key":"app","values":["web"]}],"not_jobs":[{"key":"app","values":["batch"]}]},"labels":{"example.org/app":"llm"},"inputs":[{"name":"s3://corpus/v1","size_bytes":5497558138880}],"cost_limit":{"milli":125500,"currency":"EUR"},"on_partition":"continue"}"#);
}

#[test]
fn canonical_form_reads_back() {
    for spec in [minimal(), full()] {
        let json = canonical_json(&spec);
        let again = parse(&json).expect("canonical is valid");
        assert_eq!(canonical_json(&again), json);
        assert_eq!(spec_hash(&again), spec_hash(&spec));
        assert_eq!(validate(&spec), Ok(()));
    }
    assert_eq!(
        parse(&canonical_json(&minimal())).expect("valid"),
        minimal()
    );
}

#[test]
fn spelling_does_not_change_the_hash() {
    let hash = |json: &str| spec_hash(&parse(json).expect("valid"));
    let one = hash(
        r#"{"image": "a", "env": {"A": "1", "B": "2"}, "memory_bytes": "2GiB",
            "accelerator": "memory>=1024MiB,fp8,bf16"}"#,
    );
    let other = hash(
        r#"{"schema": "kerf.v1.JobSpec", "accelerator": " memory>=1GiB,bf16,fp8", "members": 1,
            "memory_bytes": 2147483648, "env": {"B": "2", "A": "1"}, "image": "a", "args": []}"#,
    );
    assert_eq!(hash_text(&one), hash_text(&other));
    let exact = |bytes: &str| {
        hash(&format!(
            "{{\"image\": \"a\", \"accelerator\": \"memory>={bytes}\"}}"
        ))
    };
    assert_ne!(
        exact("10468982784"),
        exact("10468982785"),
        "an ask is hashed to the byte"
    );
}

#[test]
fn a_job_gets_no_share() {
    for ask in ["gpu,mps", "memory>=1GiB,time-slice"] {
        let json = format!("{{\"image\": \"a\", \"accelerator\": \"{ask}\"}}");
        let refusal = parse(&json).expect_err(ask).to_string();
        let why = "accelerator: a job gets slices and GPUs of its own: a share (mps, time-slice) is for containers";
        assert!(refusal.contains(why), "{refusal}");
    }
}

#[test]
fn every_field_is_in_the_hash() {
    let mut seen = std::collections::BTreeSet::new();
    let changes: [fn(&mut JobSpec); 12] = [
        |_| (),
        |spec| spec.name.push('x'),
        |spec| spec.args.push(String::new()),
        |spec| spec.workdir = Some("/".to_owned()),
        |spec| {
            spec.accelerator = Some(Ask::Gpus {
                count: 1,
                only: Box::default(),
            })
        },
        |spec| spec.restart = RestartPolicy::Always,
        |spec| spec.checkpoint_grace_seconds = 0,
        |spec| spec.communication = Communication::Pipeline,
        |spec| spec.tenant = "other".to_owned(),
        |spec| {
            spec.affinity.not_jobs = vec![Selector {
                key: "a".to_owned(),
                values: vec![],
            }]
        },
        |spec| {
            spec.cost_limit = Some(CostLimit {
                milli: 0,
                currency: "EUR".to_owned(),
            })
        },
        |spec| spec.on_partition = OnPartition::Continue,
    ];
    for change in changes {
        let mut spec = minimal();
        change(&mut spec);
        assert!(seen.insert(spec_hash(&spec)), "{spec:?}");
    }
}

#[test]
fn yaml_reads_like_json() {
    let yaml = "\
schema: kerf.v1.JobSpec
image: busybox
args: [echo, hello]
accelerator: 1g.10gb:2
memory_bytes: 16GiB
restart: { on_failure: { max: 3 } }
checkpoint_grace_seconds: 60
env: { A: '1' }
inputs:
  - name: corpus
    size_bytes: 1024
";
    let document: JobSpecDocument = serde_saphyr::from_str(yaml).expect("YAML");
    let spec = JobSpec::try_from(document).expect("valid");
    assert_eq!(spec.memory, Some(Bytes(16 << 30)));
    assert_eq!(spec.restart, RestartPolicy::OnFailure { max: 3 });
    assert_eq!(spec.accelerator, Some(ask("1g.10gb:2")));
    let twice = "image: a\nenv: { A: '1', A: '2' }\n";
    assert!(serde_saphyr::from_str::<JobSpecDocument>(twice).is_err());
}

#[test]
fn what_is_no_document_is_refused() {
    check_refused(
        "{",
        "not a kerf.v1.JobSpec document: EOF while parsing an object",
    );
    check_refused(
        "{}",
        "not a kerf.v1.JobSpec document: missing field `image`",
    );
    let error = parse(r#"{"image": "a", "imag": 1}"#).expect_err("an unknown field");
    assert!(matches!(&error, JobSpecError::Syntax(cause)
        if cause.to_string().starts_with("unknown field `imag`, expected one of `schema`")));
    check_refused(
        r#"{"image": "a", "image": "b"}"#,
        "not a kerf.v1.JobSpec document: duplicate field `image`",
    );
    check_field(
        r#""env": {"A": "1", "A": "2"}"#,
        "not a kerf.v1.JobSpec document: duplicate key `A`",
    );
    check_field(
        r#""schema": "kerf.v2.JobSpec""#,
        "not a kerf.v1.JobSpec document: unknown variant `kerf.v2.JobSpec`, expected \
         `kerf.v1.JobSpec`",
    );
    check_field(
        r#""priority": 1.5"#,
        "not a kerf.v1.JobSpec document: invalid type: floating point `1.5`, expected i32",
    );
    check_field(
        r#""restart": {"on_failure": {"max": 1, "min": 1}}"#,
        "not a kerf.v1.JobSpec document: unknown field `min`, expected `max`",
    );
}

#[test]
fn what_is_too_large_is_refused() {
    let huge = format!("{{\"image\": \"a\"{}}}", " ".repeat(DOCUMENT_LIMIT));
    check_refused(
        &huge,
        "the document has 262158 bytes, at most 262144 are allowed",
    );
    let args = vec!["x".repeat(super::ARGUMENT_LIMIT); 3];
    let error = validate(&JobSpec { args, ..minimal() }).expect_err("too large");
    assert_eq!(
        error.to_string(),
        "the document: 393745 bytes, at most 262144 are allowed"
    );
    let args = vec!["x".repeat(super::ARGUMENT_LIMIT + 1)];
    let error = validate(&JobSpec { args, ..minimal() }).expect_err("too long");
    assert_eq!(
        error.to_string(),
        "args[0]: 131072 bytes, at most 131071 are allowed"
    );
    let args = vec![String::new(); super::LIST_LIMIT + 1];
    let error = validate(&JobSpec { args, ..minimal() }).expect_err("too many");
    assert_eq!(
        error.to_string(),
        "args: 4097 entries, at most 4096 are allowed"
    );
    let name = "x".repeat(129);
    let error = validate(&JobSpec { name, ..minimal() }).expect_err("too long");
    assert_eq!(
        error.to_string(),
        "name: 129 bytes, at most 128 are allowed"
    );
}

#[test]
fn a_wrong_value_is_refused_with_its_place() {
    check_refused(
        r#"{"image": ""}"#,
        "image: an image reference expected, found \"\": not empty and without white space",
    );
    check_field(
        r#""members": 0"#,
        "members: 0 is not a number of members from 1 to 4096",
    );
    check_field(
        r#""members": 4097"#,
        "members: 4097 is not a number of members from 1 to 4096",
    );
    check_field(
        r#""members": 2, "terminal": true"#,
        "terminal: a terminal belongs to one member, and there are more",
    );
    check_field(
        r#""env": {"A=B": ""}"#,
        "env: the name of a variable expected, found \"A=B\": not empty and without =",
    );
    check_field(
        r#""env": {"A": "\u0000"}"#,
        "env.A: a text expected, found \"\\0\": it must not contain NUL",
    );
    check_field(
        r#""memory_bytes": 9007199254740992"#,
        "memory_bytes: 9007199254740992 is not a number from 1 to 9007199254740991",
    );
    check_field(
        r#""restart": {"on_failure": {"max": 0}}"#,
        "restart.on_failure.max: 0 is not a number of restarts from 1; for none, write never",
    );
    check_field(
        r#""inputs": [{"name": "a"}, {"name": "a"}]"#,
        "inputs: a stands there twice",
    );
    check_field(
        r#""cost_limit": {"milli": 1, "currency": "eur"}"#,
        "cost_limit.currency: eur is not an ISO 4217 code of three capitals",
    );
}

#[test]
fn a_wrong_path_is_refused() {
    let hint = "it begins with / and has no empty part, no . and no ..";
    for path in ["", "data", "/data/", "/a//b", "/a/../b", "/./a"] {
        let expected =
            format!("volumes[0].path: an absolute path expected, found {path:?}: {hint}");
        check_field(
            &format!("\"volumes\": [{{\"name\": \"d\", \"path\": {path:?}}}]"),
            &expected,
        );
    }
    check_field(
        r#""volumes": [{"name": "d", "path": "/"}]"#,
        "volumes[0].path: a volume cannot take the place of the whole file system",
    );
    check_field(
        r#""volumes": [{"name": "a", "path": "/d"}, {"name": "b", "path": "/d"}]"#,
        "volumes: /d stands there twice",
    );
}

#[test]
fn labels_follow_the_syntax_of_kubernetes() {
    let labels = |key: &str, value: &str| {
        let labels = [(key.to_owned(), value.to_owned())].into();
        validate(&JobSpec {
            labels,
            ..minimal()
        })
    };
    let long = "x".repeat(64);
    for key in ["app", "a.b_c-d", "example.org/app", "9"] {
        assert_eq!(labels(key, ""), Ok(()), "{key}");
    }
    for key in [
        "",
        "-a",
        "a-",
        "a b",
        "/a",
        "a/",
        "a/b/c",
        "Example.org/a",
        "a..b/c",
        &long,
    ] {
        assert!(labels(key, "").is_err(), "{key} was accepted");
    }
    for value in ["a b", "-", "a/b", &long] {
        assert!(labels("a", value).is_err(), "{value} was accepted");
    }
    let error = labels("app", "a b").expect_err("white space");
    assert_eq!(error.path, "labels.app");
    let selector = Selector {
        key: "a b".to_owned(),
        values: Vec::new(),
    };
    let affinity = Affinity {
        not_hosts: vec![selector],
        ..Affinity::default()
    };
    let error = validate(&JobSpec {
        affinity,
        ..minimal()
    })
    .expect_err("white space");
    assert_eq!(error.path, "affinity.not_hosts[0].key");
}
