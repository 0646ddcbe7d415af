//! Asks that must not be served: the container does not start, one message says why, nothing is left.

use kerf_tests::{executable, poll};
use nix::mount::{MsFlags, mount, umount};
use serde_json::json;

use super::bundle::Bundles;
use super::world::World;

const ACCELERATOR: &str = "kerf.dev/accelerator";
const LEASE: &str = "kerf.dev/lease";

/// The message of a refused start: one line, with what `ctr` and the shim put before it.
fn message(world: &World, id: &str, asks: &[(&str, &str)]) -> String {
    let text = world.refuse(id, asks);
    let lines: Vec<&str> = text.lines().collect();
    let [line] = lines.as_slice() else {
        panic!("one line, not\n{text}");
    };
    (*line).to_owned()
}

#[test]
fn an_ask_that_cannot_be_served_says_why() {
    let Some(world) = World::new("h100x8", "") else {
        return;
    };
    for (number, (ask, expected)) in [
        (
            "9g.90gb",
            "no GPU of this host has what \"9g.90gb\" asks for",
        ),
        ("nonsense!", "nonsense!"),
        ("gpu:9", "no room for gpu:9"),
        ("7g.80gb:9", "no room for 7g.80gb:9"),
        ("memory>=200GiB", "memory>=200GiB"),
        ("", "accelerator"),
    ]
    .into_iter()
    .enumerate()
    {
        let text = message(&world, &format!("c{number}"), &[(ACCELERATOR, ask)]);
        assert!(text.contains(expected), "{ask:?}: {text}");
    }
    world.assert_untouched();
    world.assert_no_containers();
}

#[test]
fn no_room_is_told_for_each_gpu() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    world.start("big", "7g.80gb");
    let before = world.instances();
    let text = message(&world, "late", &[(ACCELERATOR, "1g.10gb")]);
    assert!(text.contains("no room for 1g.10gb: GPU 0: "), "{text}");
    let whole = message(&world, "whole", &[(ACCELERATOR, "gpu:1")]);
    assert!(whole.contains("no room for gpu"), "{whole}");
    assert_eq!(world.instances(), before);
    assert_eq!(world.client.leases().len(), 1);
}

#[test]
fn nothing_is_cut_where_that_is_off() {
    let Some(world) = World::new("h100x1", "[partition]\non_demand = false\n") else {
        return;
    };
    let text = message(&world, "c0", &[(ACCELERATOR, "1g.10gb")]);
    assert!(
        text.contains("no room for 1g.10gb") && text.contains("partition.on_demand"),
        "{text}"
    );
    world.assert_untouched();
}

#[test]
fn a_cdi_folder_that_cannot_be_written_means_no_grant() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let cdi = world.kerfd.cdi();
    let none = None::<&str>;
    mount(Some("tmpfs"), &cdi, Some("tmpfs"), MsFlags::MS_RDONLY, none).expect("a tmpfs");
    let text = message(&world, "c0", &[(ACCELERATOR, "1g.10gb")]);
    assert!(text.contains("the CDI files cannot be written"), "{text}");
    world.assert_untouched();
    umount(&cdi).expect("it goes");
    world.start("c1", "1g.10gb");
    world.until("a host that is well", || world.client.degraded().is_empty());
    world.end("c1");
    world.until_no_leases();
    world.assert_untouched();
}

#[test]
fn two_asks_at_once_are_none() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let lease = world
        .client
        .lease("1g.10gb", world.namespace(), "two")
        .expect("a lease");
    let asks = [(ACCELERATOR, "1g.10gb"), (LEASE, lease.id.as_str())];
    let text = message(&world, "two", &asks);
    assert!(text.contains(ACCELERATOR) && text.contains(LEASE), "{text}");
    // An ask beside a lease that was made for this very container is two asks as well; what was
    // promised before stays promised.
    assert_eq!(world.lease(), lease);
    world.client.release(&lease.id).expect("it ends");
    world.assert_untouched();
    world.assert_no_containers();
}

