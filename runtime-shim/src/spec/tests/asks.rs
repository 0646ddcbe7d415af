//! What the annotations of a spec ask for, and in which pod.

use serde_json::{Value, json};

use super::*;

#[test]
fn asks() {
    let long = "x".repeat(5000);
    let cases = [
        json!(null),
        json!({}),
        json!({"kerf.dev/accelerator": "gpu:2"}),
        json!({"kerf.dev/lease": LEASE}),
        json!({"kerf.dev/accelerator": "gpu:2", "kerf.dev/lease": LEASE}),
        json!({"kerf.dev/accelerator": ""}),
        json!({"kerf.dev/lease": " "}),
        json!({"kerf.dev/lease": long}),
        json!({"kerf.dev/accelerator": 7}),
        json!(["kerf.dev/accelerator"]),
        json!({"kerf.dev/accelerator": "gpu:2", "io.kubernetes.cri.container-type": "sandbox"}),
        json!({"kerf.dev/accelerator": "gpu:2", "io.kubernetes.cri.container-type": "container"}),
    ];
    let mut seen = Vec::new();
    for annotations in cases {
        let text = with("/annotations", annotations);
        let ask = Config::parse(&text).expect("well-formed").ask();
        seen.push(match ask {
            Ok(ask) => format!("{ask:?}"),
            Err(error) => told(&error),
        });
    }
    insta::assert_snapshot!(seen.join("\n"), @r#"
    None
    None
    Some(Accelerator("gpu:2"))
    Some(Lease("0198c0de-0000-7000-8000-000000000001"))
    the container asks for two things at once: kerf.dev/accelerator and kerf.dev/lease
    the annotation kerf.dev/accelerator is empty or longer than 4096 bytes: it has 0
    the annotation kerf.dev/lease is empty or longer than 4096 bytes: it has 1
    the annotation kerf.dev/lease is empty or longer than 4096 bytes: it has 5000
    it is not an OCI runtime spec that can be edited: `kerf.dev/accelerator` is not a string: invalid type: integer `7`, expected a string at line 1 column 1
    it is not an OCI runtime spec that can be edited: `annotations` is not an object: invalid type: sequence, expected an object at line 1 column 0
    None
    Some(Accelerator("gpu:2"))
    "#);
}

/// The sandbox of a container with these annotations, and whether it is served as one that asks.
fn pod(annotations: Value) -> Result<(Option<String>, bool), SpecError> {
    let text = with("/annotations", annotations);
    let mut config = Config::parse(&text)?;
    Ok((config.sandbox()?, config.ask()?.is_some()))
}

#[test]
fn the_sandbox_is_the_one_that_the_engine_names() {
    let lease = |mut annotations: Value| {
        annotations["kerf.dev/lease"] = json!(LEASE);
        pod(annotations)
    };
    let named = |id: &str| (Some(id.to_owned()), true);
    let of_containerd = json!({"io.kubernetes.cri.sandbox-id": "p1"});
    assert_eq!(lease(of_containerd).expect("a pod"), named("p1"));
    let of_crio = json!({"io.kubernetes.cri-o.SandboxID": "p2"});
    assert_eq!(lease(of_crio).expect("a pod"), named("p2"));
    assert_eq!(lease(json!({})).expect("no pod"), (None, true));
    let twice =
        json!({"io.kubernetes.cri.sandbox-id": "p1", "io.kubernetes.cri-o.SandboxID": "p2"});
    assert!(matches!(lease(twice), Err(SpecError::TwoSandboxes(..))));
    let empty = json!({"io.kubernetes.cri.sandbox-id": ""});
    assert!(matches!(lease(empty), Err(SpecError::AskLength { .. })));
}

#[test]
fn a_pods_own_annotation_makes_no_sandbox_of_its_container() {
    let marked = |containerd: &str, crio: &str| {
        let marks = json!({
            "kerf.dev/lease": LEASE,
            "io.kubernetes.cri.container-type": containerd,
            "io.kubernetes.cri-o.ContainerType": crio,
        });
        pod(marks).expect("a spec").1
    };
    assert!(marked("sandbox", "container"));
    assert!(marked("container", "sandbox"));
    assert!(!marked("sandbox", "sandbox"));
}
