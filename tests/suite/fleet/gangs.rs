//! Members over several hosts, and ends that come about on another host than the one that took the job in.

use kerf_tests::world::Fleet;
use serde_json::json;

use super::spec::{Spec, gate};
use super::world::{hosts_of, is_empty, leases, of, open, out, until, until_so, verdict};

#[test]
fn members_start_all_or_none_and_end_together() {
    let Some(fleet) = of(&["h100x1"; 3]) else {
        return;
    };
    two_of_three_hosts(&fleet);
    a_member_that_fails_ends_all(&fleet);
    restarts_are_counted(&fleet);
    a_time_limit_holds(&fleet);
    for number in 1..=3 {
        is_empty(&fleet, number);
    }
    fleet.stop().expect("nothing is left");
}

fn all_leases(fleet: &Fleet) -> usize {
    (1..=3).map(|number| leases(fleet, number).len()).sum()
}

/// One GPU fits once per host, so the second job of two members has to wait for the first.
fn two_of_three_hosts(fleet: &Fleet) {
    let pair = |name: &str| {
        let script = format!("hostname; {}", gate(name));
        let spec = Spec::new(&script).asks("gpu:1").with("members", 2);
        spec.submit(fleet, 3)
    };
    let first = pair("first");
    let mut hosts = hosts_of(&until(fleet, 3, &first, "running"));
    for (member, name) in [("0", ""), ("1", "-m1")] {
        let expected = format!("kerf-{first}-0{name}\n");
        let says = |_: &serde_json::Value| {
            let said = fleet.says(3, &["logs", "--member", member, &first]);
            said.is_ok_and(|said| said == expected)
        };
        until_so(fleet, 3, &first, "heard", says);
    }
    let second = pair("second");
    until_so(fleet, 3, &second, "waiting for a second host", |job| {
        let reason = job["reason"].as_str().unwrap_or_default();
        job["state"] == "pending" && reason.contains("member 2 of 2")
    });
    hosts.sort();
    hosts.dedup();
    assert_eq!(hosts.len(), 2, "{hosts:?}");
    for host in &hosts {
        let refused = verdict(fleet, 3, &second, host);
        assert_eq!(refused["refusal"]["constraint"], "no_room", "{refused}");
    }
    assert_eq!(all_leases(fleet), 2, "half of the second job holds nothing");
    open(fleet, "first");
    until(fleet, 3, &first, "succeeded");
    until(fleet, 3, &second, "running");
    open(fleet, "second");
    until(fleet, 3, &second, "succeeded");
}

fn a_member_that_fails_ends_all(fleet: &Fleet) {
    let script = "case $(hostname) in *-m1) exit 4;; esac; sleep 600";
    let spec = Spec::new(script).asks("gpu:1").with("members", 2);
    let ended = until(fleet, 3, &spec.submit(fleet, 3), "failed");
    assert_eq!(ended["exit_code"], 4, "{ended}");
    for number in 1..=3 {
        is_empty(fleet, number);
    }
}

fn restarts_are_counted(fleet: &Fleet) {
    let spec = Spec::new("echo run; echo run >> /out/runs; exit 9").on(&[1]);
    let spec = spec.with("restart", json!({ "on_failure": { "max": 2 } }));
    let id = spec.submit(fleet, 3);
    let ended = until(fleet, 3, &id, "failed");
    assert_eq!(ended["restarts"], 2, "{ended}");
    assert_eq!(ended["exit_code"], 9, "{ended}");
    assert_eq!(hosts_of(&ended), ["node-1"], "{ended}");
    let runs = std::fs::read_to_string(out(fleet, "runs")).expect("it ran");
    assert_eq!(runs, "run\n".repeat(3));
    assert_eq!(fleet.says(3, &["logs", &id]).expect("logs"), runs);
}

fn a_time_limit_holds(fleet: &Fleet) {
    let spec = Spec::new("sleep 600")
        .on(&[1])
        .with("time_limit_seconds", 1);
    let ended = until(fleet, 3, &spec.submit(fleet, 3), "failed");
    let reason = ended["reason"].as_str().expect("a reason");
    assert_eq!(reason, "node-1 ended it: its time limit has passed");
}
