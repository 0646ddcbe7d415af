//! Packages, dies, clusters and cores, from each thread's `topology` folder.
//!
//! Owns how the groups of the kernel become a tree. A level that the kernel does not name is not made up: without dies
//! a package is one.
//! Source: `Documentation/admin-guide/cputopology.rst` of the kernel.

use std::collections::BTreeSet;

use kerf_types::map::{Die, Package};

use crate::sysfs::Reader;
use crate::sysfs::cpus::CpuSet;

use super::groups::{self, CLUSTER, CORE, DIE, PACKAGE};
use super::{FOLDER, count};

/// What hangs together.
#[derive(Debug, Default)]
pub struct Topology {
    /// By id.
    pub packages: Vec<Package>,
    /// Threads of each core, by first thread.
    pub cores: Vec<CpuSet>,
    /// Threads that are in one of the cores.
    covered: CpuSet,
}

impl Topology {
    /// How many cores these threads are; `None` where the kernel does not name the core of each.
    pub fn known(&self, threads: &CpuSet) -> Option<u32> {
        known(&self.cores, &self.covered, threads)
    }
}

/// Reads it for the threads that are online.
pub fn read(reader: &Reader<'_>, online: &CpuSet) -> Topology {
    let names = names(reader, online);
    let groups = |level| groups::of_level(reader, online, &names, level);
    let (packages, dies) = (groups(&PACKAGE), groups(&DIE));
    let (clusters, cores) = (groups(&CLUSTER), parted(reader, groups(&CORE)));
    let covered = cores.iter().flat_map(CpuSet::iter).collect();
    let mut read: Vec<Package> = Vec::new();
    for (place, cpus) in packages.iter().enumerate() {
        let inside = |group: &&CpuSet| group.overlaps(cpus);
        let own: Vec<&CpuSet> = dies.iter().filter(inside).collect();
        let is_between =
            |group: &&CpuSet| !cores.contains(group) && !own.contains(group) && *group != cpus;
        let clusters = clusters.iter().filter(inside).filter(is_between);
        read.push(Package {
            id: id(reader, cpus, "physical_package_id").unwrap_or_else(|| count(place)),
            cpus: cpus.to_string(),
            cores: known(&cores, &covered, cpus),
            dies: self::dies(reader, cpus, &own),
            clusters: clusters.map(ToString::to_string).collect(),
        });
    }
    read.sort_by_key(|package| package.id);
    Topology {
        packages: read,
        cores,
        covered,
    }
}

/// How many of `cores` these threads are, which `covered` are in any; `None` where a thread is in none, so that it may be
/// one more or part of one.
fn known(cores: &[CpuSet], covered: &CpuSet, threads: &CpuSet) -> Option<u32> {
    let is_known = !threads.is_empty() && threads.without(covered).is_empty();
    is_known.then(|| count(cores.iter().filter(|core| core.overlaps(threads)).count()))
}

/// Files of `topology`, by the first thread that has any: all have the same, and old kernels fewer.
fn names(reader: &Reader<'_>, online: &CpuSet) -> BTreeSet<String> {
    let of = |cpu| reader.list(&format!("{FOLDER}/cpu{cpu}/topology"));
    let first = online.iter().map(of).find(|names| !names.is_empty());
    first.unwrap_or_default().into_iter().collect()
}

fn dies(reader: &Reader<'_>, package: &CpuSet, groups: &[&CpuSet]) -> Vec<Die> {
    let die = |(place, cpus): (usize, &CpuSet)| Die {
        id: id(reader, cpus, "die_id").unwrap_or_else(|| count(place)),
        cpus: cpus.to_string(),
    };
    if groups.is_empty() {
        return vec![die((0, package))];
    }
    groups.iter().copied().enumerate().map(die).collect()
}

/// An id that firmware gave a group. The kernel writes -1, and some firmware no file, where there is none; the group's
/// place among the others stands for it.
fn id(reader: &Reader<'_>, cpus: &CpuSet, file: &str) -> Option<u32> {
    let path = format!("{FOLDER}/cpu{}/topology/{file}", cpus.first()?);
    let id: i64 = reader.number(&path)?;
    match u32::try_from(id) {
        Ok(id) => Some(id),
        Err(_) if id == -1 => None,
        Err(_) => reader.odd(&path, format_args!("{id} is not an id, nor -1 for none")),
    }
}

/// Cores. AMD's family 15h calls the two cores of a module siblings and gives them ids of their own: where the threads
/// of the first group with several have different ids, every thread is a core. One group tells for the machine.
fn parted(reader: &Reader<'_>, cores: Vec<CpuSet>) -> Vec<CpuSet> {
    let id = |cpu: u32| reader.number::<i64>(&format!("{FOLDER}/cpu{cpu}/topology/core_id"));
    let Some(first) = cores.iter().find(|core| core.len() > 1) else {
        return cores;
    };
    let ids: BTreeSet<i64> = first.iter().filter_map(id).collect();
    if ids.len() < 2 {
        return cores;
    }
    let mut threads: Vec<u32> = cores.iter().flat_map(CpuSet::iter).collect();
    threads.sort_unstable();
    threads
        .into_iter()
        .map(|cpu| CpuSet::from_iter([cpu]))
        .collect()
}
