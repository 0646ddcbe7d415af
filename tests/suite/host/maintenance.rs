//! Maintenance: kerf is out of a driver's way, proves it, and brings back what was there.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use nvidia_ml::control::{FaultRequest, fault};
use serde_json::Value;

use super::client::layout;
use super::faults::until_degraded;
use super::said::Said;
use super::world::{SAMPLED, World, names};

fn maintenance(world: &World, words: &[&str]) -> Command {
    let mut command = world.kerfd.kerf().expect("kerf is built");
    command.arg("maintenance").args(words).args(["-o", "json"]);
    command
}

/// What it tells; it ends with 3 exactly where somebody else is in the way, or may be.
#[track_caller]
fn told(said: &Said) -> Value {
    let document = said.json(&[0, 3]);
    let is_any = |of: &str| document[of].as_array().is_some_and(|all| !all.is_empty());
    let is_in_the_way = document["active"] == true && (is_any("others") || is_any("unread"));
    let code = if is_in_the_way { 3 } else { 0 };
    assert_eq!(said.code, Some(code), "{document}");
    document
}

/// Processes that have a node of the machine open, looked up without kerf.
fn clients(world: &World) -> BTreeSet<u32> {
    let dev = world.kerfd.sysroot().join("dev");
    let dev = dev.canonicalize().expect("the nodes");
    let pids = names(Path::new("/proc"));
    let holds = |pid: &u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd"));
        let open = open.into_iter().flatten().flatten();
        let mut paths = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        paths.any(|path| path.starts_with(&dev))
    };
    let pids = pids.iter().filter_map(|name| name.parse().ok());
    pids.filter(holds).collect()
}

fn standing(world: &World) -> String {
    let folder = world.kerfd.cdi();
    let files = names(&folder);
    let files = files.iter().filter(|name| !name.contains("-lease-"));
    files
        .map(|name| fs::read_to_string(folder.join(name)).unwrap_or_default())
        .collect()
}

fn places(world: &World) -> Vec<String> {
    let slices = world.client.slices();
    let mut places: Vec<String> = slices
        .iter()
        .map(|slice| format!("{} {}", slice.id, slice.profile))
        .collect();
    places.sort();
    places
}

fn pids(of: &Value) -> Vec<u64> {
    let holders = of.as_array().expect("a list").iter();
    holders
        .filter_map(|holder| holder["pid"].as_u64())
        .collect()
}

/// The names of the places of slices as `places` lists them, all or none of them in the standing names.
fn are_named(world: &World, places: &[String]) -> bool {
    let names = standing(world);
    let named = |place: &&String| names.contains(place.split(' ').next().expect("an id"));
    match places.iter().filter(named).count() {
        0 => false,
        count if count == places.len() => true,
        count => panic!("{count} of {places:?} have names"),
    }
}

/// Enters while a container runs, which is waited for and ends when the host is drained.
fn enter_beside_a_container(world: &mut World) -> Value {
    world.start("job", "1g.10gb");
    let refused = Said::by(maintenance(world, &["enter", "--wait", "0s"]));
    assert!(
        refused.code == Some(1) && refused.err.contains("/job"),
        "{refused:?}"
    );
    let entering = maintenance(world, &["enter", "--wait", "60s"]);
    let entering = std::thread::spawn(move || Said::by(entering));
    world.until("the host to be drained", || {
        match world.client.lease("1g.10gb", "", "") {
            // It came first, and must not be what is waited for.
            Ok(lease) => {
                world.client.release(&lease.id).expect("it ends");
                false
            }
            Err(status) => status.message().contains("for maintenance"),
        }
    });
    world.end("job");
    let entered = entering.join().expect("no panic");
    assert!(entered.err.contains("waits up to"), "{entered:?}");
    told(&entered)
}

/// `show` and the leases tell that the driver is closed for the whole host.
fn is_closed(world: &World) {
    until_degraded(world, &["maintenance", "the whole host"]);
    let refused = world.client.lease("1g.10gb", "", "").expect_err("closed");
    assert!(refused.message().contains("in maintenance"), "{refused:?}");
    let shown = told(&Said::by(maintenance(world, &["show"])));
    assert_eq!(
        (&shown["active"], &shown["closed"]),
        (&true.into(), &true.into())
    );
    assert_eq!(clients(world), BTreeSet::new());
}

#[test]
fn a_host_waits_for_its_containers_is_proven_closed_and_has_its_layout_again() {
    let Some(mut world) = World::new("h100x8", SAMPLED) else {
        return;
    };
    let wanted = layout(&[(&["0", "1"], &[("3g.40gb", 1), ("1g.10gb", 2)])]);
    world.client.apply(wanted).expect("it is applied");
    let before = places(&world);
    assert!(before.len() == 6 && !clients(&world).is_empty() && are_named(&world, &before));
    let document = enter_beside_a_container(&mut world);
    assert_eq!(document["schema"], "kerf.v1.Maintenance");
    let scope = (&document["whole_host"], &document["closed"]);
    assert_eq!(scope, (&true.into(), &true.into()));
    assert_eq!(pids(&document["others"]), [0_u64; 0], "{document}");
    assert_eq!(world.kerfd.workers(), Vec::<u32>::new());
    assert!(!are_named(&world, &before));
    is_closed(&world);
    world.until("the metrics to say so", || {
        let metrics = world.kerfd.metrics().expect("an answer");
        let healths = metrics
            .lines()
            .filter(|line| line.starts_with("kerf_gpu_health{"));
        healths.filter(|line| line.ends_with(" 5")).count() == 8
    });
    // Somebody works on the driver: every GPU is reset, and kerfd is updated meanwhile.
    for gpu in 0..8 {
        nvidia_ml::control::reset(&world.kerfd.machine(), gpu).expect("nobody is in the way");
    }
    assert_eq!(world.instances(), Vec::<String>::new());
    world.kerfd.terminate().expect("it ends well");
    world.kerfd.restart().expect("kerfd comes up");
    is_closed(&world);
    let left = told(&Said::by(maintenance(&world, &["leave"])));
    let rest = (&left["active"], &left["unwell"]);
    assert_eq!(rest, (&false.into(), &Value::Array(vec![])));
    assert_eq!(places(&world), before);
    assert!(are_named(&world, &before));
    assert_eq!(world.client.degraded(), Vec::<String>::new());
    world.start("again", "1g.10gb");
}

