//! Each container has its own devices and no others, as the kernel says it.
//!
//! The nodes of a simulated machine belong to no driver, so `open` tells the two apart: a node that the
//! device cgroup allows answers ENXIO, and one that it does not answers EPERM.

use std::collections::BTreeSet;

use kerf_api::v1::{Lease, lease_subject::Subject};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::client::layout;
use super::world::{Node, World};

const ALLOWED: &str = "No such device or address";
const DENIED: &str = "Operation not permitted";

/// What a container may do with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It is in its `/dev` and can be opened for reading and writing.
    Own,
    /// It is not in its `/dev`, and one made by number cannot be opened at all.
    None,
}

/// Asks the kernel inside a container about each node of the machine.
pub fn probe(world: &World, id: &str, nodes: &[Node]) -> Vec<(Node, Access)> {
    probe_by(id, nodes, |script| world.exec(id, script))
}

/// [`probe`] where another engine runs the script.
pub fn probe_by(
    id: &str,
    nodes: &[Node],
    exec: impl FnOnce(&str) -> String,
) -> Vec<(Node, Access)> {
    let mut script = String::from(
        "probe() {\n\
         path=/dev/$1; where=there\n\
         if ! [ -e $path ]; then path=/tmp/node; where=made; rm -f $path; mknod $path c $2 $3; fi\n\
         both=$( { : <>$path; } 2>&1 ); read=$( { : <$path; } 2>&1 ); write=$( { : >>$path; } 2>&1 )\n\
         echo \"$1|$where|${both##*: }|${read##*: }|${write##*: }\"\n}\n",
    );
    for node in nodes {
        script.push_str(&format!(
            "probe {} {} {}\n",
            node.name, node.major, node.minor
        ));
    }
    let text = exec(&script);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), nodes.len(), "{text}");
    let verdict = |(node, line): (&Node, &str)| {
        let access = match line.split('|').collect::<Vec<_>>().as_slice() {
            [name, "there", ALLOWED, ALLOWED, ALLOWED] if *name == node.name => Access::Own,
            [name, "made", DENIED, DENIED, DENIED] if *name == node.name => Access::None,
            _ => panic!("{id} sees {line}"),
        };
        (node.clone(), access)
    };
    nodes.iter().zip(lines).map(verdict).collect()
}

/// The nodes that the container of a lease on one slice must have: what every client needs, the parent
/// GPU, and the capabilities of its GPU instance and compute instance.
pub fn expected(world: &World, lease: &Lease) -> BTreeSet<String> {
    let [subject] = lease.subjects.as_slice() else {
        panic!("one subject, not {lease:?}");
    };
    let Some(Subject::Slice(slice)) = &subject.subject else {
        panic!("a slice, not {lease:?}");
    };
    let inventory = world.client.inventory();
    let gpu = inventory
        .gpus
        .iter()
        .find(|gpu| gpu.uuid == slice.parent_uuid);
    let gpu = gpu.expect("its GPU");
    let minors = std::fs::read_to_string(
        world
            .kerfd
            .sysroot()
            .join("proc/driver/nvidia-caps/mig-minors"),
    )
    .expect("the driver's table of capabilities");
    let capability = |path: String| {
        let mut lines = minors.lines().filter_map(|line| line.split_once(' '));
        let line = lines.find(|(name, _)| *name == path);
        let (_, minor) = line.unwrap_or_else(|| panic!("{path} is not in\n{minors}"));
        format!("nvidia-caps/nvidia-cap{minor}")
    };
    let instance = gpu.instances.iter().find_map(|gi| {
        let ci = gi.compute.iter().find(|ci| ci.uuid == slice.uuid)?;
        Some((gi.id, ci.id))
    });
    let (gi, ci) = instance.expect("its instances");
    let base = format!("gpu{}/gi{gi}", gpu.minor);
    let common = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"].map(str::to_owned);
    let own = [
        format!("nvidia{}", gpu.minor),
        capability(format!("{base}/access")),
        capability(format!("{base}/ci{ci}/access")),
    ];
    common.into_iter().chain(own).collect()
}

pub fn own(seen: &[(Node, Access)]) -> BTreeSet<String> {
    let own = seen.iter().filter(|(_, access)| *access == Access::Own);
    own.map(|(node, _)| node.name.clone()).collect()
}

pub fn lease_of(world: &World, id: &str) -> Lease {
    let leases = world.client.leases();
    let lease = leases
        .iter()
        .find(|lease| lease.container.as_deref() == Some(&format!("{}/{id}", world.namespace())));
    lease
        .unwrap_or_else(|| panic!("{id} has none of {leases:?}"))
        .clone()
}

