//! A vGPU in a container that runs a virtual machine: its VFIO nodes and no others, for one lease at a time.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::IntoRawFd;
use std::path::Path;
use std::process::Command;

use kerf_tests::ChildGuard;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::super::bundle::Bundles;
use super::super::cdi::{file, with_device};
use super::super::cdi_spec::{device_names, faults, read};
use super::super::isolation::{own, probe};
use super::super::makers::{make_nodes, may_lock_all, nodes, probe_plain};
use super::super::said::kerf;
use super::super::world::{Node, World, names};
use super::{HALF, create, field, write};

/// The number of the IOMMU group of a function.
fn group(world: &World, function: &str) -> String {
    let link = format!("sys/bus/pci/devices/{function}/iommu_group");
    let group = fs::read_link(world.kerfd.sysroot().join(link)).expect("a group");
    let name = group.file_name().and_then(|name| name.to_str());
    name.expect("a number").to_owned()
}

/// Makes the nodes of VFIO as the kernel does for functions that a driver of vGPUs has: the simulated one makes none.
fn make_vfio(world: &World) {
    let groups = names(&world.kerfd.sysroot().join("sys/kernel/iommu_groups"));
    make_nodes(world, "vfio", groups.into_iter().chain(["vfio".to_owned()]));
}

/// The names of devices in a CDI file, once there are so many.
fn standing(world: &World, path: &Path, count: usize) -> Vec<String> {
    let named = || read(path).map_or_else(Vec::new, |document| device_names(&document));
    world.until("names of vGPUs", || named().len() == count);
    named()
}

fn refusal_of(world: &World, ask: &str) -> String {
    let refused = world.client.lease(ask, "default", "a");
    refused.expect_err(ask).message().to_owned()
}

#[test]
fn a_vgpu_is_leased_with_its_vfio_nodes_and_stays_while_it_is() {
    let Some(mut world) = World::new("h200x8", "") else {
        return;
    };
    let none = refusal_of(&world, "vgpu");
    assert!(none.contains("--for-containers"), "{none}");
    let first = create(&world, HALF, &["--enable-sriov", "--for-containers"]);
    assert_eq!(first["made_by_kerf"]["for_containers"], true);
    let second = create(&world, HALF, &["--for-containers"]);
    let made = [first, second];
    let [first, second] = made.map(|one| field(&one, "function"));
    make_vfio(&world);
    let nodes = nodes(&world, &["vfio"]);
    assert!(nodes.len() > 16, "{nodes:?}");
    world.client.looked();
    let path = file(&world.kerfd, "device");
    assert_eq!(standing(&world, &path, 2), [first.clone(), second.clone()]);
    assert_eq!(faults(&read(&path).expect("a file")), Vec::<String>::new());

    // By its name, in a container that plain runc makes.
    let bundles = Bundles::new(&world);
    let spec = with_device(&bundles, &world, "first", "device", &first);
    bundles.runc("first", &spec).ok();
    let expected = [
        "vfio/vfio".to_owned(),
        format!("vfio/{}", group(&world, &first)),
    ];
    let seen = probe_plain(&bundles, "first", &nodes);
    assert_eq!(seen, BTreeSet::from(expected));
    let lease = world.lease();
    world.kerfd.kill9().expect("it goes");
    world.kerfd.restart().expect("it comes back");
    assert_eq!(world.lease().id, lease.id);
    let spec = with_device(&bundles, &world, "again", "device", &first);
    let again = bundles.runc("again", &spec);
    let error = again.error();
    assert!(
        error.contains(&format!("vgpu {first} is leased")),
        "{error}"
    );
    kerf(&world, &["vgpu", "delete", &first]).refuses(&["is leased by", &lease.id]);

    // By an ask, of those that are left.
    let other = refusal_of(&world, "vgpu,type=H200X-1-18C");
    assert!(other.contains("it must hold type=H200X-1-18C"), "{other}");
    let two = refusal_of(&world, "vgpu:2");
    assert!(two.contains("1 of 2 vgpu may serve it now"), "{two}");
    an_ask_gets_the_other(&world, &second, &nodes);

    bundles.end("first");
    world.until_no_leases();
    kerf(&world, &["vgpu", "delete", &first]).ends(0);
    assert_eq!(standing(&world, &path, 1), [second]);
}

