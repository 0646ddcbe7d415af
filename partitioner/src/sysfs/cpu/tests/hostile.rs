//! Trees that no kernel writes: nothing panics, nothing is endless, and what is odd is told.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use kerf_types::map::Cpus;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

use super::{Files, server};
use crate::sysfs::cpus::CpuSet;
use crate::sysfs::tests::tree;
use crate::sysfs::{Reader, Root, cpu, numa};

#[test]
fn nothing_is_known_of_nothing() {
    assert_eq!(Files::default().clean(), Cpus::default());
}

#[test]
fn a_machine_with_threads_says_what_they_are() {
    let of = |text: &str| server().with("/proc/cpuinfo", text).read().1;
    let odd = "/proc/cpuinfo: says nothing: model and units of the CPUs are unknown".to_owned();
    assert_eq!(of(""), [odd]);
    assert_eq!(of("processor : 0"), [""; 0]);
    let (_folder, root) = tree(&[("sys/devices/system/node/node8/cpulist", "")]);
    let reader = Reader::new(&root);
    cpu::cpus(&reader);
    assert_eq!(reader.into_oddities(), [], "a tree without a thread");
}

#[test]
fn an_id_below_that_for_none_is_odd() {
    let id = |id| {
        let files = server().with("cpu0/topology/physical_package_id", id);
        let (cpus, odd) = files.read();
        (cpus.packages[0].id, odd)
    };
    let path = "cpu0/topology/physical_package_id";
    assert_eq!(id("-1"), (0, vec![]));
    assert_eq!(
        id("-7"),
        (0, vec![format!("{path}: -7 is not an id, nor -1 for none")])
    );
    assert_eq!(id("4294967296").1.len(), 1);
}

#[test]
fn threads_without_a_folder_are_not_believed() {
    let all = Files(
        server()
            .0
            .into_iter()
            .filter(|file| !file.0.ends_with("cpu/online"))
            .collect(),
    );
    let (cpus, odd) = all.with("online", "0-6,9-65535").read();
    assert_eq!(cpus.online, "0-6");
    assert_eq!(odd, ["online: names 9-65535, which have no folder"]);
}

#[test]
fn a_group_needs_its_own_thread_and_no_other_groups() {
    let mut files = Files::default().with("online", "0-3");
    for (cpu, package, core) in [(0, "3", "1"), (1, "3", "1"), (2, "e", "4"), (3, "x", "8")] {
        files = files.thread(cpu, &[("package_cpus", package), ("core_cpus", core)]);
    }
    let (cpus, odd) = files.read();
    let packages: Vec<_> = cpus
        .packages
        .iter()
        .map(|package| package.cpus.as_str())
        .collect();
    assert_eq!(packages, ["0-1", "2-3"]);
    // Which core thread 1 is of is not known, so neither is how many there are; package 1 knows its own.
    let cores = cpus.packages.iter().map(|package| package.cores);
    assert_eq!((cpus.cores, cores.collect()), (None, vec![None, Some(2)]));
    assert_eq!(
        odd,
        [
            "cpu1/topology: names 0 as threads of its core, without its own",
            "cpu2/topology: names 1 as threads of its package, which have another",
        ]
    );
}

#[test]
fn a_thread_that_names_no_group_is_in_none() {
    let mut files = Files::default().with("online", "0-1");
    files = files.thread(0, &[("package_cpus", "1"), ("core_cpus", "1")]);
    files = files.thread(1, &[("core_cpus", "zz")]);
    let (cpus, odd) = files.read();
    let cores = cpus.packages.iter().map(|package| package.cores);
    assert_eq!((cpus.threads, cpus.cores), (Some(2), None));
    assert_eq!(cores.collect::<Vec<_>>(), [Some(1)]);
    assert_eq!(
        odd,
        [
            "cpu1/topology: does not name the threads of the core",
            "cpu1/topology: does not name the threads of the package",
            "cpu1/topology/core_cpus: \"zz\" is not a mask",
        ]
    );
}

#[test]
fn without_topology_nobody_knows_how_many_cores_there_are() {
    let (cpus, _) = Files::default()
        .with("online", "0-1")
        .with("cpu0/online", "1")
        .with("cpu1/online", "1")
        .read();
    assert_eq!((cpus.threads, cpus.cores), (Some(2), None));
    assert!(cpus.packages.is_empty(), "{cpus:?}");
}

#[test]
fn caches_that_cannot_be_told_apart_are_left_out() {
    let good = ["1", "Data", "32K"];
    let (cpus, odd) = Files::default()
        .with("online", "0-1")
        .cache((0, 0), good, "1")
        .cache((0, 1), ["one", "Data", "32K"], "1")
        .cache((0, 2), ["2", "Magic", "32K"], "1")
        .cache((0, 3), ["3", "Unified", "32M"], "3")
        .cache((0, 4), good, "2")
        .cache((1, 0), good, "3")
        .read();
    let told: Vec<_> = cpus
        .caches
        .iter()
        .map(|cache| (cache.level, cache.bytes, cache.cpus.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (1, Some(32_768), "0"),
            (1, Some(32_768), "1"),
            (3, None, "0-1")
        ]
    );
    assert_eq!(odd.len(), 5, "{odd:?}");
}

