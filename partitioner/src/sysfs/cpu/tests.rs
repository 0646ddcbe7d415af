//! Machines of all sorts, and files that lie.

use kerf_types::map::{Cache, CacheKind, CoreKind, Cpus, Die, Package};

use super::cpus;
use crate::sysfs::Reader;
use crate::sysfs::tests::tree;

mod features;
mod hostile;

const INFO: &str = "proc/cpuinfo";

/// Files of a tree below `/sys/devices/system/cpu`, unless they begin with a slash.
#[derive(Default)]
struct Files(Vec<(String, String)>);

impl Files {
    fn with(mut self, path: &str, text: &str) -> Self {
        let path = match path.strip_prefix('/') {
            Some(path) => path.to_owned(),
            None => format!("sys/devices/system/cpu/{path}"),
        };
        self.0.push((path, format!("{text}\n")));
        self
    }

    /// A thread whose `topology` has these files.
    fn thread(self, cpu: u32, files: &[(&str, &str)]) -> Self {
        let add = |all: Self, (name, text): &(&str, &str)| {
            all.with(&format!("cpu{cpu}/topology/{name}"), text)
        };
        files.iter().fold(self, add)
    }

    /// A cache of a thread: its index, what `level`, `type` and `size` say, and a mask.
    fn cache(self, at: (u32, u32), [level, kind, size]: [&str; 3], mask: &str) -> Self {
        let folder = format!("cpu{}/cache/index{}", at.0, at.1);
        let files = [
            ("level", level),
            ("type", kind),
            ("size", size),
            ("shared_cpu_map", mask),
        ];
        let add =
            |all: Self, (name, text): (&str, &str)| all.with(&format!("{folder}/{name}"), text);
        files.into_iter().fold(self, add)
    }

    /// What is read, and each oddity as `path: what`, with the path below the folder of processors.
    fn read(&self) -> (Cpus, Vec<String>) {
        let files = self.0.iter();
        let mut files: Vec<_> = files
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        // What is no part of a test does not lack.
        if files.iter().all(|(path, _)| *path != INFO) {
            files.push((INFO, "processor : 0\n"));
        }
        let (_folder, root) = tree(&files);
        let reader = Reader::new(&root);
        let cpus = cpus(&reader);
        let line = |odd: kerf_types::map::Oddity| {
            let path = odd.path.trim_start_matches("/sys/devices/system/cpu/");
            format!("{path}: {}", odd.what)
        };
        (cpus, reader.into_oddities().into_iter().map(line).collect())
    }

    /// What is read where nothing is odd.
    fn clean(&self) -> Cpus {
        let (cpus, odd) = self.read();
        assert_eq!(odd, [""; 0]);
        cpus
    }
}

/// Two packages with a gap in their ids; the first has two dies, one with a cluster; a core has two threads; thread 7
/// is offline.
fn server() -> Files {
    let mut files = Files::default()
        .with("online", "0-6")
        .with("present", "0-7")
        .with("possible", "0-63")
        .with("offline", "7-63")
        .with("cpu7/online", "0");
    for (cpu, package, die, cluster, core) in [
        (0, "0f", "03", "03", "01"),
        (1, "0f", "03", "03", "02"),
        (2, "0f", "0c", "04", "04"),
        (3, "0f", "0c", "08", "08"),
        (4, "f0", "f0", "30", "30"),
        (5, "f0", "f0", "30", "30"),
        (6, "f0", "f0", "c0", "c0"),
    ] {
        let id = if cpu < 4 { "36" } else { "1" };
        let die_id = if matches!(cpu, 2 | 3) { "5" } else { "0" };
        files = files.thread(
            cpu,
            &[
                ("package_cpus", package),
                ("die_cpus", die),
                ("cluster_cpus", cluster),
                ("core_cpus", core),
                ("physical_package_id", id),
                ("die_id", die_id),
                ("core_id", "0"),
            ],
        );
    }
    files
}

fn package(id: u32, cpus: &str, cores: u32, dies: &[(u32, &str)], clusters: &[&str]) -> Package {
    let die = |(id, cpus): &(u32, &str)| Die {
        id: *id,
        cpus: (*cpus).to_owned(),
    };
    Package {
        id,
        cpus: cpus.to_owned(),
        cores: Some(cores),
        dies: dies.iter().map(die).collect(),
        clusters: clusters.iter().map(|cpus| (*cpus).to_owned()).collect(),
    }
}

