//! What goes with a device on machines as they are found, where a process may use all of them.

use std::collections::BTreeSet;

use kerf_partitioner::sysfs::cpus::CpuSet;
use kerf_partitioner::topology::{Cpuset, Nearest, cpuset};
use kerf_types::PciAddress;

use crate::world::{PATIENCE, World};

/// For these accelerators of a machine, by their order: processors, memory nodes, interfaces and disks.
fn told(machine: &str, which: &[usize]) -> String {
    let found = World::new(machine).discover(PATIENCE);
    let addresses = found.gpus.iter().map(|gpu| gpu.pci);
    let addresses = addresses.chain(found.amd.iter().map(|gpu| gpu.pci));
    let all: Vec<PciAddress> = addresses.collect();
    let devices = which.iter().map(|at| all[*at]).collect::<BTreeSet<_>>();
    let everything = CpuSet::from_list("0-8191").expect("a list");
    let allowed = Cpuset {
        cpus: everything.clone(),
        mems: everything,
    };
    let set = cpuset(&found, &devices, &allowed);
    let near = Nearest::of(&found).to(&devices);
    let (nics, nvme) = (near.nics.join(","), near.nvme.join(","));
    format!("{} / {} / {nics} / {nvme}", set.cpus, set.mems)
}

#[test]
fn a_device_goes_with_what_is_beside_it() {
    assert_eq!(
        told("h100x8", &[0]),
        "0-47,96-143 / 0 / mlx5_0 / nvme0,nvme1,nvme2,nvme3"
    );
    assert_eq!(
        told("h100x8", &[3, 7]),
        "0-191 / 0-1 / mlx5_3,mlx5_7 / nvme0,nvme1,nvme2,nvme3,nvme4,nvme5,nvme6,nvme7"
    );
    assert_eq!(
        told("mi300x8", &[5]),
        "48-95,144-191 / 1 / mlx5_5 / nvme4,nvme5,nvme6,nvme7"
    );
}

#[test]
fn memory_of_a_superchips_gpu_is_not_among_it() {
    let found = World::new("gh200x1").discover(PATIENCE);
    let owned = found
        .numa_nodes
        .iter()
        .filter(|node| node.accelerator.is_some());
    assert_eq!(owned.count(), 1, "{:?}", found.numa_nodes);
    assert_eq!(told("gh200x1", &[0]), "0-71 / 0 / mlx5_0 / nvme0");
}
