//! Devices put into containers that run, and taken out again: who may, what the kernel lets them open, and who is there
//! at the end. The containers are runc's own, without an engine and without kerf-runtime.
//!
//! As elsewhere a node of the simulated machine answers ENXIO where it may be opened, and EPERM where not.

mod hostile;
mod kills;
mod running;
mod workers;

use std::collections::BTreeSet;
use std::os::fd::IntoRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use kerf_tests::{Capability, process};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use serde_json::json;

use super::isolation::{expected, lease_of, own, probe};
use super::world::World;
use running::{Host, said, union, unique};

/// Whether this host keeps devices by a list.
fn has_list() -> bool {
    let is_there = Path::new("/sys/fs/cgroup/devices/devices.list").exists();
    if !is_there {
        kerf_tests::skip(Capability::Cgroup, "no devices cgroup of version 1");
    }
    is_there
}

#[test]
fn a_running_container_gets_slices_and_gives_them_back() {
    let Some(mut host) = Host::new("h100x8", "") else {
        return;
    };
    let c = &host.name("c");
    let other = &host.name("other");
    let pid = host.start(c, |_| {});
    assert_eq!(host.opens(c), BTreeSet::new());
    let document = host.document(&["device", "attach", c, "1g.10gb"]);
    let id = document["lease"]["id"].as_str().expect("an id");
    let first = host.lease(id);
    assert_eq!(document["schema"], "kerf.v1.DeviceAttachment");
    assert_eq!(document["lease"]["attached"], json!(true));
    assert_eq!(
        (first.init_pid, first.state.as_str()),
        (Some(pid), "active")
    );
    assert!(first.attached && first.expires_ms.is_none());
    let env = document["env"].to_string();
    assert!(env.contains("NVIDIA_VISIBLE_DEVICES=MIG-"), "{env}");
    assert!(env.contains("CUDA_VISIBLE_DEVICES=MIG-"), "{env}");
    assert_eq!(document["notes"].as_array().map(Vec::len), Some(2));
    assert_eq!(host.opens(c), expected(&host.world, &first));
    // A second one, by the number of a process.
    let second = host.attach(&format!("pid:{pid}"), "2g.20gb");
    let both = union(&host.world, &[&first, &second]);
    assert_eq!(host.opens(c), both);
    // Another container has neither.
    host.start(other, |_| {});
    assert_eq!(host.opens(other), BTreeSet::new());
    let mut update = host.runc();
    update.args(["update", "--cpu-share", "512", c]);
    process::run(&mut update).expect("it is changed");
    assert_eq!(host.opens(c), both);
    host.write_rules_away(c);
    host.world
        .until("the rules", || host.rules(c).len() >= both.len());
    assert_eq!(host.opens(c), both);
    // Also by the next kerfd.
    host.world.kerfd.kill9().expect("it goes");
    host.world.kerfd.restart().expect("it comes back");
    assert_eq!(host.opens(c), both);
    host.write_rules_away(c);
    host.world
        .until("the rules", || host.rules(c).len() >= both.len());
    let refused = host.refused(&["device", "detach", c]);
    assert!(refused.contains("several leases attached"), "{refused}");
    let refused = host.refused(&["lease", "release", id]);
    assert!(
        refused.contains("`kerf device detach` takes it"),
        "{refused}"
    );
    let ended = host.document(&["device", "detach", id]);
    assert_eq!(ended["state"], "released");
    assert_eq!(host.opens(c), expected(&host.world, &second));
    let named = second.container.clone().expect("a container");
    let ended = host.document(&["device", "detach", &named]);
    assert_eq!(ended["state"], "released");
    assert_eq!((host.opens(c), host.rules(c)), Default::default());
    assert!(!host.exec(c, "echo /dev/*").contains("nvidia"));
    host.world.assert_untouched();
    let events = host.kerf(&["events", "--after", "0"]);
    let events = String::from_utf8_lossy(&events.stdout).into_owned();
    for text in ["rules of container", "detached from container"] {
        assert!(events.contains(text), "{text} is not in\n{events}");
    }
}

#[test]
fn a_lease_ends_with_its_container_also_while_kerfd_is_away() {
    let Some(mut host) = Host::new("h100x1", "") else {
        return;
    };
    let c = &host.name("c");
    for is_away in [false, true] {
        host.start(c, |_| {});
        let lease = host.attach(c, "1g.10gb");
        if is_away {
            host.world.kerfd.kill9().expect("it goes");
        }
        host.bundles.end(c);
        if is_away {
            host.world.kerfd.restart().expect("it comes back");
        }
        host.world.until_no_leases();
        host.world.assert_untouched();
        // The same name is another container.
        host.start(c, |_| {});
        assert_eq!(host.opens(c), BTreeSet::new(), "{}", lease.id);
        host.bundles.end(c);
    }
}

/// A process of a container with a node of its lease open: no driver is bound, so the kernel opens none but by its path.
fn user_of(host: &Host, id: &str, node: &str) -> kerf_tests::ChildGuard {
    let path = host.world.kerfd.sysroot().join("dev").join(node);
    let file = open(&path, OFlag::O_PATH, Mode::empty()).expect("a node");
    let mut command = Command::new("sleep");
    command.arg("600");
    let log = host.world.scratch.join("user.log");
    // The descriptor is handed on by its number, and closed here below.
    let raw = file.into_raw_fd();
    let child = kerf_tests::ChildGuard::spawn("user", &mut command, &log).expect("it starts");
    nix::unistd::close(raw).expect("ours");
    let procs = host.list(id).join("cgroup.procs");
    std::fs::write(procs, child.pid().to_string()).expect("it moves");
    child
}

