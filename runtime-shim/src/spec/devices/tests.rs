//! Which rules of a spec can stand beside a grant, and which leave room for more than it.

use serde_json::{Value, json};

use crate::spec::tests::{config, grant, told, with};
use crate::spec::{Config, SpecError, apply};

#[test]
fn device_rules_that_leave_room_for_more_are_refused() {
    let deny = json!({"allow": false, "access": "rwm"});
    let cases = [
        json!([{"allow": true, "access": "rwm"}]),
        json!([{"allow": true, "type": "a", "major": 1, "minor": 3, "access": "m"}]),
        json!([deny, {"allow": true, "type": "c", "access": "rw"}]),
        json!([deny, {"allow": true, "type": "c", "major": -1, "minor": 3, "access": "r"}]),
        json!([deny, {"allow": true, "type": "c", "major": 400, "access": "rw"}]),
        json!([deny, {"allow": true, "type": "c", "major": 400, "minor": 9, "access": "w"}]),
        json!([deny, {"allow": true, "type": "c", "major": 400, "minor": 9}]),
        json!([{"allow": true, "type": "a"}, {"allow": false, "type": "c", "major": 1, "access": "rwm"}]),
        json!([deny, {"Allow": true, "type": "c", "major": 400, "minor": 9, "access": "rw"}]),
        json!([deny, {"allow": true, "type": "c", "major": 400.5, "minor": 9, "access": "rw"}]),
        json!("rwm"),
    ];
    let mut seen = Vec::new();
    for rules in cases {
        let error = apply(&with("/linux/resources/devices", rules), &grant()).expect_err("refused");
        seen.push(told(&error));
    }
    insta::assert_snapshot!(seen.join("\n"), @r#"
    the container is privileged: its device rule `a *:* rwm` opens every device
    the container is privileged: its device rule `a 1:3 m` opens every device
    the container is privileged: its device rule `c *:* rw` opens every device
    the container is privileged: its device rule `c *:3 r` opens every device
    the device rule `c 400:* rw` of the spec opens devices that are not in the grant
    the device rule `c 400:9 w` of the spec opens devices that are not in the grant
    the device rule `c 400:9 rwm` of the spec opens devices that are not in the grant
    the container is privileged: its device rule `a *:* rwm` opens every device
    it is not an OCI runtime spec that can be edited: `linux.resources.devices` holds the key "Allow", which runc would read as "allow"
    it is not an OCI runtime spec that can be edited: `linux.resources.devices` is not a list of device rules: invalid type: floating point `400.5`, expected i64 at line 1 column 41
    it is not an OCI runtime spec that can be edited: `linux.resources.devices` is not a list: invalid type: string "rwm", expected a sequence at line 1 column 5
    "#);
}

#[test]
fn device_rules_that_do_not_matter_stay() {
    let deny = json!({"allow": false, "access": "rwm"});
    let cases = [
        (json!(null), 3),
        (json!([]), 3),
        (json!([deny]), 3),
        (
            json!([deny, {"allow": true, "type": "c", "access": "m"}]),
            4,
        ),
        (
            json!([deny, {"allow": true, "type": "b", "access": "rwm"}]),
            4,
        ),
        (
            json!([deny, {"allow": true, "type": "c", "major": 136, "access": "rwm"}]),
            4,
        ),
        (
            json!([deny, {"allow": true, "type": "c", "major": 400, "minor": 3, "access": "rw"}]),
            3,
        ),
        // Open at first and closed again: what counts is the end. A "deny all" comes first all the same.
        (json!([{"allow": true, "access": "rwm"}, deny]), 5),
        (
            json!([{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "r"}]),
            4,
        ),
    ];
    for (rules, count) in cases {
        let text = apply(&with("/linux/resources/devices", rules.clone()), &grant());
        let edited: Value = serde_json::from_str(&text.expect("applied")).expect("json");
        let list = edited["linux"]["resources"]["devices"]
            .as_array()
            .expect("a list");
        assert_eq!(list.len(), count, "{rules}");
        assert_eq!(list[0], deny, "{rules}");
    }
}

#[test]
fn a_path_that_is_taken_by_something_else_is_refused() {
    let node = |kind: &str, minor: u32| json!([{"path": "/dev//nvidia0", "type": kind, "major": 400, "minor": minor}]);
    apply(&with("/linux/devices", node("c", 0)), &grant()).expect("the same device");
    for other in [node("c", 1), node("b", 0)] {
        let error = apply(&with("/linux/devices", other), &grant()).expect_err("another device");
        assert!(matches!(error, SpecError::DeviceConflict { .. }));
    }
    let mount =
        json!([{"destination": "/usr/lib/libcuda.so.1", "type": "bind", "source": "/evil"}]);
    let error = apply(&with("/mounts", mount), &grant()).expect_err("another mount");
    assert!(matches!(error, SpecError::MountConflict { .. }));
}

#[test]
fn a_spec_that_an_engine_wrote_must_carry_the_grant_and_no_neighbour() {
    let verify = |text: &str| {
        Config::parse(text)
            .expect("a spec")
            .verify("slice=a", &grant())
    };
    let edited = apply(&config().to_string(), &grant()).expect("applied");
    verify(&edited).expect("what kerf writes itself");
    let error = verify(&config().to_string()).expect_err("nothing of the grant is in it");
    assert!(matches!(error, SpecError::MissingDevice { .. }), "{error}");
    let mut changed: Value = serde_json::from_str(&edited).expect("json");
    let rules = changed["linux"]["resources"]["devices"]
        .as_array_mut()
        .expect("a list");
    rules.push(json!({"allow": true, "type": "c", "major": 400, "minor": 3000, "access": "rw"}));
    let error = verify(&changed.to_string()).expect_err("a neighbour's capability");
    assert!(matches!(error, SpecError::ForeignDevice { .. }), "{error}");
    let mut changed: Value = serde_json::from_str(&edited).expect("json");
    let nodes = changed["linux"]["devices"].as_array_mut().expect("a list");
    nodes.clear();
    let error = verify(&changed.to_string()).expect_err("no nodes");
    assert!(matches!(error, SpecError::MissingDevice { .. }), "{error}");
}