#[test]
fn a_thread_with_endless_caches_ends() {
    let mut files = Files::default().with("online", "0");
    for index in 0..100 {
        files = files.cache((0, index), ["1", "Data", "1K"], "1");
    }
    assert_eq!(files.read().0.caches.len(), 16);
}

fn set(list: &str) -> CpuSet {
    CpuSet::from_list(list).expect("what we print is a list")
}

/// What may befall a file.
#[derive(Debug, Clone)]
enum Harm {
    Gone,
    Cut(Index),
    Says(Vec<u8>),
    Folder,
    Loop,
    As(Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        Just(Harm::Gone),
        any::<Index>().prop_map(Harm::Cut),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Harm::Says),
        "[-0-9a-fKxNY, :]{0,20}".prop_map(|text| Harm::Says(text.into_bytes())),
        Just(Harm::Folder),
        Just(Harm::Loop),
        any::<Index>().prop_map(Harm::As),
    ]
}

/// A server with NUMA nodes, caches and a driver, file by file.
fn whole() -> Vec<(String, String)> {
    let mut files = server().with(
        "/proc/cpuinfo",
        "processor : 0\nflags : lm avx2\n\nprocessor : 1\nflags : lm\n",
    );
    for cpu in 0..7 {
        files = files.cache((cpu, 0), ["1", "Data", "32K"], &format!("{:x}", 1 << cpu));
        files = files.with(&format!("cpu{cpu}/cpu_capacity"), "1024");
    }
    for node in [0, 5] {
        let folder = format!("/sys/devices/system/node/node{node}");
        for (name, text) in [
            ("cpulist", "0-3"),
            ("cpumap", "f"),
            ("distance", "10 20"),
            ("meminfo", "Node 0 MemTotal: 12 kB"),
            ("access0/initiators/node0/x", ""),
            ("access0/initiators/read_latency", "7"),
            ("memory_side_cache/index1/size", "7"),
        ] {
            files = files.with(&format!("{folder}/{name}"), text);
        }
    }
    files = files.with(
        "/sys/devices/virtual/memory_tiering/memory_tier4/nodelist",
        "0,5",
    );
    let status = "/proc/driver/nvidia/gpus/0000:01:00.0/numa_status";
    files.with(status, "Node: 5\nStatus: online").0
}

fn apply(root: &Path, path: &str, harm: &Harm, all: &[(String, String)]) -> io::Result<()> {
    let place = root.join(path);
    let Ok(old) = fs::read(&place) else {
        // It was harmed before.
        return Ok(());
    };
    fs::remove_file(&place)?;
    match harm {
        Harm::Gone => Ok(()),
        Harm::Cut(at) => fs::write(place, &old[..at.index(old.len() + 1)]),
        Harm::Says(bytes) => fs::write(place, bytes),
        Harm::Folder => fs::create_dir(place),
        Harm::Loop => symlink(place.file_name().expect("a name"), &place),
        Harm::As(other) => fs::write(place, &all[other.index(all.len())].1),
    }
}

/// Makes a file what it was.
fn heal(root: &Path, (path, text): &(String, String)) -> io::Result<()> {
    let place = root.join(path);
    if place.is_dir() {
        fs::remove_dir(&place)?;
    } else if place.symlink_metadata().is_ok() {
        fs::remove_file(&place)?;
    }
    fs::write(place, text)
}

fn check(root: &Root) -> Result<(), TestCaseError> {
    let reader = Reader::new(root);
    let (cpus, nodes) = (cpu::cpus(&reader), numa::nodes(&reader));
    // Whatever they say, it adds up.
    let threads = cpus.packages.iter().map(|package| set(&package.cpus).len());
    prop_assert!(threads.sum::<u32>() <= cpus.threads.unwrap_or_default());
    prop_assert!(cpus.cores <= cpus.threads && cpus.threads <= Some(8));
    prop_assert!(nodes.len() <= 2);
    for node in &nodes {
        prop_assert!(node.distances.is_empty() || node.distances.len() == nodes.len());
    }
    Ok(())
}

#[test]
fn no_harm_makes_the_readers_panic() {
    let all = whole();
    let files: Vec<_> = all
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let (folder, root) = tree(&files);
    let config = ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let harms = proptest::collection::vec((any::<Index>(), harm()), 1..12);
    let run = TestRunner::new(config).run(&harms, |harms| {
        let harmed = harms
            .iter()
            .map(|(at, harm)| (&all[at.index(all.len())], harm));
        for ((path, _), harm) in harmed.clone() {
            apply(folder.path(), path, harm, &all).expect("files of our own");
        }
        let checked = check(&root);
        for (file, _) in harmed {
            heal(folder.path(), file).expect("files of our own");
        }
        checked
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}