#[test]
fn packages_dies_clusters_and_cores() {
    let cpus = server().clean();
    assert_eq!((cpus.online.as_str(), cpus.offline.as_str()), ("0-6", "7"));
    assert_eq!((cpus.threads, cpus.cores), (Some(7), Some(6)));
    assert_eq!(
        cpus.packages,
        [
            package(1, "4-6", 2, &[(0, "4-6")], &[]),
            package(36, "0-3", 4, &[(0, "0-1"), (5, "2-3")], &[]),
        ]
    );
    assert_eq!(cpus.kinds, []);
}

#[test]
fn a_cluster_is_told_where_it_is_no_core_and_no_die() {
    let mut files = Files::default().with("online", "0-3");
    for (cpu, cluster) in [(0, "3"), (1, "3"), (2, "c"), (3, "c")] {
        let core = format!("{:x}", 1 << cpu);
        files = files.thread(
            cpu,
            &[
                ("package_cpus", "f"),
                ("cluster_cpus", cluster),
                ("core_cpus", core.as_str()),
            ],
        );
    }
    let cpus = files.clean();
    assert_eq!(
        cpus.packages,
        [package(0, "0-3", 4, &[(0, "0-3")], &["0-1", "2-3"])]
    );
}

#[test]
fn an_old_kernel_has_other_names_and_firmware_no_ids() {
    let mut files = Files::default();
    for (cpu, package, core) in [(0, "0-1", "0-1"), (1, "0-1", "0-1"), (2, "2", "2")] {
        files = files.thread(
            cpu,
            &[
                ("core_siblings_list", package),
                ("thread_siblings_list", core),
                ("physical_package_id", "-1"),
            ],
        );
    }
    let cpus = files.clean();
    assert_eq!((cpus.online.as_str(), cpus.offline.as_str()), ("0-2", ""));
    assert_eq!((cpus.threads, cpus.cores), (Some(3), Some(2)));
    assert_eq!(
        cpus.packages,
        [
            package(0, "0-1", 1, &[(0, "0-1")], &[]),
            package(1, "2", 1, &[(0, "2")], &[])
        ]
    );
}

#[test]
fn siblings_with_ids_of_their_own_are_cores() {
    let mut files = Files::default().with("online", "0-3");
    for (cpu, siblings, id) in [(0, "3", "0"), (1, "3", "1"), (2, "c", "2"), (3, "c", "3")] {
        files = files.thread(
            cpu,
            &[
                ("core_siblings", "f"),
                ("thread_siblings", siblings),
                ("core_id", id),
            ],
        );
    }
    let cpus = files.clean();
    assert_eq!((cpus.cores, cpus.packages[0].cores), (Some(4), Some(4)));
}

fn cache(level: u32, kind: CacheKind, bytes: Option<u64>, cpus: &str) -> Cache {
    Cache {
        level,
        kind,
        bytes,
        cpus: cpus.to_owned(),
    }
}

#[test]
fn each_cache_is_told_once() {
    let (data, code, all) = (
        ["1", "Data", "48K"],
        ["1", "Instruction", "32K"],
        ["3", "Unified", "0K"],
    );
    let cpus = Files::default()
        .with("online", "0-3")
        // Threads 0 and 2 are a core, 1 and 3 are cores that share what holds instructions, as AMD's modules do.
        .cache((0, 0), data, "5")
        .cache((0, 1), code, "5")
        .cache((0, 2), all, "1f")
        .cache((1, 0), data, "2")
        .cache((1, 1), code, "a")
        .cache((1, 2), all, "1f")
        .cache((2, 0), data, "5")
        .cache((2, 1), code, "5")
        .cache((2, 2), all, "1f")
        .cache((3, 0), data, "8")
        .cache((3, 1), code, "a")
        .cache((3, 2), all, "1f")
        .clean();
    let kib = |kib: u64| Some(kib * 1_024);
    assert_eq!(
        cpus.caches,
        [
            cache(1, CacheKind::Data, kib(48), "0,2"),
            cache(1, CacheKind::Data, kib(48), "1"),
            cache(1, CacheKind::Data, kib(48), "3"),
            cache(1, CacheKind::Instruction, kib(32), "0,2"),
            cache(1, CacheKind::Instruction, kib(32), "1,3"),
            cache(3, CacheKind::Unified, None, "0-3"),
        ]
    );
}

fn kind(name: &str, cpus: &str, capacity: Option<u32>) -> CoreKind {
    CoreKind {
        cpus: cpus.to_owned(),
        name: name.to_owned(),
        capacity,
    }
}