#[test]
fn one_gpu_is_worked_on_while_the_others_go_on_and_strangers_are_named() {
    let Some(world) = World::new("h100x8", SAMPLED) else {
        return;
    };
    let wanted = layout(&[(&["0", "1"], &[("3g.40gb", 2)])]);
    world.client.apply(wanted).expect("it is applied");
    world.start("job", "3g.40gb");
    world.until("its process", || world.lease().init_pid.is_some());
    let lease = world.lease();
    let used = world.client.slices();
    let used = used
        .iter()
        .find(|slice| slice.state == "leased")
        .expect("a slice");
    let idle = if used.gpu_index == 0 { 1 } else { 0 };
    let before = world.instances();
    // A stranger who has the GPU open, as a monitor would.
    let minor = world.client.inventory().gpus[idle].minor;
    let node = world.kerfd.sysroot().join(format!("dev/nvidia{minor}"));
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(nix::libc::O_PATH);
    let stranger = options.open(&node).expect("a handle");
    let idle = idle.to_string();
    let enter = || Said::by(maintenance(&world, &["enter", "--gpu", &idle]));
    let entered = enter();
    assert_eq!(entered.code, Some(3), "{entered:?}");
    let document = told(&entered);
    assert_eq!(
        (&document["whole_host"], &document["closed"]),
        (&false.into(), &true.into())
    );
    assert_eq!(pids(&document["others"]), [u64::from(std::process::id())]);
    drop(stranger);
    let again = told(&enter());
    assert_eq!(pids(&again["others"]), [0_u64; 0]);
    assert_eq!(again["since_at"], document["since_at"]);
    assert_eq!(clients(&world), BTreeSet::new());
    let number = idle.parse().expect("an index");
    nvidia_ml::control::reset(&world.kerfd.machine(), number).expect("nobody is in the way");
    let refused = world.client.lease("3g.40gb", "", "").expect_err("closed");
    assert!(refused.message().contains("in maintenance"), "{refused:?}");
    assert_eq!(world.lease(), lease);
    let left = told(&Said::by(maintenance(&world, &["leave", "--gpu", &idle])));
    assert_eq!(left["active"], false);
    assert_eq!(world.lease(), lease);
    let place = |line: &String| line.split(" ci ").next().unwrap_or_default().to_owned();
    let kept = |lines: Vec<String>| lines.iter().map(place).collect::<Vec<String>>();
    assert_eq!(kept(world.instances()), kept(before));
    world.end("job");
    world.until_no_leases();
}

/// Also where no layout is kept for it, and over a kerfd that is killed meanwhile.
#[test]
fn what_a_gpu_had_is_owed_to_it_until_it_is_well() {
    let Some(mut world) = World::new("h100x8", SAMPLED) else {
        return;
    };
    let wanted = layout(&[(&["0", "1"], &[("3g.40gb", 1), ("1g.10gb", 2)])]);
    world.client.apply(wanted).expect("it is applied");
    let mut forget = world.kerfd.kerf().expect("kerf is built");
    forget.args(["apply", "--forget"]);
    assert_eq!(Said::by(forget).code, Some(0));
    let before = places(&world);
    told(&Said::by(maintenance(
        &world,
        &["enter", "--gpu", "0", "--gpu", "1"],
    )));
    let none = Said::by(maintenance(&world, &["leave", "--gpu", "0000:ff:00.0"]));
    assert_eq!(none.code, Some(1), "{none:?}");
    let machine = world.kerfd.machine();
    for gpu in [0, 1] {
        nvidia_ml::control::reset(&machine, gpu).expect("nobody is in the way");
    }
    fault(&machine, FaultRequest::ResetRequired { gpu: 1 }).expect("the machine");
    let left = told(&Said::by(maintenance(&world, &["leave"])));
    let unwell = left["unwell"].to_string();
    assert!(unwell.contains("what it had before maintenance"), "{left}");
    let there = world.instances();
    assert_eq!(there.len(), 3, "{there:?}");
    world.kerfd.kill9().expect("it dies");
    world.kerfd.restart().expect("kerfd comes up");
    until_degraded(&world, &["layout of GPU", "before maintenance"]);
    nvidia_ml::control::reset(&machine, 1).expect("nobody is in the way");
    world.until("its slices", || places(&world) == before);
    world.until("all to be well", || world.client.degraded().is_empty());
}
