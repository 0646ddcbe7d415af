//! CPUs, NUMA nodes and caches: what is told in two places agrees.

use std::collections::BTreeMap;

use crate::world::World;

/// Shows a machine.
pub fn check(world: &World, name: &str) {
    let cpus = world.text("sys/devices/system/cpu/online");
    let last: u32 = cpus
        .rsplit('-')
        .next()
        .and_then(|last| last.parse().ok())
        .expect("CPUs");
    let info = world.text("proc/cpuinfo");
    let listed = info.lines().filter(|line| line.starts_with("processor"));
    assert_eq!(
        listed.count(),
        usize::try_from(last + 1).expect("few"),
        "{name}"
    );
    for cpu in [0, last / 2, last] {
        let folder = format!("sys/devices/system/cpu/cpu{cpu}");
        let package = world.text(&format!("{folder}/topology/physical_package_id"));
        let node = format!("sys/devices/system/node/node{package}");
        // A socket is one node, and no third-level cache reaches beyond it.
        let siblings = world.text(&format!("{folder}/topology/package_cpus_list"));
        assert_eq!(siblings, world.text(&format!("{node}/cpulist")), "{name}");
        assert!(
            world
                .leads_to(&format!("{node}/cpu{cpu}"))
                .ends_with(&format!("/cpu{cpu}"))
        );
        let core = world.text(&format!("{folder}/topology/core_cpus_list"));
        for (index, level) in [(0, "1"), (1, "1"), (2, "2"), (3, "3")] {
            let cache = format!("{folder}/cache/index{index}");
            assert_eq!(world.text(&format!("{cache}/level")), level);
            let shared = world.text(&format!("{cache}/shared_cpu_list"));
            assert_eq!(index < 3, shared == core, "{name} {cache}: {shared}");
        }
    }
    check_caches(world, name, last);
    let nodes = world.names("sys/devices/system/node");
    let nodes = nodes.iter().filter(|name| name.starts_with("node"));
    for node in nodes.clone() {
        let distances = world.text(&format!("sys/devices/system/node/{node}/distance"));
        assert_eq!(
            distances.split(' ').count(),
            nodes.clone().count(),
            "{name}"
        );
    }
}

/// Of one level and type, an id is one cache's: who has it shares that cache, and who has another does not.
fn check_caches(world: &World, name: &str, last: u32) {
    let mut caches: BTreeMap<[String; 3], String> = BTreeMap::new();
    for cpu in 0..=last {
        for index in 0..4 {
            let folder = format!("sys/devices/system/cpu/cpu{cpu}/cache/index{index}");
            let read = |file: &str| world.text(&format!("{folder}/{file}"));
            let key = ["level", "type", "id"].map(read);
            let shared = read("shared_cpu_list");
            let known = caches.entry(key).or_insert_with(|| shared.clone());
            assert_eq!(*known, shared, "{name} {folder}");
        }
    }
}
