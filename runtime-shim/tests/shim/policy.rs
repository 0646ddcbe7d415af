//! What root decides in `kerf-runtime.toml`: whether every container needs a lease, and whether one that may open
//! every device gets what it asks for.

use std::fs;

use serde_json::{Value, json};

use crate::world;
use crate::wrap::Wrapped;

const LEASE: &str = "0198c0de-0000-7000-8000-000000000001";

/// A wrapped runtime with one more line in its settings.
fn with(line: &str) -> Wrapped {
    let wrapped = Wrapped::new();
    let path = wrapped.world.path("bin/kerf-runtime.toml");
    let text = fs::read_to_string(&path).expect("settings");
    fs::write(&path, format!("{text}{line}\n")).expect("settings");
    wrapped
}

/// Creates a container of this spec; what is told on stderr where it does not start.
fn create(wrapped: &Wrapped, spec: &Value) -> Result<(), String> {
    let bundle = wrapped.bundle(&spec.to_string());
    let log = wrapped.world.path("log.json");
    let log = log.to_str().expect("text");
    let output = wrapped.run(&[
        "--log",
        log,
        "--log-format",
        "json",
        "create",
        "-b",
        &bundle,
        "c1",
    ]);
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[test]
fn where_a_lease_is_required_none_starts_without_but_a_sandbox() {
    let annotated = |annotations: Value| world::spec(&["/bin/true"], annotations);
    let refused = [
        json!({}),
        json!({"kerf.dev/accelerator": "gpu"}),
        json!({"io.kubernetes.cri.container-type": "container"}),
        json!({"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri-o.ContainerType": "container"}),
    ];
    for annotations in refused {
        let wrapped = with("require_lease = true");
        let told = create(&wrapped, &annotated(annotations.clone())).expect_err("no lease");
        assert!(told.contains("the container carries no lease"), "{told}");
        assert!(!wrapped.runtime_was_started(), "{annotations}");
        assert!(wrapped.kerfd.requests().is_empty());
        // Elsewhere the same container is nobody's business, or kerfd's.
        create(&Wrapped::new(), &annotated(annotations)).expect("no gate");
    }
    let wrapped = with("require_lease = true");
    let sandbox = json!({"io.kubernetes.cri.container-type": "sandbox", "kerf.dev/lease": LEASE});
    create(&wrapped, &annotated(sandbox)).expect("a sandbox");
    assert!(wrapped.kerfd.requests().is_empty());
    let wrapped = with("require_lease = true");
    let leased = json!({"kerf.dev/lease": LEASE, "io.kubernetes.cri.sandbox-id": "pod1"});
    create(&wrapped, &annotated(leased)).expect("a lease that is confirmed");
    let requests = wrapped.kerfd.requests();
    assert_eq!(requests[0].sandbox.as_deref(), Some("pod1"));
    assert_eq!(requests[0].lease.as_deref(), Some(LEASE));
}

#[test]
fn a_lease_that_is_not_confirmed_starts_nothing() {
    let wrapped = with("require_lease = true");
    // The one that kerfd here confirms is another.
    let other = json!({"kerf.dev/lease": LEASE.replace('1', "2")});
    let told = create(&wrapped, &world::spec(&["/bin/true"], other)).expect_err("another lease");
    assert!(told.contains("kerfd granted lease"), "{told}");
    assert!(!wrapped.runtime_was_started());
}

#[test]
fn other_verbs_and_a_restore_pass_or_fail_as_the_gate_wants() {
    let wrapped = with("require_lease = true");
    assert!(wrapped.run(&["start", "c1"]).status.success());
    let wrapped = with("require_lease = true");
    let bundle = wrapped.bundle(&world::spec(&["/bin/true"], json!({})).to_string());
    for verb in ["run", "restore"] {
        let output = wrapped.run(&[verb, "-b", &bundle, "c1"]);
        assert_eq!(output.status.code(), Some(1), "{verb}");
    }
    assert!(!wrapped.runtime_was_started());
}

#[test]
fn a_privileged_container_starts_by_policy_alone_and_is_told_of() {
    let mut spec = world::spec(&["/bin/true"], json!({"kerf.dev/accelerator": "gpu"}));
    spec["linux"]["resources"]["devices"] = json!([{"allow": true, "access": "rwm"}]);
    let strict = Wrapped::new();
    let told = create(&strict, &spec).expect_err("privileged");
    assert!(told.contains("the container is privileged"), "{told}");
    assert!(strict.kerfd.requests().is_empty());
    let open = with("allow_privileged = true");
    create(&open, &spec).expect("by policy");
    assert!(!open.kerfd.requests()[0].isolated);
    let edited: Value = serde_json::from_str(&open.world.text("bundle/config.json")).expect("json");
    assert_eq!(edited["annotations"]["kerf.dev/isolated"], "false");
    let log = open.world.text("log.json");
    let line: Value = serde_json::from_str(log.lines().last().expect("a line")).expect("json");
    assert_eq!(line["level"], "warning");
    let message = line["msg"].as_str().expect("a message");
    assert!(
        message.contains("the container is not isolated"),
        "{message}"
    );
}
