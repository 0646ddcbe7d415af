//! Asks that wait for room: who gets what comes free, and what is left of those who went meanwhile.

use std::time::Duration;

use kerf_tests::ChildGuard;
use serde_json::json;

use super::bundle::Bundles;
use super::world::{LIMIT, World};

/// Launches wait longer than anything here takes.
const WAIT: &str = "[launch]\nwait_for_slice_ms = 600000\n";

/// `kerf lease create`, which goes on by itself.
fn create(world: &World, name: &str, ask: &str, wait: &str) -> ChildGuard {
    let mut command = world.kerfd.kerf().expect("kerf is built");
    command.args(["lease", "create", ask, "--wait", wait, "--ttl", "1h"]);
    let log = world.scratch.join(name);
    ChildGuard::spawn(name, &mut command, &log).expect("it starts")
}

/// Waits until so many have begun to wait.
fn until_waiting(world: &World, count: usize) {
    let log = world.kerfd.folder().join("kerfd.log");
    world.until("one who waits", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.matches("waits for room").count() == count
    });
}

fn held_asks(world: &World) -> Vec<String> {
    let leases = world.client.leases();
    leases.into_iter().map(|lease| lease.holder).collect()
}

#[test]
fn the_first_who_waits_is_served_first_and_holds_up_nobody_else() {
    let Some(world) = World::bare("h100x1", "") else {
        return;
    };
    let held = world.client.lease("4g.40gb", "default", "a").expect("room");
    let mut first = create(&world, "first", "4g.40gb", "10m");
    until_waiting(&world, 1);
    let mut second = create(&world, "second", "4g.40gb", "10m");
    until_waiting(&world, 2);
    // What fits beside is given at once.
    let small = world.client.lease("3g.40gb", "default", "b").expect("room");
    world.client.release(&held.id).expect("it ends");
    assert!(first.wait(LIMIT).expect("served").success());
    assert!(
        second.exited().expect("a state").is_none(),
        "{}",
        second.log_tail(5)
    );
    let leases = world.client.leases();
    assert_eq!(leases.len(), 2, "{leases:?}");
    let own = leases
        .iter()
        .find(|lease| lease.id != small.id)
        .expect("its lease");
    world.client.release(&own.id).expect("it ends");
    assert!(second.wait(LIMIT).expect("served").success());
    assert_eq!(world.client.leases().len(), 2);
}

#[test]
fn a_launch_waits_and_one_that_went_leaves_nothing() {
    let Some(world) = World::bare("h100x1", WAIT) else {
        return;
    };
    if !kerf_tests::require(kerf_tests::Capability::Cgroup) {
        return;
    }
    let held = world.client.lease("7g.80gb", "default", "a").expect("room");
    let bundles = Bundles::new(&world);
    let bundle = |id: &str| {
        let mut spec = bundles.spec(id, "exec sleep 600");
        spec["annotations"] = json!({ "kerf.dev/accelerator": "7g.80gb" });
        bundles.write(id, spec.to_string().as_bytes())
    };
    let (gone, stays) = (bundle("gone"), bundle("stays"));
    let start = |id: &str, bundle: &std::path::Path| {
        let mut command = bundles.command(&world.kerfd.runtime());
        command.args(["create", "--bundle"]).arg(bundle);
        command.arg("--pid-file").arg(bundle.join("pid")).arg(id);
        ChildGuard::spawn(id, &mut command, &bundle.join("output")).expect("it starts")
    };
    let mut first = start("gone", &gone);
    until_waiting(&world, 1);
    let mut lease = create(&world, "create", "7g.80gb", "10m");
    until_waiting(&world, 2);
    let mut second = start("stays", &stays);
    until_waiting(&world, 3);
    first.kill().expect("ours");
    lease.kill().expect("ours");
    world.until("word that they went", || {
        let log = std::fs::read_to_string(world.kerfd.folder().join("kerfd.log"));
        log.unwrap_or_default()
            .contains("the peer has gone before its answer")
    });
    world.client.release(&held.id).expect("it ends");
    assert!(
        second.wait(LIMIT).expect("served").success(),
        "{}",
        second.log_tail(9)
    );
    assert_eq!(held_asks(&world), ["container default/stays"]);
    assert_eq!(bundles.known(), ["stays"]);
    bundles.end("stays");
    world.until_no_leases();
    assert_eq!(world.instances(), Vec::<String>::new());
}

#[test]
fn who_waits_too_long_or_for_what_cannot_come_is_told_why() {
    let Some(world) = World::bare("h100x1", "") else {
        return;
    };
    let _held = world.client.lease("7g.80gb", "default", "a").expect("room");
    let mut late = create(&world, "late", "1g.10gb", "1s");
    assert!(!late.wait(LIMIT).expect("refused").success());
    let text = late.log_tail(9);
    assert!(
        text.contains("no room for 1g.10gb") && text.contains("; it waited 1"),
        "{text}"
    );
    let begun = std::time::Instant::now();
    let mut never = create(&world, "never", "gpu:2", "10m");
    assert!(!never.wait(LIMIT).expect("refused").success());
    let text = never.log_tail(9);
    assert!(text.contains("also when nobody uses anything"), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(500));
    assert_eq!(world.client.leases().len(), 1);
}
