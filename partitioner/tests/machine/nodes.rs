//! Capability nodes of slices that the driver has and `/dev` has not.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use kerf_partitioner::client::Client;

use crate::world::{Asks, Code, PATIENCE, World, create, failure, fill, mig, program};

/// Whether there are real nodes; says so where there are none.
fn has_nodes(world: &World) -> bool {
    if !world.info.real_nodes {
        kerf_tests::skip(kerf_tests::Capability::Root, "device nodes cannot be made");
    }
    world.info.real_nodes
}

#[test]
fn a_strict_umask_takes_nothing_from_a_node() {
    let world = World::new("h100x1");
    if !has_nodes(&world) {
        return;
    }
    let mut command = world.command();
    let script = world.info.dir.join("strict");
    let text = format!(
        "#!/bin/sh\numask 0777\nexec {} \"$@\"\n",
        program().display()
    );
    fs::write(&script, text).expect("a file");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("ours");
    command.executable = script;
    let mut worker = Client::spawn(&command).expect("a worker");
    worker.open(PATIENCE).expect("the simulated driver");
    let node = world.info.sysroot.join("dev/nvidia-caps/nvidia-cap66");
    fs::remove_file(&node).expect("it is there");
    worker.ensure_nodes(vec![66], PATIENCE).expect("a node");
    let mode = node.metadata().expect("it is there").mode();
    assert_eq!(mode & 0o7777, 0o444);
}

#[test]
fn nodes_of_a_slice_are_made_and_foreign_ones_refused() {
    let world = World::new("h100x1");
    if !has_nodes(&world) {
        return;
    }
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    for step in [mig(pci, true), create(pci, 19, 0, 1), fill(pci, 0, 1, 0)] {
        worker.step(&step);
    }
    let gi = worker.gpu(0).instances.remove(0);
    let minors: Vec<u32> = [gi.capability_minor, gi.compute[0].capability_minor]
        .map(|minor| minor.expect("a minor").0)
        .into();
    let folder = world.info.sysroot.join("dev/nvidia-caps");
    for minor in &minors {
        let node = folder.join(format!("nvidia-cap{minor}"));
        if node.exists() {
            fs::remove_file(node).expect("ours");
        }
    }
    let host = worker.observe_host(PATIENCE).expect("the host");
    let nodes = worker
        .ensure_nodes(minors.clone(), PATIENCE)
        .expect("nodes");
    for (node, minor) in nodes.iter().zip(&minors) {
        assert_eq!(
            (node.major, node.minor),
            (host.majors["nvidia-caps"], *minor)
        );
        let facts = fs::metadata(world.info.sysroot.join(&node.path[1..])).expect("a node");
        assert_eq!(nix::sys::stat::minor(facts.rdev()), u64::from(*minor));
        assert_eq!(nix::sys::stat::major(facts.rdev()), u64::from(node.major));
    }
    assert_eq!(
        worker
            .ensure_nodes(minors.clone(), PATIENCE)
            .expect("nodes"),
        nodes,
        "again"
    );
    assert_eq!(
        failure(worker.ensure_nodes(vec![1], PATIENCE)).0,
        Code::NotFound,
        "config"
    );
    let node = folder.join(format!("nvidia-cap{}", minors[0]));
    fs::remove_file(&node).expect("ours");
    fs::write(&node, "").expect("a file");
    assert_eq!(
        failure(worker.ensure_nodes(minors, PATIENCE)).0,
        Code::Conflict
    );
}
