//! CDI files of ours, read by the reference implementation: it accepts every one, and makes of a spec what kerf-runtime
//! makes of it with the grant of the same devices. And our checker refuses what the reference refuses.
//!
//! The reference is a program of its own (`tests/cdi-oracle`), which `cargo xtask setup` builds.

mod reference;
mod worlds;

use std::collections::{BTreeMap, BTreeSet};

use kerf_agent::cdi::spec::Document;
use kerf_agent::cdi::{CdiFolder, Class, check, file_name};
use kerf_runtime::frame::Grant;
use kerf_tests::{Capability, Scratch, require};
use serde_json::{Value, json};

use reference::Reference;
use worlds::{LEASE, World};

/// Specs that are made, each with a document of its own.
const ROUNDS: u32 = 1_000;

#[test]
fn the_reference_makes_of_a_spec_what_kerf_runtime_makes_of_it() {
    if !require(Capability::Root) || !require(Capability::Oracle) {
        return;
    }
    let scratch = Scratch::new("oracle").expect("a folder");
    let mut reference = Reference::start();
    let nodes = worlds::nodes(&scratch);
    let cdi = scratch.join("cdi");
    let folder = CdiFolder::new(&cdi, "/usr/bin/kerf-runtime".as_ref(), "/r.sock".as_ref());
    let (name, dir) = (format!("kerf.dev/lease={LEASE}"), cdi.display().to_string());
    for round in 0..ROUNDS {
        let world = World::new(round.into(), &nodes);
        folder
            .write_lease(LEASE, &world.device, &world.common)
            .expect("written");
        let request = json!({ "dirs": [dir], "devices": [name], "spec": world.spec });
        let theirs = reference.ask(&request);
        let theirs = theirs
            .get("spec")
            .unwrap_or_else(|| panic!("round {round}: {theirs}"));
        let grant = Grant {
            lease_id: LEASE.to_owned(),
            fence: 1,
            devices: world.device.nodes.clone(),
            env: world.device.env.clone(),
            mounts: world
                .common
                .iter()
                .chain(&world.device.mounts)
                .cloned()
                .collect(),
            additional_gids: world.device.gids.clone(),
            ..Grant::default()
        };
        let ours = kerf_runtime::spec::apply(&world.spec.to_string(), &grant).expect("an edit");
        let ours: Value = serde_json::from_str(&ours).expect("a spec");
        assert_eq!(
            essence(&ours),
            essence(theirs),
            "round {round}: {}",
            world.spec
        );
    }
}

#[test]
fn standing_documents_are_accepted_and_what_the_reference_refuses_is_refused() {
    if !require(Capability::Root) || !require(Capability::Oracle) {
        return;
    }
    let scratch = Scratch::new("oracle").expect("a folder");
    let mut reference = Reference::start();
    let nodes = worlds::nodes(&scratch);
    let cdi = scratch.join("cdi");
    let folder = CdiFolder::new(&cdi, "/usr/bin/kerf-runtime".as_ref(), "/r.sock".as_ref());
    let (mut refused, mut accepted) = (0, 0);
    for round in 0..ROUNDS {
        let world = World::new(round.into(), &nodes);
        let names = ["0000:1b:00.0-0-1", "MIG-0", "all"]
            .map(|name| (name.to_owned(), world.device.clone()));
        let devices = BTreeMap::from(names);
        for class in [Class::Slice, Class::Gpu] {
            folder
                .write_standing(class, &devices, &world.common)
                .expect("written");
            let path = cdi.join(file_name(class, ""));
            let answer = reference.ask(&json!({ "file": path }));
            assert_eq!(answer, json!({ "devices": 3 }), "round {round}");
        }
        let path = cdi.join(file_name(Class::Slice, ""));
        let text = std::fs::read_to_string(&path).expect("a file");
        let whole: Value = serde_json::from_str(&text).expect("a document");
        let (what, broken) = worlds::broken(round.into(), &whole);
        let path = scratch.join("broken.json");
        std::fs::write(&path, broken.to_string()).expect("a file");
        let theirs = reference
            .ask(&json!({ "file": path }))
            .get("error")
            .is_some();
        let ours = serde_json::from_value::<Document>(broken.clone())
            .map_or(true, |document| !check::faults(&document).is_empty());
        assert_eq!(ours, theirs, "{what}: {broken}");
        match theirs {
            true => refused += 1,
            false => accepted += 1,
        }
    }
    let enough = ROUNDS / 20;
    assert!(
        refused > enough && accepted > enough,
        "{refused} refused, {accepted} accepted"
    );
}

/// What counts of a spec, whatever the order and the spelling: nodes, what a rule opens, variables, mounts, groups.
fn essence(spec: &Value) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let nodes: BTreeSet<String> = list(&spec["linux"]["devices"])
        .iter()
        .map(|node| {
            format!(
                "{} {} {}:{}",
                node["path"], node["type"], node["major"], node["minor"]
            )
        })
        .collect();
    let allowed: BTreeSet<String> = list(&spec["linux"]["resources"]["devices"])
        .iter()
        .filter(|rule| rule["allow"] == true)
        .map(|rule| {
            let mut rights: Vec<char> = rule["access"].as_str().unwrap_or("rwm").chars().collect();
            rights.sort_unstable();
            format!(
                "{} {}:{} {rights:?}",
                rule["type"], rule["major"], rule["minor"]
            )
        })
        .collect();
    // The reference leaves an older entry of the same key before its own, and the last one counts; containerd's own code
    // replaces it, as ours does.
    let variables: BTreeMap<String, String> = list(&spec["process"]["env"])
        .iter()
        .filter_map(|entry| entry.as_str()?.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let mounts: BTreeMap<String, String> = list(&spec["mounts"])
        .iter()
        .map(|mount| {
            let options: BTreeSet<String> = list(&mount["options"])
                .iter()
                .map(|option| option.as_str().unwrap_or_default().to_owned())
                .collect();
            (
                mount["destination"].to_string(),
                format!("{} {options:?}", mount["source"]),
            )
        })
        .collect();
    let groups: BTreeSet<u64> = list(&spec["process"]["user"]["additionalGids"])
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    json!({
        "nodes": nodes, "allowed": allowed, "variables": variables, "mounts": mounts, "groups": groups,
        "args": spec["process"]["args"], "hostname": spec["hostname"],
    })
}
