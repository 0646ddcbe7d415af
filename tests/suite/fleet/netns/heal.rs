//! A fleet of seven is cut into two, each of which goes on, and is one again.

use std::collections::BTreeMap;

use kerf_tests::poll;
use serde_json::Value;

use super::super::spec::Spec;
use super::super::world::{LIMIT, hosts_of, is_empty, leases, measured, node, out, until};
use super::net::{Family, Net, name, number, of};

/// The smaller part; the others are the larger one.
const PART: [usize; 3] = [1, 2, 3];

/// Leases by host: ids, in order.
type Leases = BTreeMap<usize, Vec<String>>;

#[test]
fn two_parts_of_a_fleet_go_on_and_become_one_without_a_lease_that_is_lost_or_doubled() {
    let Some(net) = of(7, Family::V4, 5) else {
        return;
    };
    for number in net.numbers() {
        lease(&net, number);
    }
    let before = all_leases(&net);
    net.around(&PART, "cut");
    for (one, other) in [(1, 7), (7, 1)] {
        let down = || node(&net, one, &name(other))["presence"] == "down";
        let seen = poll::until_true("a part that is gone", LIMIT, down);
        seen.unwrap_or_else(|error| panic!("host {one}: {error:#}"));
    }
    let mut during = before.clone();
    for number in [2, 6] {
        let id = lease(&net, number);
        during.entry(number).or_default().push(id);
    }
    for leases in during.values_mut() {
        leases.sort_unstable();
    }
    in_each_part(&net);
    has_leases(&net, &during, "while the network is cut");
    let healed = std::time::Instant::now();
    net.heal();
    net.converges();
    measured(&format!("one view {:?} after the cut", healed.elapsed()));
    has_leases(&net, &during, "after it");
    for (number, ids) in &during {
        for id in ids {
            net.says(*number, &["lease", "release", id])
                .expect("it is there");
        }
        is_empty(&net, *number);
    }
    // Whoever sees all may use all.
    let spec = Spec::new("true").asks("1g.10gb").on(&[2]);
    let ended = until(&net, 7, &spec.submit(&net, 7), "succeeded");
    assert_eq!(hosts_of(&ended), [name(2)], "{ended}");
    net.converges();
    net.stop();
}

/// A gang of either part starts there, and one that needs both does not.
fn in_each_part(net: &Net) {
    for (host, here) in [(1, true), (4, false)] {
        let script = "echo begin $(hostname) >> /out/parts";
        let spec = Spec::new(script).asks("1g.10gb").with("members", 3);
        let ended = until(net, host, &spec.submit(net, host), "succeeded");
        let hosts = hosts_of(&ended);
        let inside = |host: &String| PART.contains(&number(host)) == here;
        assert!(hosts.iter().all(inside), "{hosts:?}");
    }
    let said = std::fs::read_to_string(out(net, "parts")).expect("they ran");
    assert_eq!(said.lines().count(), 6, "{said}");
    let spec = Spec::new("true").on(&[2, 6]);
    let cannot = spec.asks("4g.40gb").with("members", 2);
    let id = cannot.submit(net, 2);
    let waits = super::super::world::until_so(net, 2, &id, "waiting", |job| {
        job["state"] == "pending" && job["reason"].as_str().is_some_and(|why| !why.is_empty())
    });
    assert_eq!(hosts_of(&waits), [""; 0], "{waits}");
    net.says(2, &["cancel", &id]).expect("it waits");
}

fn lease(net: &Net, number: usize) -> String {
    let words = ["lease", "create", "1g.10gb", "--ttl", "1h"];
    let said = net.says(number, &words).expect("it has room");
    said.split_whitespace().nth(1).expect("an id").to_owned()
}

/// These leases and no others, once what jobs had is given back.
fn has_leases(net: &Net, wanted: &Leases, when: &str) {
    let same = poll::until_true("the same leases", LIMIT, || all_leases(net) == *wanted);
    same.unwrap_or_else(|error| panic!("{when}: {error:#}: {:#?}", all_leases(net)));
}

fn all_leases(net: &Net) -> Leases {
    let ids = |number| {
        let id = |lease: &Value| lease["id"].as_str().expect("an id").to_owned();
        let mut ids: Vec<String> = leases(net, number).iter().map(id).collect();
        ids.sort_unstable();
        ids
    };
    net.numbers().map(|number| (number, ids(number))).collect()
}
