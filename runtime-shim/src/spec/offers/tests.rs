//! What an offer does to containers that have something of their own, and to those that have not.

use serde_json::{Value, json};

use super::super::tests::{config, grant, with};
use crate::frame::{Grant, MountEntry, Offer};
use crate::spec::apply;

const PLACE: &str = "/var/run/nvidia-topologyd/virtualTopology.xml";

fn offering() -> Grant {
    Grant {
        offers: vec![Offer {
            mount: MountEntry {
                source: "/run/kerf/nccl/a.xml".into(),
                destination: PLACE.into(),
                options: vec!["ro".to_owned()],
                kind: "bind".to_owned(),
            },
            env: vec![format!("NCCL_TOPO_FILE={PLACE}")],
        }],
        ..grant()
    }
}

/// Whether a container gets the mount, and the entries of its environment that speak of it.
fn given(text: &str) -> (bool, Vec<String>) {
    let once = apply(text, &offering()).expect("applied");
    let twice = apply(&once, &offering()).expect("applied again");
    assert_eq!(once, twice);
    let spec: Value = serde_json::from_str(&once).expect("JSON");
    let mounts = spec["mounts"].as_array().expect("mounts");
    let ours = mounts
        .iter()
        .filter(|mount| mount["source"] == "/run/kerf/nccl/a.xml");
    let env = spec["process"]["env"].as_array().expect("an environment");
    let words = env.iter().filter_map(Value::as_str);
    let words = words.filter(|entry| entry.starts_with("NCCL_TOPO_FILE"));
    (ours.count() == 1, words.map(str::to_owned).collect())
}

fn with_mount(destination: &str, kind: Option<&str>) -> String {
    let own = json!({"destination": destination, "type": kind, "source": "theirs"});
    with("/mounts", json!([own]))
}

#[test]
fn a_container_without_anything_of_its_own_takes_it_whole() {
    let whole = (true, vec![format!("NCCL_TOPO_FILE={PLACE}")]);
    assert_eq!(given(&config().to_string()), whole);
    assert_eq!(given("{}"), whole);
    // Memory that an engine mounts, what is beside the place, and names that only begin like it.
    for (at, kind) in [
        ("/run", Some("tmpfs")),
        ("/var/run", Some("tmpfs")),
        ("/run/nvidia", Some("bind")),
        ("/run/nvidia-topologyd/other.xml", Some("bind")),
        ("/var/running", Some("bind")),
        ("/", Some("bind")),
    ] {
        assert_eq!(given(&with_mount(at, kind)), whole, "{at}");
    }
    let other = json!(["NCCL_TOPO_FILES=x", "XNCCL_TOPO_FILE=y"]);
    assert!(given(&with("/process/env", other)).0);
}

#[test]
fn what_the_container_has_stays_and_nothing_comes_beside_it() {
    for own in [
        "NCCL_TOPO_FILE=/etc/own.xml",
        "NCCL_TOPO_FILE=",
        "NCCL_TOPO_FILE",
    ] {
        let text = with("/process/env", json!([own]));
        assert_eq!(given(&text), (false, vec![own.to_owned()]));
    }
    for (at, kind) in [
        (PLACE, Some("bind")),
        (PLACE, Some("tmpfs")),
        ("/run/nvidia-topologyd/virtualTopology.xml", None),
        ("/var/run/nvidia-topologyd/", Some("bind")),
        ("/run/nvidia-topologyd", None),
        ("/run", Some("bind")),
        ("/var/run", Some("none")),
        ("/var", Some("bind")),
        ("/srv/../run", Some("bind")),
        ("/srv/../run", Some("tmpfs")),
    ] {
        assert_eq!(given(&with_mount(at, kind)), (false, Vec::new()), "{at}");
    }
}