#[test]
fn nothing_is_taken_from_who_uses_it_and_given_to_nobody_else_before() {
    let Some(host) = Host::new("h100x1", "") else {
        return;
    };
    let c = &host.name("c");
    host.start(c, |_| {});
    let lease = host.attach(c, "1g.10gb");
    let before = host.opens(c);
    let node = before
        .iter()
        .find(|name| name.contains("caps"))
        .expect("one");
    let mut user = user_of(&host, c, node);
    let refused = host.refused(&["device", "detach", &lease.id]);
    let expected = format!("process {} (sleep) has /dev/{node} open", user.pid());
    assert!(refused.contains(&expected), "{refused}");
    assert_eq!(host.opens(c), before);
    assert_eq!(host.lease(&lease.id).state, "active");
    let ended = host.document(&["device", "detach", &lease.id, "--force"]);
    assert_eq!(ended["state"], "releasing");
    // Who opens it now gets nothing; who has it open keeps it, and so it is nobody else's.
    assert_eq!((host.opens(c), host.rules(c)), Default::default());
    assert_eq!(host.world.instances().len(), 1);
    let degraded = host.world.client.degraded();
    assert!(
        degraded.iter().any(|line| line.contains(&expected)),
        "{degraded:?}"
    );
    user.kill().expect("ours");
    host.world.until_no_leases();
    host.world.assert_untouched();
    assert_eq!(host.world.client.degraded(), Vec::<String>::new());
}

#[test]
fn a_container_of_an_engine_has_what_it_was_made_with_and_what_it_was_given() {
    let Some(world) = World::new("h100x8", "") else {
        return;
    };
    if !has_list() {
        return;
    }
    let web = &unique(&world, "web");
    world.start(web, "1g.10gb");
    let made = lease_of(&world, web);
    let nodes = world.nodes();
    let opens = |id: &str| own(&probe(&world, id, &nodes));
    let kerf = |words: &[&str]| {
        let mut command = world.kerfd.kerf().expect("kerf is built");
        process::output(command.args(words)).expect("it starts")
    };
    let output = kerf(&[
        "device",
        "attach",
        web,
        "1g.10gb",
        "--namespace",
        world.namespace(),
    ]);
    assert!(output.status.success(), "{}", said(&output));
    let leases = world.client.leases();
    let given = leases
        .iter()
        .find(|lease| lease.attached)
        .expect("a second");
    assert_eq!(
        (&given.container, given.init_pid),
        (&made.container, Some(world.pid(web)))
    );
    assert_eq!(opens(web), union(&world, &[&made, given]));
    // What it was made with is not for a detach.
    let output = kerf(&["device", "detach", &made.id]);
    assert!(
        said(&output).contains("was not attached to a container that ran"),
        "{}",
        said(&output)
    );
    let output = kerf(&["device", "detach", web]);
    assert!(output.status.success(), "{}", said(&output));
    // `/dev/nvidiactl` and its like are of both.
    assert_eq!(opens(web), expected(&world, &made));
    let output = kerf(&["device", "attach", web, "2g.20gb"]);
    assert!(output.status.success(), "{}", said(&output));
    world.end(web);
    world.until_no_leases();
    world.assert_untouched();
    let output = kerf(&[
        "device",
        "attach",
        web,
        "2g.20gb",
        "--namespace",
        world.namespace(),
    ]);
    assert!(
        said(&output).contains("runs on this host"),
        "{}",
        said(&output)
    );
}

#[test]
fn it_is_for_admins_alone_and_a_promise_stays_one_where_it_fails() {
    let config = "[access]\nsubmit = [\"54321\"]\n[launch.asks]\n\"\" = [\"*\"]\n";
    let Some(host) = Host::new("h100x1", config) else {
        return;
    };
    let c = &host.name("c");
    host.start(c, |_| {});
    let socket = host.world.kerfd.socket();
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).expect("ours");
    let mut readable = Command::new("chmod");
    readable.args(["-R", "o+rX"]).arg(host.world.scratch.path());
    process::run(&mut readable).expect("ours");
    let mut command = host.world.kerfd.kerf().expect("kerf is built");
    command.args(["device", "attach", c, "1g.10gb"]);
    let output = process::output(command.uid(54_321).gid(54_321)).expect("it starts");
    assert!(
        said(&output).contains("uid 54321 is not named in access.admin"),
        "{}",
        said(&output)
    );
    assert_eq!(host.world.client.leases(), []);
    let promise = host.world.client.lease("1g.10gb", "", "").expect("room");
    host.exec(c, ": >/dev/nvidia0");
    let refused = host.refused(&["device", "attach", c, "--lease", &promise.id]);
    assert!(
        refused.contains("/dev/nvidia0 of the container is a plain file already"),
        "{refused}"
    );
    assert_eq!(host.world.lease().state, "reserved");
    assert_eq!(host.rules(c), BTreeSet::new());
    host.exec(c, "rm /dev/nvidia0");
    let short = &promise.id[..promise.id.len() - 1];
    host.document(&["device", "attach", c, "--lease", short]);
    assert_eq!(host.opens(c), expected(&host.world, &promise));
    let refused = host.refused(&["device", "attach", c, "--lease", &promise.id]);
    assert!(refused.contains("has it"), "{refused}");
    let bound = host
        .world
        .client
        .lease("1g.10gb", "default", "else")
        .expect("room");
    let refused = host.refused(&["device", "attach", c, "--lease", &bound.id]);
    assert!(
        refused.contains("it was made for container default/else"),
        "{refused}"
    );
}
