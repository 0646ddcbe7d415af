//! Processors against `lstopo`: packages, dies, cores, threads, caches, kinds of cores.

use std::collections::BTreeSet;

use kerf_types::map::{CacheKind, Cpus};
use roxmltree::Node;

use super::{differ, read};
use crate::sysfs::cpu;
use crate::sysfs::oracle::{Topology, attribute, cpus, each_topology, info};

/// Objects of one type, each as a line.
fn lines(
    topology: &Topology<'_>,
    kind: &str,
    line: impl Fn(Node<'_, '_>) -> String,
) -> BTreeSet<String> {
    topology.objects(kind).map(line).collect()
}

#[test]
fn processors_equal_lstopo() {
    each_topology(|dump, topology| {
        let mut differences = Vec::new();
        let ours = read(dump, cpu::cpus, &mut differences);
        differences.extend(packages_differ(&ours, topology));
        differences.extend(differ(
            "caches",
            &our_caches(&ours),
            &their_caches(topology),
        ));
        let threads = topology.objects("PU").count();
        differences.extend(differ(
            "threads",
            &ours.threads.unwrap_or_default().to_string(),
            &threads.to_string(),
        ));
        let machine = topology.objects("Machine").next().expect("a machine");
        differences.extend(differ("online", &ours.online, &cpus(machine)));
        differences.extend(differ("kinds", &our_kinds(&ours), &their_kinds(topology)));
        let package = topology.objects("Package").next().expect("a package");
        if let Some(model) = info(package, "CPUModel") {
            // The processor pads its name with spaces.
            differences.extend(differ("model", &ours.model.as_deref(), &Some(model.trim())));
        }
        let architecture = info(machine, "Architecture");
        if let (Some(ours), Some(theirs)) = (ours.architecture.as_deref(), architecture) {
            differences.extend(differ("architecture", &ours, &theirs));
        }
        differences
    });
}

fn packages_differ(ours: &Cpus, topology: &Topology<'_>) -> Vec<String> {
    let mut packages = BTreeSet::new();
    let mut dies = BTreeSet::new();
    for package in &ours.packages {
        packages.insert(format!(
            "{}: {}, {:?} cores",
            package.id, package.cpus, package.cores
        ));
        let within = package.dies.iter().map(|die| die.cpus.clone());
        // lstopo shows no die that is the package itself.
        dies.extend(within.filter(|die| *die != package.cpus));
    }
    let theirs = lines(topology, "Package", |package| {
        let within = package.descendants();
        let cores = within
            .filter(|node| node.attribute("type") == Some("Core"))
            .count();
        format!(
            "{}: {}, {:?} cores",
            attribute(package, "os_index"),
            cpus(package),
            Some(cores)
        )
    });
    let cores = topology.objects("Core").count();
    [
        differ("packages", &packages, &theirs),
        differ("dies", &dies, &lines(topology, "Die", cpus)),
        differ("cores", &ours.cores, &u32::try_from(cores).ok()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn our_caches(ours: &Cpus) -> Vec<String> {
    let line = |cache: &kerf_types::map::Cache| {
        let kind = match cache.kind {
            CacheKind::Unified => 0,
            CacheKind::Data => 1,
            CacheKind::Instruction => 2,
        };
        let bytes = cache.bytes.unwrap_or_default();
        format!("L{} {kind} {bytes} {}", cache.level, cache.cpus)
    };
    let mut lines: Vec<String> = ours.caches.iter().map(line).collect();
    lines.sort();
    lines
}

fn their_caches(topology: &Topology<'_>) -> Vec<String> {
    let objects = topology.document.descendants();
    let caches = objects.filter(|node| node.has_attribute("cache_type"));
    let line = |cache: Node<'_, '_>| {
        let told = |name| attribute(cache, name);
        let (level, kind, bytes) = (told("depth"), told("cache_type"), told("cache_size"));
        format!("L{level} {kind} {bytes} {}", cpus(cache))
    };
    let mut lines: Vec<String> = caches.map(line).collect();
    lines.sort();
    lines
}

fn our_kinds(ours: &Cpus) -> BTreeSet<String> {
    let line = |kind: &kerf_types::map::CoreKind| {
        let capacity = kind.capacity.map(|capacity| capacity.to_string());
        format!("{}: {}", kind.cpus, capacity.unwrap_or_default())
    };
    ours.kinds.iter().map(line).collect()
}

/// Those that differ in their capacity; lstopo also tells cores apart by their frequency.
fn their_kinds(topology: &Topology<'_>) -> BTreeSet<String> {
    let objects = topology.document.descendants();
    let kinds = objects.filter(|node| node.has_tag_name("cpukind"));
    let line = |kind| Some(format!("{}: {}", cpus(kind), info(kind, "LinuxCapacity")?));
    kinds.filter_map(line).collect()
}