#[test]
fn a_lease_serves_its_own_container_once() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let lease = world
        .client
        .lease("1g.10gb", world.namespace(), "mine")
        .expect("a lease");
    let id = lease.id.as_str();
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    let text = message(&world, "stale", &[(LEASE, unknown)]);
    assert!(
        text.contains(&format!("there is no lease {unknown}")),
        "{text}"
    );
    let text = message(&world, "words", &[(LEASE, "not-an-id")]);
    assert!(text.contains("not-an-id"), "{text}");
    let text = message(&world, "other", &[(LEASE, id)]);
    assert!(
        text.contains(&format!("lease {id} is not for container")),
        "{text}"
    );
    assert!(text.contains("it was made for container"), "{text}");
    assert_eq!(world.lease(), lease, "it is still promised");
    world
        .ctr_run(true, "mine", &[(LEASE, id)], "exec sleep 600")
        .ok();
    assert_eq!(world.lease().state, "active");
    let text = message(&world, "again", &[(LEASE, id)]);
    assert!(text.contains(id), "{text}");
    world.end("mine");
    world.until_no_leases();
    let text = message(&world, "mine", &[(LEASE, id)]);
    assert!(text.contains(&format!("there is no lease {id}")), "{text}");
    world.assert_untouched();
    world.assert_no_containers();
}

#[test]
fn a_namespace_asks_only_for_what_it_may() {
    let Some(world) = World::new("h100x1", "[launch.asks]\ndefault = [\"*\"]\n") else {
        return;
    };
    let text = message(&world, "c0", &[(ACCELERATOR, "1g.10gb")]);
    let expected = format!(
        "containers of namespace \\\"{}\\\" may not ask for \\\"1g.10gb\\\"",
        world.namespace()
    );
    assert!(
        text.replace("\\\\\"", "\\\"").contains(&expected)
            || text.contains(&expected.replace('\\', "")),
        "{text}"
    );
    // A lease that an administrator made for the container is another matter.
    let lease = world
        .client
        .lease("1g.10gb", world.namespace(), "c1")
        .expect("a lease");
    world
        .ctr_run(false, "c1", &[(LEASE, &lease.id)], "true")
        .ok();
    world.until_no_leases();
    world.assert_untouched();
}

#[test]
fn a_pattern_allows_some_asks_and_refuses_others() {
    let Some(mut world) = World::new("h100x1", "") else {
        return;
    };
    let namespace = world.namespace().to_owned();
    // The namespace is known only now; SIGHUP brings the new rule into force.
    let file = world.kerfd.folder().join("kerf.toml");
    let rule = format!("[launch.asks]\n{namespace:?} = [\"1g.*\"]\n");
    std::fs::write(file, rule).expect("a file");
    world
        .kerfd
        .signal(nix::sys::signal::Signal::SIGHUP)
        .expect("it is told");
    let refused = |world: &World| world.ctr_run(false, "x", &[(ACCELERATOR, "2g.20gb")], "true");
    world.until("the new rule", || {
        let ended = refused(&world);
        drop(kerf_tests::process::output(world.engine().ctr().args([
            "containers",
            "delete",
            "x",
        ])));
        ended.text.contains("may not ask for")
    });
    world
        .ctr_run(false, "y", &[(ACCELERATOR, "1g.10gb")], "true")
        .ok();
    world.until_no_leases();
    world.assert_untouched();
}

#[test]
fn without_kerfd_nothing_with_an_ask_starts() {
    let Some(mut world) = World::new("h100x1", "") else {
        return;
    };
    let lease = world
        .client
        .lease("1g.10gb", world.namespace(), "c1")
        .expect("a lease");
    world.client.release(&lease.id).expect("it ends");
    world.kerfd.kill9().expect("kerfd goes");
    for (id, key, value) in [
        ("c0", ACCELERATOR, "1g.10gb"),
        ("c1", LEASE, lease.id.as_str()),
    ] {
        let text = message(&world, id, &[(key, value)]);
        // Had it been waited for, it would have given no answer in time.
        assert!(text.contains("kerfd does not answer at"), "{text}");
    }
    world.kerfd.restart().expect("kerfd comes back");
    world.assert_untouched();
    world.assert_no_containers();
}