/// What a virtual machine maps is pinned, so its container has no limit of locked memory: one that cannot have that is
/// refused.
fn an_ask_gets_the_other(world: &World, function: &str, nodes: &[Node]) {
    let ask = "vgpu,type=H200X-70C";
    if may_lock_all() {
        world.start("machine", ask);
        let expected = [
            "vfio/vfio".to_owned(),
            format!("vfio/{}", group(world, function)),
        ];
        let seen = own(&probe(world, "machine", nodes));
        assert_eq!(seen, BTreeSet::from(expected));
        world.end("machine");
    } else {
        let refused = world.refuse("machine", &[("kerf.dev/accelerator", ask)]);
        assert!(refused.contains("rlimit type 8"), "{refused}");
    }
    let lease = world.client.lease(ask, "default", "a").expect("it is free");
    let document = world
        .kerfd
        .cdi()
        .join(format!("kerf.dev-lease-{}.json", lease.id));
    let document = read(&document).expect("its file").to_string();
    let own_node = format!("\"/dev/vfio/{}\"", group(world, function));
    assert!(document.contains(&own_node), "{document}");
    world.client.release(&lease.id).expect("released");
}

/// A process with a node open: no driver is bound, so the kernel opens none but by its path.
fn user_of(world: &World, node: &str) -> ChildGuard {
    let path = world.kerfd.sysroot().join("dev").join(node);
    let file = open(&path, OFlag::O_PATH, Mode::empty()).expect("a node");
    // Handed on by its number, and closed here below.
    let raw = file.into_raw_fd();
    let log = world.scratch.join("user.log");
    let child = ChildGuard::spawn("user", Command::new("sleep").arg("600"), &log);
    nix::unistd::close(raw).expect("ours");
    child.expect("it starts")
}

/// What comes to be in the place of a vGPU that is gone is nobody's, and no other is given: its numbers may be the next one's.
fn nobody_gets_another(world: &World, gone: &str, kind: &str, other: &str) {
    for there in [None, Some(kind)] {
        if let Some(kind) = there {
            write(world, gone, kind);
            world.client.looked();
        }
        for ask in ["vgpu".to_owned(), format!("device={other}")] {
            let refused = refusal_of(world, &ask);
            let words = "whose own vGPU is gone";
            assert!(refused.contains(words), "{ask}: {refused}");
        }
    }
}

#[test]
fn a_lease_whose_vgpu_a_stranger_takes_is_told_and_nobody_gets_another_before_it_ends() {
    let Some(mut world) = World::new("h200x8", "") else {
        return;
    };
    let made = create(&world, HALF, &["--enable-sriov", "--for-containers"]);
    let (first, kind) = (field(&made, "function"), made["type_id"].to_string());
    let second = field(&create(&world, HALF, &["--for-containers"]), "function");
    make_vfio(&world);
    world.client.looked();
    standing(&world, &file(&world.kerfd, "device"), 2);
    let bundles = Bundles::new(&world);
    let spec = with_device(&bundles, &world, "first", "device", &first);
    bundles.runc("first", &spec).ok();
    world.until("its lease", || world.client.leases().len() == 1);
    let lease = world.lease();
    let mut user = user_of(&world, &format!("vfio/{}", group(&world, &first)));
    assert_eq!(world.client.degraded(), Vec::<String>::new());

    write(&world, &first, "0");
    world.client.looked();
    let entry = format!("vGPU of lease {}: vgpu {first} is gone", lease.id);
    let told = |world: &World| {
        let all = world.client.degraded();
        all.iter().any(|line| line.starts_with(&entry))
    };
    world.until("word of it", || told(&world));
    let status = kerf(&world, &["status"]).out;
    for words in ["vGPU of lease", "still has its nodes", "end its container"] {
        assert!(status.contains(words), "no {words:?} in {status}");
    }
    let events = kerf(&world, &["events", "--after", "0"]).ends(0);
    let words = format!("its vGPU on {first} is gone: somebody else took it away");
    assert!(events.contains(&words), "{events}");
    assert_eq!(
        (world.lease().id, world.lease().state),
        (lease.id.clone(), "active".to_owned())
    );

    nobody_gets_another(&world, &first, &kind, &second);
    assert!(told(&world));
    world.kerfd.kill9().expect("it goes");
    world.kerfd.restart().expect("it comes back");
    world.until("word of it", || told(&world));
    assert_eq!(world.lease().id, lease.id);

    user.kill().expect("ours");
    bundles.end("first");
    world.until_no_leases();
    world.until("a host that is well", || world.client.degraded().is_empty());
    let next = world
        .client
        .lease("vgpu", "default", "a")
        .expect("one is free");
    let subject = format!("{next:?}");
    assert!(
        subject.contains(&second) && !subject.contains(&first),
        "{subject}"
    );
}