#[test]
fn eight_containers_see_their_own_slice_each_and_no_other() {
    let Some(world) = World::new("h100x8", "") else {
        return;
    };
    let ids: Vec<String> = (0..8).map(|number| format!("c{number}")).collect();
    std::thread::scope(|scope| {
        for id in &ids {
            scope.spawn(|| world.start(id, "1g.10gb"));
        }
    });
    assert_eq!(world.client.leases().len(), 8);
    let nodes = world.nodes();
    assert!(nodes.len() >= 8 + 3 + 16, "{nodes:?}");
    let mut capabilities = BTreeSet::new();
    for id in &ids {
        let seen = own(&probe(&world, id, &nodes));
        assert_eq!(seen, expected(&world, &lease_of(&world, id)), "{id}");
        for name in seen.into_iter().filter(|name| name.contains("caps")) {
            assert!(capabilities.insert(name.clone()), "{name} is given twice");
        }
    }
    // What one container had is free again when it has ended, and its slice is gone.
    let (gone, rest) = ids.split_first().expect("eight");
    let before = world.instances();
    let ended = lease_of(&world, gone);
    world.end(gone);
    world.until("the end of its lease", || world.client.leases().len() == 7);
    assert_eq!(world.instances().len(), 7);
    assert!(world.instances().iter().all(|line| before.contains(line)));
    assert!(
        world
            .client
            .leases()
            .iter()
            .all(|lease| lease.id != ended.id)
    );
    for id in rest {
        world.end(id);
    }
    world.until_no_leases();
    world.assert_untouched();
    world.assert_no_containers();
}

#[test]
fn more_containers_than_gpus_share_none() {
    let Some(world) = World::new("h100x8", "") else {
        return;
    };
    let asks = [("kerf.dev/accelerator", "7g.80gb")];
    let started: Vec<bool> = std::thread::scope(|scope| {
        let start = |number: usize| {
            let (world, asks) = (&world, &asks);
            scope.spawn(move || {
                let ended = world.ctr_run(true, &format!("c{number}"), asks, "exec sleep 600");
                assert!(
                    ended.code == Some(0) || ended.text.contains("no room"),
                    "{ended:?}"
                );
                ended.code == Some(0)
            })
        };
        let all: Vec<_> = (0..10).map(start).collect();
        all.into_iter()
            .map(|one| one.join().expect("no panic"))
            .collect()
    });
    assert_eq!(
        started.iter().filter(|started| **started).count(),
        8,
        "{started:?}"
    );
    let leases = world.client.leases();
    let uuids: BTreeSet<String> = leases
        .iter()
        .map(|lease| format!("{:?}", lease.subjects))
        .collect();
    assert_eq!(
        (leases.len(), uuids.len(), world.instances().len()),
        (8, 8, 8)
    );
}

#[test]
fn a_whole_gpu_comes_with_its_driver_and_without_its_neighbours() {
    let Some(world) = World::new("h100x8", "") else {
        return;
    };
    world
        .client
        .apply(layout(&[(&["0"], &[("1g.10gb", 2)])]))
        .expect("it is applied");
    world.start("whole", "gpu:1");
    let lease = lease_of(&world, "whole");
    let Some(Subject::Gpu(subject)) = &lease.subjects[0].subject else {
        panic!("a GPU, not {lease:?}");
    };
    let inventory = world.client.inventory();
    let mut gpus = inventory.gpus.iter();
    let gpu = gpus.find(|gpu| gpu.uuid == subject.uuid).expect("its GPU");
    let own_node = format!("nvidia{}", gpu.minor);
    let nodes = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", &own_node].map(str::to_owned);
    let expected = BTreeSet::from(nodes);
    assert_eq!(own(&probe(&world, "whole", &world.nodes())), expected);
    let script = "cat /proc/1/environ; echo; cd /usr/lib/x86_64-linux-gnu; ls; \
                  ls /dev/nvidia-caps 2>/dev/null; ( : >libnvidia-ml.so.1 )";
    let text = world.exec("whole", &format!("{{ {script}; }} 2>&1; true"));
    assert!(
        text.contains(&format!("NVIDIA_VISIBLE_DEVICES={}", gpu.uuid))
            && text.contains(&format!("KERF_LEASE={}", lease.id)),
        "{text}"
    );
    assert!(text.contains("libnvidia-ml.so.1\n"), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");
    // An update of other limits must not open anything.
    let mut update = std::process::Command::new(kerf_tests::bins::system("runc").expect("runc"));
    update
        .arg("--root")
        .arg(format!("/run/containerd/runc/{}", world.namespace()));
    kerf_tests::process::run(update.args(["update", "--cpu-share", "512", "whole"]))
        .expect("it takes");
    assert_eq!(own(&probe(&world, "whole", &world.nodes())), expected);
    world.end("whole");
    world.until_no_leases();
}

#[test]
fn a_container_that_may_open_everything_gets_nothing() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let mut command = world.engine().ctr_run();
    command.arg("--runc-binary").arg(world.kerfd.runtime());
    command.args([
        "--annotation",
        "kerf.dev/accelerator=1g.10gb",
        "--privileged",
        "--rm",
    ]);
    command.args([kerf_tests::world::IMAGE, "c0", "echo", "it ran"]);
    let ended = super::containers::run(&mut command, &world.scratch.join("privileged"));
    assert!(
        ended.error().contains("gets no accelerator"),
        "{}",
        ended.text
    );
    world.assert_untouched();
    world.assert_no_containers();
}