#[test]
fn a_kerfd_that_stands_still_is_not_waited_for_for_ever() {
    let Some(mut world) = World::new("h100x1", "") else {
        return;
    };
    // A wrapper of its own, with less patience than the usual ten seconds.
    let folder = world.scratch.folder("hasty").expect("a folder");
    let wrapper = folder.join("kerf-runtime");
    executable::copy(&world.kerfd.runtime(), &wrapper).expect("a copy");
    let socket = world.kerfd.folder().join("run/runtime.sock");
    let settings = format!("socket = {socket:?}\ntimeout_ms = 500\n");
    std::fs::write(folder.join("kerf-runtime.toml"), settings).expect("a file");
    world
        .kerfd
        .signal(nix::sys::signal::Signal::SIGSTOP)
        .expect("it stands still");
    let bundles = Bundles::new(&world);
    let mut spec = bundles.spec("c0", "echo it ran");
    spec["annotations"] = json!({ ACCELERATOR: "1g.10gb" });
    let bundle = bundles.write("c0", spec.to_string().as_bytes());
    let ended = bundles.run(&wrapper, "c0", &bundle, &["create"]);
    world
        .kerfd
        .signal(nix::sys::signal::Signal::SIGCONT)
        .expect("it goes on");
    assert!(
        ended.error().contains("kerfd gave no answer within 500 ms"),
        "{}",
        ended.text
    );
    assert_eq!(bundles.known(), Vec::<String>::new());
    // kerfd finds the request when it goes on, and that nobody is there any more.
    let log = world.kerfd.folder().join("kerfd.log");
    world.until("what kerfd makes of it", || {
        let text = std::fs::read_to_string(&log).expect("a log");
        let ends = ["connection refused", "launch refused", "launch granted"];
        ends.iter().any(|end| text.contains(end))
    });
    world.until_no_leases();
    world.until("the end of what was cut", || world.instances().is_empty());
    world.assert_untouched();
}

#[test]
fn a_hostile_config_is_refused_before_anything_is_granted() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let bundles = Bundles::new(&world);
    let runtime = world.kerfd.runtime();
    let mut spec = bundles.spec("x", "echo it ran");
    spec["annotations"] = json!({ ACCELERATOR: "1g.10gb" });
    let good = spec.to_string();
    let twice = good.replacen(
        "\"annotations\":",
        "\"annotations\":{\"kerf.dev/accelerator\":\"7g.80gb\"},\"annotations\":",
        1,
    );
    let inside = good.replacen(
        "\"kerf.dev/accelerator\":",
        "\"kerf.dev/accelerator\":\"7g.80gb\",\"kerf.dev/accelerator\":",
        1,
    );
    let half = good.split_at(good.len() / 2).0;
    let large = format!("{}{}", " ".repeat(17 << 20), good);
    let deep = "[".repeat(100_000);
    for (id, config, expected) in [
        ("half", half, "config.json"),
        ("empty", "", "config.json"),
        ("twice", twice.as_str(), "annotations"),
        ("inside", inside.as_str(), "kerf.dev/accelerator"),
        ("large", large.as_str(), "the limit is"),
        ("deep", deep.as_str(), "config.json"),
        ("binary", "\u{0}\u{1}\u{2}", "config.json"),
    ] {
        let bundle = bundles.write(id, config.as_bytes());
        let ended = bundles.run(&runtime, id, &bundle, &["create"]);
        let error = ended.error();
        assert!(
            error.contains(expected) && !error.contains("it ran"),
            "{id}: {error}"
        );
        assert!(
            error.lines().count() <= 4 && error.len() < 2_000,
            "{id}: {error}"
        );
        let after = std::fs::read(bundle.join("config.json")).expect("it is there");
        assert!(after == config.as_bytes(), "{id} was changed");
    }
    assert_eq!(bundles.known(), Vec::<String>::new());
    world.assert_untouched();
}

#[test]
fn ten_megabytes_of_config_get_their_slice_and_no_more() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let bundles = Bundles::new(&world);
    let mut spec = bundles.spec("big", "exec sleep 600");
    let filler = "x".repeat(10 << 20);
    spec["annotations"] = json!({ ACCELERATOR: "1g.10gb", "filler": filler });
    let bundle = bundles.write("big", spec.to_string().as_bytes());
    let ended = bundles.run(&world.kerfd.runtime(), "big", &bundle, &["create"]);
    ended.ok();
    let text = std::fs::read_to_string(bundle.join("config.json")).expect("it is there");
    let edited: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(edited["annotations"]["filler"], filler.as_str());
    assert_eq!(edited["linux"]["devices"].as_array().map(Vec::len), Some(6));
    bundles.end("big");
    world.until_no_leases();
    world.assert_untouched();
}

#[test]
fn a_create_that_fails_after_the_grant_gives_it_back() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let bundles = Bundles::new(&world);
    let mut spec = bundles.spec("bad", "true");
    spec["annotations"] = json!({ ACCELERATOR: "1g.10gb" });
    spec["process"]["args"] = json!(["/no/such/program"]);
    let bundle = bundles.write("bad", spec.to_string().as_bytes());
    let ended = bundles.run(&world.kerfd.runtime(), "bad", &bundle, &["create"]);
    assert!(ended.error().contains("/no/such/program"), "{}", ended.text);
    world.until_no_leases();
    poll::until_true("the end of the slice", super::world::LIMIT, || {
        world.instances().is_empty()
    })
    .expect("it goes");
    world.assert_untouched();
}
