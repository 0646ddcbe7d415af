//! The edit as data: specs and grants in, specs or refusals out; oci-spec reads every result.

mod asks;
mod host;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::frame::{DeviceNode, MountEntry};

const LEASE: &str = "0198c0de-0000-7000-8000-000000000001";

fn device(name: &str, minor: u32) -> DeviceNode {
    DeviceNode {
        path: format!("/dev/{name}").into(),
        host_path: format!("/sim/dev/{name}").into(),
        major: 400,
        minor,
        file_mode: 0o20666,
        uid: 0,
        gid: 44,
    }
}

pub(in crate::spec) fn grant() -> Grant {
    Grant {
        lease_id: LEASE.to_owned(),
        fence: 7,
        devices: vec![device("nvidia0", 0), device("nvidia-caps/nvidia-cap3", 3)],
        cpuset_cpus: Some("0-1".to_owned()),
        cpuset_mems: Some("0".to_owned()),
        env: vec!["NVIDIA_VISIBLE_DEVICES=void".to_owned(), "NEW=1".to_owned()],
        mounts: vec![MountEntry {
            source: "/usr/lib/libcuda.so.1".into(),
            destination: "/usr/lib/libcuda.so.1".into(),
            options: vec!["ro".to_owned(), "nosuid".to_owned()],
            kind: "bind".to_owned(),
        }],
        offers: Vec::new(),
        claimed: Vec::new(),
        additional_gids: vec![44, 7],
        memlock_unlimited: false,
        memory_policy: None,
    }
}

/// A spec as text, so that the order of its keys is ours to see.
const CONFIG: &str = r#"{"ociVersion":"1.0.2",
"process":{"user":{"uid":0,"gid":0,"additionalGids":[7]},"args":["true"],
"env":["PATH=/bin","NVIDIA_VISIBLE_DEVICES=all","NVIDIA_VISIBLE_DEVICES=0"],"cwd":"/"},
"root":{"path":"rootfs"},
"mounts":[{"destination":"/proc","type":"proc","source":"proc"}],
"annotations":{"kerf.dev/accelerator":"1g.10gb"},
"linux":{"resources":{"devices":[{"allow":false,"access":"rwm"}]},
"namespaces":[{"type":"mount"}]}}"#;

pub(in crate::spec) fn config() -> Value {
    serde_json::from_str(CONFIG).expect("json")
}

/// The spec with `value` at a JSON pointer.
pub(in crate::spec) fn with(pointer: &str, value: Value) -> String {
    let mut config = config();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    config.pointer_mut(parent).expect("a parent")[key] = value;
    config.to_string()
}