#[test]
fn a_container_is_pinned_to_the_cpus_beside_its_gpu() {
    let config = "[partition]\non_demand = false\n";
    let Some(world) = World::new("h100x8", config) else {
        return;
    };
    let slices = layout(&[(&["0", "7"], &[("1g.10gb", 1)])]);
    world.client.apply(slices).expect("it is applied");
    world.start("a", "1g.10gb");
    world.start("b", "1g.10gb");
    let inventory = world.client.inventory();
    let mut nodes = BTreeSet::new();
    for id in ["a", "b"] {
        let lease = lease_of(&world, id);
        let Some(Subject::Slice(slice)) = &lease.subjects[0].subject else {
            panic!("a slice, not {lease:?}");
        };
        let mut gpus = inventory.gpus.iter();
        let gpu = gpus
            .find(|gpu| gpu.uuid == slice.parent_uuid)
            .expect("its GPU");
        let node = gpu.numa_node.expect("a NUMA node");
        nodes.insert(node);
        let mut numa = inventory.numa_nodes.iter();
        let beside = numa.find(|numa| numa.id == node).expect("its node");
        let beside = beside.cpus.as_deref().expect("its CPUs");
        let here = status_list("/proc/self/status", "Cpus_allowed_list");
        let expected: BTreeSet<u32> = cpus(beside).intersection(&cpus(&here)).copied().collect();
        let text = std::fs::read_to_string(world.bundle(id).join("config.json")).expect("a bundle");
        let spec: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let pinned = spec
            .pointer("/linux/resources/cpu/cpus")
            .and_then(|cpus| cpus.as_str());
        if expected.is_empty() {
            assert_eq!(pinned, None, "{id}");
            continue;
        }
        assert_eq!(cpus(pinned.expect("a cpuset")), expected, "{id}");
        let status = format!("/proc/{}/status", world.pid(id));
        assert_eq!(
            cpus(&status_list(&status, "Cpus_allowed_list")),
            expected,
            "{id}"
        );
    }
    assert_eq!(nodes.len(), 2, "one slice on each socket");
}

/// A line of a process's status.
fn status_list(path: &str, key: &str) -> String {
    let text = std::fs::read_to_string(path).expect("a status");
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.expect("the line")
        .trim_start_matches(':')
        .trim()
        .to_owned()
}

/// The numbers of a kernel list such as `0-3,8`.
fn cpus(list: &str) -> BTreeSet<u32> {
    let number = |text: &str| text.parse::<u32>().expect("a number");
    let ranges = list.split(',').filter(|part| !part.is_empty());
    ranges
        .flat_map(|part| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            number(from)..=number(to)
        })
        .collect()
}

#[test]
fn a_standing_slice_stays_when_its_container_ends() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let slices = layout(&[(&["0"], &[("1g.10gb", 2)])]);
    world.client.apply(slices).expect("it is applied");
    let before = world.instances();
    world.start("a", "1g.10gb");
    let seen = own(&probe(&world, "a", &world.nodes()));
    assert_eq!(seen, expected(&world, &lease_of(&world, "a")));
    assert_eq!(world.instances(), before, "nothing new was cut");
    world.end("a");
    world.until_no_leases();
    assert_eq!(world.instances(), before);
    let states: Vec<String> = world
        .client
        .slices()
        .into_iter()
        .map(|slice| slice.state)
        .collect();
    assert_eq!(states, ["free", "free"]);
}

#[test]
fn a_container_whose_shim_is_killed_with_it_leaves_nothing() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    world.start("orphan", "1g.10gb");
    let init = world.pid("orphan");
    let parent = status_list(&format!("/proc/{init}/status"), "PPid");
    for pid in [
        parent.parse().expect("a shim"),
        i32::try_from(init).expect("a pid"),
    ] {
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it goes");
    }
    world.until_no_leases();
    world.assert_untouched();
}

#[test]
fn a_container_that_asks_for_nothing_needs_no_kerfd() {
    let Some(mut world) = World::new("h100x1", "") else {
        return;
    };
    world.kerfd.terminate().expect("kerfd ends");
    let script = "ls /dev/nvidia* 2>/dev/null; env | grep -i nvidia; echo plain; exit 7";
    let ended = world.ctr_run(false, "plain", &[], script);
    assert_eq!((ended.code, ended.text.as_str()), (Some(7), "plain\n"));
    world.kerfd.restart().expect("kerfd comes back");
    world.assert_untouched();
    assert_eq!(world.client.degraded(), Vec::<String>::new());
}
