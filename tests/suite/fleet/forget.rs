//! `kerf nodes forget`: a dead host is off the lists of the fleet, also of a host that was away meanwhile; nobody but
//! itself brings it back, and neither a living host nor an unknown one is forgotten.

use std::time::Instant;

use kerf_tests::world::Fleet;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::world::{all_see, document, measured, node, nodes, of, waits};

#[test]
fn a_forgotten_host_comes_back_by_itself_alone() {
    let Some(mut fleet) = of(&["h100x1"; 3]) else {
        return;
    };
    is_refused(&fleet, "node-2", "the host lives: stop its kerfd first");
    is_refused(&fleet, "node-1", "a host cannot forget itself");
    is_refused(&fleet, "node-9", "no host node-9 is known");
    let id = node(&fleet, 1, "node-3")["id"].clone();
    it_is_forgotten_while_another_is_away(&mut fleet);
    nobody_brings_it_back(&mut fleet);
    fleet
        .host_mut(3)
        .expect("host 3")
        .restart()
        .expect("it returns");
    all_see(&fleet, 3);
    assert_eq!(node(&fleet, 2, "node-3")["id"], id);
    fleet.stop().expect("nothing is left");
}

/// Host 2 stands still while host 3 dies and is forgotten, so it holds it for living when it goes on, and says so.
fn it_is_forgotten_while_another_is_away(fleet: &mut Fleet) {
    signal(fleet, Signal::SIGSTOP);
    fleet.host_mut(3).expect("host 3").kill9().expect("it dies");
    waits(fleet, 1, "the death of host 3", |fleet| {
        node(fleet, 1, "node-3")["presence"] == "down"
    });
    let left = document(fleet, 1, &["nodes", "forget", "node-3"]);
    assert_eq!(
        names(left["nodes"].as_array().expect("a list")),
        ["node-1", "node-2"]
    );
    waits(fleet, 1, "host 3 off its list", |fleet| !lists(fleet, 1));
    signal(fleet, Signal::SIGCONT);
    let resumed = Instant::now();
    // It has probed nobody since it stood still, unless its first probe was faster than this question.
    let presence = node(fleet, 2, "node-3")["presence"].clone();
    assert!(presence == "alive" || presence == "suspect", "{presence}");
    waits(fleet, 2, "host 3 off its list", |fleet| {
        assert!(!lists(fleet, 1), "host 1 was told of it by host 2");
        !lists(fleet, 2)
    });
    measured(&format!(
        "off the list of a host that was away after {:?}",
        resumed.elapsed()
    ));
    for number in [1, 2] {
        let events = document(fleet, number, &["events"]);
        let events = events["events"].as_array().expect("a list");
        let removed = |event: &&Value| {
            let text = event["text"].as_str().unwrap_or_default();
            event["subject"] == "node-3" && text.starts_with("removed by an operator")
        };
        assert_eq!(events.iter().filter(removed).count(), 1, "{events:#?}");
    }
}

/// A host that starts anew asks the others for all that they know; then what it says reaches them.
fn nobody_brings_it_back(fleet: &mut Fleet) {
    let host = fleet.host_mut(2).expect("host 2");
    host.kill9().expect("it dies");
    host.restart().expect("it returns");
    all_see_two(fleet);
    let taken = ["lease", "create", "1g.10gb", "--ttl", "1h"];
    let taken = fleet.says(2, &taken).expect("it has room");
    let lease = taken.split_whitespace().nth(1).expect("an id");
    waits(fleet, 1, "the lease in the record of host 2", |fleet| {
        assert!(!lists(fleet, 1) && !lists(fleet, 2));
        node(fleet, 1, "node-2")["record"]["leased"] == 1
    });
    is_refused(fleet, "node-3", "no host node-3 is known");
    fleet
        .says(2, &["lease", "release", lease])
        .expect("it is there");
}

fn all_see_two(fleet: &Fleet) {
    for (number, other) in [(1, "node-2"), (2, "node-1")] {
        waits(fleet, number, "the other host", |fleet| {
            let other = node(fleet, number, other);
            other["presence"] == "alive" && !other["record"].is_null()
        });
    }
}

fn signal(fleet: &mut Fleet, signal: Signal) {
    let host = fleet.host_mut(2).expect("host 2");
    host.signal(signal).expect("it is there");
}

fn names(nodes: &[Value]) -> Vec<&str> {
    let names = nodes.iter().map(|node| node["name"].as_str());
    names.map(|name| name.expect("a name")).collect()
}

/// Whether a host lists host 3, in whatever state.
fn lists(fleet: &Fleet, number: usize) -> bool {
    names(&nodes(fleet, number)).contains(&"node-3")
}

/// Host 1 is told to forget one, does not, and says why.
fn is_refused(fleet: &Fleet, host: &str, why: &str) {
    let before = nodes(fleet, 1).len();
    let mut kerf = fleet.host(1).expect("host 1").kerf().expect("kerf");
    let output = kerf.args(["nodes", "forget", host]).output();
    let output = output.expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(why), "{said}");
    assert_eq!(nodes(fleet, 1).len(), before);
}