#[test]
fn hybrid_cores_have_kinds() {
    let cpus = server()
        .with("/sys/devices/cpu_atom/cpus", "4-5")
        .with("/sys/devices/cpu_core/cpus", "0-3")
        .with("/sys/devices/cpu_lowpower/cpus", "6-7")
        .clean();
    let x86 = [
        kind("core", "0-3", None),
        kind("atom", "4-5", None),
        kind("lowpower", "6", None),
    ];
    assert_eq!(cpus.kinds, x86);

    let capacities = |of: [&str; 7]| {
        let files = (0..).zip(of).fold(server(), |files, (cpu, capacity)| {
            files.with(&format!("cpu{cpu}/cpu_capacity"), capacity)
        });
        files.clean().kinds
    };
    let small_and_large = capacities(["400", "1024", "400", "1024", "1024", "1024", "400"]);
    let arm = [kind("", "1,3-5", Some(1_024)), kind("", "0,2,6", Some(400))];
    assert_eq!(small_and_large, arm);
    assert_eq!(capacities(["1024"; 7]), []);
}

#[test]
fn kinds_of_arm_have_the_names_of_their_cores() {
    let parts = [
        ("1024", "0x410fd851"),
        ("718", "0x410fd871"),
        ("512", "0x410fffff"),
    ];
    let files = (0..)
        .zip(parts)
        .fold(Files::default(), |files, (cpu, (capacity, register))| {
            let core = format!("{:x}", 1 << cpu);
            let files = files.thread(cpu, &[("package_cpus", "7"), ("core_cpus", core.as_str())]);
            let files = files.with(&format!("cpu{cpu}/cpu_capacity"), capacity);
            files.with(&format!("cpu{cpu}/regs/identification/midr_el1"), register)
        });
    let named = [
        kind("Arm Cortex-X925", "0", Some(1_024)),
        kind("Arm Cortex-A725", "1", Some(718)),
        kind("", "2", Some(512)),
    ];
    assert_eq!(files.clean().kinds, named);
}

/// Three cores with a cache of their own: sizes and what tells the cores apart.
fn own_caches(tell: impl Fn(Files, u32) -> Files) -> Vec<Option<u64>> {
    let mut files = Files::default().with("online", "0-2");
    for (cpu, size) in [(0, "512K"), (1, "512K"), (2, "2048K")] {
        let mask = format!("{:x}", 1 << cpu);
        files = files.thread(cpu, &[("package_cpus", "7"), ("core_cpus", mask.as_str())]);
        files = files.cache((cpu, 0), ["2", "Unified", size], &mask);
        files = tell(files, cpu);
    }
    // The small cores have no cache of the third level.
    files = files.cache((2, 1), ["3", "Unified", "1K"], "4");
    let caches = files.clean().caches;
    caches
        .iter()
        .map(|cache| cache.bytes.map(|bytes| bytes >> 10))
        .collect()
}

#[test]
fn cores_of_two_models_have_caches_of_their_own_sizes() {
    let expected = [Some(512), Some(512), Some(2_048), Some(1)];
    let capacity = |files: Files, cpu: u32| {
        let capacity = if cpu < 2 { "500" } else { "1024" };
        files.with(&format!("cpu{cpu}/cpu_capacity"), capacity)
    };
    assert_eq!(own_caches(capacity), expected);
    let register = |files: Files, cpu: u32| {
        let register = if cpu < 2 { "0x410fd871" } else { "0x410fd851" };
        files.with(&format!("cpu{cpu}/regs/identification/midr_el1"), register)
    };
    assert_eq!(own_caches(register), expected);
    let monitors = |files: Files, cpu: u32| match cpu {
        0 => files.with("/sys/devices/cpu_atom/cpus", "0-1"),
        1 => files.with("/sys/devices/cpu_core/cpus", "2"),
        _ => files,
    };
    assert_eq!(own_caches(monitors), expected);
}

#[test]
fn what_alike_cores_share_may_have_another_size() {
    let mut files = Files::default().with("online", "0-3");
    for cpu in 0..4 {
        let core = format!("{:x}", 1 << cpu);
        let (size, complex) = if cpu < 2 {
            ("98304K", "3")
        } else {
            ("32768K", "c")
        };
        files = files.thread(cpu, &[("package_cpus", "f"), ("core_cpus", core.as_str())]);
        files = files.cache((cpu, 0), ["3", "Unified", size], complex);
    }
    let mib = |mib: u64| Some(mib << 20);
    assert_eq!(
        files.clean().caches,
        [
            cache(3, CacheKind::Unified, mib(96), "0-1"),
            cache(3, CacheKind::Unified, mib(32), "2-3"),
        ]
    );
}
