//! What a grant asks of the host beside devices: locked memory and where memory comes from; and what is said of a
//! container that is not kept to its devices.

use serde_json::{Value, json};

use super::*;
use crate::frame::MemoryPolicy;

fn edited(text: &str, grant: &Grant) -> Value {
    let edited = apply(text, grant).expect("an edit");
    assert_eq!(
        apply(&edited, grant).expect("again"),
        edited,
        "twice is once"
    );
    serde_json::from_str(&edited).expect("json")
}

fn bare() -> Grant {
    Grant {
        lease_id: LEASE.to_owned(),
        ..Grant::default()
    }
}

#[test]
fn locked_memory_has_no_bound_and_other_limits_stay() {
    let grant = Grant {
        memlock_unlimited: true,
        ..bare()
    };
    let open = json!({"type": "RLIMIT_MEMLOCK", "hard": u64::MAX, "soft": u64::MAX});
    let files = json!({"type": "RLIMIT_NOFILE", "hard": u64::MAX, "soft": 1024});
    let small = json!({"type": "RLIMIT_MEMLOCK", "hard": 65536, "soft": 65536});
    let limits = |old: Value| {
        let text = with("/process/rlimits", old);
        edited(&text, &grant)["process"]["rlimits"].clone()
    };
    assert_eq!(limits(json!(null)), json!([open]));
    assert_eq!(limits(json!([files])), json!([files, open]));
    assert_eq!(limits(json!([small, files, small])), json!([open, files]));
    // Bytes that say the same in another way are not touched.
    let odd =
        r#"{"soft":18446744073709551615, "hard":18446744073709551615,"type":"RLIMIT_MEMLOCK"}"#;
    let nofile = r#"{"type":"RLIMIT_NOFILE","soft": 1e3,"hard":1000}"#;
    let text = with("/process/rlimits", json!(["HERE"]));
    let text = text.replace("\"HERE\"", odd);
    assert!(apply(&text, &grant).expect("an edit").contains(odd));
    // A number that runc would not read either.
    let text = with("/process/rlimits", json!(["HERE"])).replace("\"HERE\"", nofile);
    apply(&text, &grant).expect_err("not a limit");
    let lookalike = json!([{"Type": "RLIMIT_MEMLOCK", "type": "x", "hard": 1, "soft": 1}]);
    apply(&with("/process/rlimits", lookalike), &grant).expect_err("a lookalike");
    // Without the word nothing of it is looked at.
    let untouched = with("/process/rlimits", json!([small, small]));
    assert_eq!(
        edited(&untouched, &bare())["process"]["rlimits"],
        json!([small, small])
    );
}

#[test]
fn memory_comes_from_where_the_grant_says_unless_the_author_has_chosen() {
    let grant = Grant {
        memory_policy: Some(MemoryPolicy {
            mode: "MPOL_BIND".to_owned(),
            nodes: "1".to_owned(),
        }),
        ..bare()
    };
    let policy = |text: &str| edited(text, &grant)["linux"]["memoryPolicy"].clone();
    assert_eq!(policy(CONFIG), json!({"mode": "MPOL_BIND", "nodes": "1"}));
    let own = json!({"mode": "MPOL_INTERLEAVE", "nodes": "0-1", "flags": []});
    assert_eq!(policy(&with("/linux/memoryPolicy", own.clone())), own);
    apply(&with("/linux/memorypolicy", json!({})), &grant).expect_err("a lookalike");
    assert_eq!(
        edited(CONFIG, &bare())["linux"]["memoryPolicy"],
        Value::Null
    );
}

#[test]
fn a_privileged_container_is_let_through_by_word_alone_and_says_so() {
    let open = json!([{"allow": true, "access": "rwm"}]);
    let text = with("/linux/resources/devices", open.clone());
    let mut config = Config::parse(&text).expect("a spec");
    assert!(matches!(
        config.admit(false),
        Err(SpecError::Unconfined { .. })
    ));
    config.admit(true).expect("by word");
    assert!(!config.is_isolated());
    let text = String::from_utf8(config.apply(&grant()).expect("an edit")).expect("text");
    let spec: Value = serde_json::from_str(&text).expect("json");
    assert_eq!(spec["annotations"][ISOLATED], "false");
    let rules = spec["linux"]["resources"]["devices"]
        .as_array()
        .expect("rules");
    assert!(rules.contains(&open[0]), "the author's own rule stays");
    // Twice is once, also here; and what is kept to its devices says nothing.
    let mut again = Config::parse(&text).expect("a spec");
    again.admit(true).expect("by word");
    assert_eq!(again.apply(&grant()).expect("an edit"), text.as_bytes());
    let mut kept = Config::parse(CONFIG).expect("a spec");
    kept.admit(true).expect("confined");
    assert!(kept.is_isolated());
    let text = String::from_utf8(kept.apply(&grant()).expect("an edit")).expect("text");
    assert!(!text.contains(ISOLATED));
}

#[test]
fn a_container_without_a_device_cgroup_says_so_over_any_other_word() {
    let text = with("/annotations", json!({ISOLATED: "true"}));
    let mut config = Config::parse(&text).expect("a spec");
    config.admit(false).expect("confined");
    config.lacks_device_cgroup();
    assert!(!config.is_isolated());
    let text = config.apply(&bare()).expect("an edit");
    let spec: Value = serde_json::from_slice(&text).expect("json");
    assert_eq!(spec["annotations"][ISOLATED], "false");
}

#[test]
fn in_a_user_namespace_a_device_comes_from_where_it_was_granted() {
    let text = with(
        "/linux/namespaces",
        json!([{"type": "mount"}, {"type": "user"}]),
    );
    let mut grant = grant();
    // One that the runtime would find by itself.
    grant.devices[1].host_path = grant.devices[1].path.clone();
    let spec = edited(&text, &grant);
    let nodes = spec["linux"]["devices"].as_array().expect("nodes");
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0]["path"], "/dev/nvidia-caps/nvidia-cap3");
    let rules = spec["linux"]["resources"]["devices"]
        .as_array()
        .expect("rules");
    assert_eq!(rules.len(), 3, "deny all, and both devices");
    let mounts = spec["mounts"].as_array().expect("mounts");
    let bound = json!({"destination": "/dev/nvidia0", "type": "bind", "source": "/sim/dev/nvidia0",
        "options": ["bind", "rw", "nosuid", "noexec"]});
    assert!(mounts.contains(&bound), "{mounts:?}");
    let plain = edited(CONFIG, &grant);
    assert_eq!(plain["linux"]["devices"].as_array().map(Vec::len), Some(2));
    assert!(!plain["mounts"].as_array().expect("mounts").contains(&bound));
    let taken = json!([{"destination": "/dev/nvidia0", "type": "bind", "source": "/dev/null"}]);
    let mut text: Value = serde_json::from_str(&text).expect("json");
    text["mounts"] = taken;
    let conflict = apply(&text.to_string(), &grant).expect_err("a conflict");
    assert!(matches!(conflict, SpecError::MountConflict { .. }));
}