/// The error and its causes in one line.
pub(in crate::spec) fn told(error: &SpecError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[test]
fn the_memory_of_a_daemon_takes_the_place_of_the_containers_own_alone() {
    let shared = MountEntry {
        source: "/run/kerf/mps/0a/shm".into(),
        destination: "/dev/shm".into(),
        options: vec!["rw".to_owned()],
        kind: "bind".to_owned(),
    };
    let grant = Grant {
        mounts: vec![shared],
        ..grant()
    };
    let mounted = |old: Value| {
        let applied = apply(&with("/mounts", json!([old])), &grant)?;
        let spec: Value = serde_json::from_str(&applied).expect("json");
        Ok::<Value, SpecError>(spec["mounts"].clone())
    };
    let bind = json!({"destination": "/dev/shm", "type": "bind", "source": "/run/kerf/mps/0a/shm",
        "options": ["bind", "rw"]});
    let own = json!({"destination": "/dev/shm", "type": "tmpfs", "source": "shm"});
    assert_eq!(mounted(own).expect("replaced"), json!([bind]));
    let slash = json!({"destination": "/dev/shm/", "type": "tmpfs", "source": "shm"});
    assert_eq!(mounted(slash).expect("replaced"), json!([bind]));
    // Somebody else's files are there.
    let theirs = json!({"destination": "/dev/shm", "type": "bind", "source": "/run/pod/shm",
        "options": ["rbind"]});
    let refusal = mounted(theirs).expect_err("a conflict");
    assert!(matches!(refusal, SpecError::SharedMemory { .. }));
    assert!(refusal.hint().is_some_and(|hint| hint.contains("podman")));
    let elsewhere = json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"});
    assert_eq!(
        mounted(elsewhere.clone()).expect("added"),
        json!([elsewhere, bind])
    );
}

/// An engine that injects a CDI device writes its mounts without a type.
#[test]
fn a_mount_that_the_engine_made_of_the_same_is_kept() {
    let entry = grant().mounts.swap_remove(0);
    let mounted = |options: Value, source: &str| {
        let there =
            json!([{ "destination": entry.destination, "source": source, "options": options }]);
        apply(&with("/mounts", there), &grant()).map(|text| text.matches("libcuda").count())
    };
    let source = entry.source.display().to_string();
    assert_eq!(
        mounted(json!(["bind", "ro", "nosuid"]), &source).expect("kept"),
        2
    );
    for refused in [
        mounted(json!(["ro", "nosuid"]), &source),
        mounted(json!(["bind", "nosuid"]), &source),
        mounted(json!(["bind", "ro", "nosuid"]), "/image/libcuda.so.1"),
    ] {
        assert!(
            matches!(refused, Err(SpecError::MountConflict { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn the_grant_stands_in_the_spec() {
    let text = apply(CONFIG, &grant()).expect("applied");
    // A break before each object and each key of the parts that matter, for the reader.
    let lines = text
        .replace(",{", ",\n  {")
        .replace("],\"", "],\n\"")
        .replace("},\"", "},\n\"");
    insta::assert_snapshot!(lines, @r#"
    {"ociVersion":"1.0.2","process":{"user":{"uid":0,"gid":0,"additionalGids":[7,44]},
    "args":["true"],
    "env":["PATH=/bin","NVIDIA_VISIBLE_DEVICES=void","NEW=1"],
    "cwd":"/"},
    "root":{"path":"rootfs"},
    "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
      {"destination":"/usr/lib/libcuda.so.1","type":"bind","source":"/usr/lib/libcuda.so.1","options":["bind","ro","nosuid"]}],
    "annotations":{"kerf.dev/accelerator":"1g.10gb","kerf.dev/applied":"0198c0de-0000-7000-8000-000000000001"},
    "linux":{"resources":{"devices":[{"allow":false,"access":"rwm"},
      {"allow":true,"type":"c","major":400,"minor":0,"access":"rw"},
      {"allow":true,"type":"c","major":400,"minor":3,"access":"rw"}],
    "cpu":{"cpus":"0-1","mems":"0"}},
    "namespaces":[{"type":"mount"}],
    "devices":[{"path":"/dev/nvidia0","type":"c","major":400,"minor":0,"fileMode":438,"uid":0,"gid":44},
      {"path":"/dev/nvidia-caps/nvidia-cap3","type":"c","major":400,"minor":3,"fileMode":438,"uid":0,"gid":44}]}}
    "#);
}

#[test]
fn another_implementation_reads_the_same_devices() {
    use oci_spec::runtime::{LinuxDeviceType, Spec};
    let text = apply(CONFIG, &grant()).expect("applied");
    let spec: Spec = serde_json::from_str(&text).expect("oci-spec reads it");
    let linux = spec.linux().as_ref().expect("linux");
    let nodes = linux.devices().as_ref().expect("devices");
    let seen: Vec<_> = nodes
        .iter()
        .map(|n| {
            (
                n.path().clone(),
                n.typ(),
                n.major(),
                n.minor(),
                n.file_mode(),
            )
        })
        .collect();
    let expected: Vec<_> = grant()
        .devices
        .iter()
        .map(|d| {
            (
                d.path.clone(),
                LinuxDeviceType::C,
                400,
                d.minor.into(),
                Some(0o666),
            )
        })
        .collect();
    assert_eq!(seen, expected);
    let rules = linux.resources().as_ref().expect("resources").devices();
    let rules = rules.as_ref().expect("rules");
    assert!(!rules[0].allow() && rules[0].access().as_deref() == Some("rwm"));
    for (rule, device) in rules[1..].iter().zip(&grant().devices) {
        assert!(rule.allow());
        assert_eq!(rule.major(), Some(device.major.into()));
        assert_eq!(rule.minor(), Some(device.minor.into()));
        assert_eq!(rule.access().as_deref(), Some("rw"));
    }
    assert_eq!(rules.len(), 3);
}

#[test]
fn an_edit_that_is_repeated_changes_nothing() {
    let once = apply(CONFIG, &grant()).expect("applied");
    assert_eq!(apply(&once, &grant()).expect("again"), once);
    let mut other = grant();
    other.lease_id = LEASE.replace('1', "2");
    let error = apply(&once, &other).expect_err("another lease");
    assert!(matches!(error, SpecError::AppliedForOther { .. }));
}

#[test]
fn a_spec_without_any_of_the_parts_gets_them() {
    let text = apply("{}", &grant()).expect("applied");
    insta::assert_snapshot!(text, @r#"{"annotations":{"kerf.dev/applied":"0198c0de-0000-7000-8000-000000000001"},"linux":{"devices":[{"path":"/dev/nvidia0","type":"c","major":400,"minor":0,"fileMode":438,"uid":0,"gid":44},{"path":"/dev/nvidia-caps/nvidia-cap3","type":"c","major":400,"minor":3,"fileMode":438,"uid":0,"gid":44}],"resources":{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":400,"minor":0,"access":"rw"},{"allow":true,"type":"c","major":400,"minor":3,"access":"rw"}],"cpu":{"cpus":"0-1","mems":"0"}}},"process":{"env":["NVIDIA_VISIBLE_DEVICES=void","NEW=1"],"user":{"additionalGids":[44,7]}},"mounts":[{"destination":"/usr/lib/libcuda.so.1","type":"bind","source":"/usr/lib/libcuda.so.1","options":["bind","ro","nosuid"]}]}"#);
}

#[test]
fn a_grant_of_nothing_leaves_a_mark_alone() {
    let nothing = Grant {
        lease_id: LEASE.to_owned(),
        ..Grant::default()
    };
    let text = apply(r#"{ "linux" : {"x" : 1} , "y":[ ] }"#, &nothing).expect("applied");
    insta::assert_snapshot!(text, @r#"{"linux":{"x":1},"y":[ ],"annotations":{"kerf.dev/applied":"0198c0de-0000-7000-8000-000000000001"}}"#);
}

#[test]
fn unknown_fields_and_numbers_beyond_f64_come_out_as_they_went_in() {
    let text = r#"{"ociVersion":"1.3.9","zz":{"b":1.0,"a":1e300},"process":{"rlimits":[{"hard":18446744073709551615}],"future":[1, 2],"env":["A=\u003c"]},"linux":{"netDevices":{"eth0":{"name":"x"}},"resources":{"memory":{"limit":99999999999999999999},"unified":{"k":"\/"}},"seccomp":{ "x": [ ] }},"annotations":{"b":"2","a":"1"}}"#;
    let edited = apply(text, &grant()).expect("applied");
    let kept = [
        r#""zz":{"b":1.0,"a":1e300}"#,
        r#""rlimits":[{"hard":18446744073709551615}],"future":[1, 2],"env":["A=\u003c","#,
        r#""netDevices":{"eth0":{"name":"x"}},"resources":{"memory":{"limit":99999999999999999999},"unified":{"k":"\/"}"#,
        r#""seccomp":{ "x": [ ] }"#,
        r#""annotations":{"b":"2","a":"1","kerf.dev/applied""#,
    ];
    for part in kept {
        assert!(edited.contains(part), "{part} in {edited}");
    }
}

#[test]
fn what_the_author_chose_stays() {
    let text = with("/linux/resources/cpu", json!({"cpus": "5", "shares": 2}));
    let edited: Value =
        serde_json::from_str(&apply(&text, &grant()).expect("applied")).expect("json");
    let cpu = &edited["linux"]["resources"]["cpu"];
    assert_eq!(*cpu, json!({"cpus": "5", "shares": 2, "mems": "0"}));
}

#[test]
fn keys_that_runc_would_read_as_ours_are_refused() {
    let cases = [
        ("/Linux", json!({})),
        ("/linux/Resources", json!({"devices": []})),
        ("/linux/resources/Devices", json!([])),
        ("/process/ENV", json!([])),
        ("/Mounts", json!([])),
    ];
    for (pointer, value) in cases {
        let error = apply(&with(pointer, value), &grant()).expect_err(pointer);
        assert!(
            told(&error).contains("which runc would read as"),
            "{pointer}"
        );
    }
}

#[test]
fn ten_megabytes_are_edited() {
    let filler: Vec<String> = (0..500_000).map(|n| format!("\"key-{n:08}\":1")).collect();
    let text = format!(
        "{{\"annotations\":{{}},\"filler\":{{{}}}}}",
        filler.join(",")
    );
    assert!(text.len() > 8_000_000);
    let edited = apply(&text, &grant()).expect("applied");
    assert!(edited.contains("\"key-00499999\":1"));
}

/// Any JSON value of some depth.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_unknown_part_stays_byte_for_byte(part in any_json()) {
        let part = part.to_string();
        let open = CONFIG.strip_prefix('{').expect("an object");
        let text = format!("{{\"unknown\":{part},{open}");
        let edited = apply(&text, &grant()).expect("applied");
        let expected = format!("\"unknown\":{part},");
        prop_assert!(edited.contains(&expected));
        prop_assert_eq!(apply(&edited, &grant()).expect("again"), edited);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[{}\\[\\]\":,a-z0-9]{0,60}") {
        drop(apply(&text, &grant()));
    }

    #[test]
    fn any_shape_in_the_place_of_a_part_gives_an_answer(part in any_json(), at in 0..8usize) {
        let places = ["/linux", "/process", "/mounts", "/annotations", "/linux/devices",
            "/linux/resources", "/linux/resources/devices", "/process/env"];
        drop(apply(&with(places[at], part), &grant()));
    }
}
