//! A vGPU in a container that runs a virtual machine: its VFIO nodes and no others, for one lease at a time.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::super::bundle::Bundles;
use super::super::cdi::{file, with_device};
use super::super::cdi_spec::{device_names, faults, read};
use super::super::isolation::{own, probe};
use super::super::makers::{make_nodes, may_lock_all, nodes, probe_plain};
use super::super::said::kerf;
use super::super::world::{Node, World, names};
use super::{HALF, create, field};

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
