//! The processors and NUMA nodes of a generated server: two threads a core, eight cores to a third-level cache.

use std::io;

use super::tree::Tree;

const CPUS: &str = "sys/devices/system/cpu";
const NODES: &str = "sys/devices/system/node";
/// Cores that share a cache of the third level.
const COMPLEX: u32 = 8;

/// What a server has.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Sockets.
    pub packages: u32,
    /// Cores of each.
    pub cores: u32,
    /// NUMA nodes of each.
    pub nodes: u32,
}

impl Machine {
    /// Two sockets of 64 cores: 256 threads.
    pub const LARGE: Self = Self {
        packages: 2,
        cores: 64,
        nodes: 4,
    };

    /// Cores of all sockets.
    pub fn cores(self) -> u32 {
        self.packages * self.cores
    }

    /// Threads of all sockets; the second thread of core N is N + cores.
    pub fn threads(self) -> u32 {
        2 * self.cores()
    }
}

/// Writes them.
pub fn write(tree: &Tree, machine: Machine) -> io::Result<()> {
    let all = format!("0-{}", machine.threads() - 1);
    for file in ["online", "present", "possible"] {
        tree.file(&format!("{CPUS}/{file}"), &all)?;
    }
    tree.file(&format!("{CPUS}/offline"), "")?;
    for cpu in 0..machine.threads() {
        topology(tree, machine, cpu)?;
        caches(tree, machine, cpu)?;
    }
    nodes(tree, machine)?;
    tree.file("proc/sys/kernel/arch", "x86_64")?;
    tree.file("proc/cpuinfo", info(machine))
}

/// Both threads of the cores from `first`: as a list and as a mask.
fn group(machine: Machine, first: u32, cores: u32) -> (String, String) {
    let run = |first: u32| match cores {
        1 => first.to_string(),
        _ => format!("{first}-{}", first + cores - 1),
    };
    let list = format!("{},{}", run(first), run(first + machine.cores()));
    let mut words = vec![0_u32; usize::try_from(machine.threads().div_ceil(32)).expect("small")];
    for core in first..first + cores {
        for cpu in [core, core + machine.cores()] {
            words[usize::try_from(cpu / 32).expect("small")] |= 1 << (cpu % 32);
        }
    }
    let mask = words.iter().rev().map(|word| format!("{word:08x}"));
    (list, mask.collect::<Vec<_>>().join(","))
}

fn topology(tree: &Tree, machine: Machine, cpu: u32) -> io::Result<()> {
    let folder = format!("{CPUS}/cpu{cpu}/topology");
    let core = cpu % machine.cores();
    let package = core / machine.cores;
    let whole = group(machine, package * machine.cores, machine.cores);
    let own = group(machine, core, 1);
    for (name, (list, mask)) in [
        ("package_cpus", &whole),
        ("core_siblings", &whole),
        ("die_cpus", &whole),
        ("cluster_cpus", &own),
        ("core_cpus", &own),
        ("thread_siblings", &own),
    ] {
        tree.file(&format!("{folder}/{name}"), mask)?;
        tree.file(&format!("{folder}/{name}_list"), list)?;
    }
    tree.file(&format!("{folder}/physical_package_id"), package)?;
    tree.file(&format!("{folder}/die_id"), 0)?;
    tree.file(&format!("{folder}/core_id"), core % machine.cores)
}

fn caches(tree: &Tree, machine: Machine, cpu: u32) -> io::Result<()> {
    let core = cpu % machine.cores();
    let own = group(machine, core, 1);
    let complex = group(machine, core / COMPLEX * COMPLEX, COMPLEX);
    for (index, (level, kind, size, (list, mask))) in [
        (1, "Data", "32K", &own),
        (1, "Instruction", "32K", &own),
        (2, "Unified", "1024K", &own),
        (3, "Unified", "32768K", &complex),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = format!("{CPUS}/cpu{cpu}/cache/index{index}");
        tree.file(&format!("{folder}/level"), level)?;
        tree.file(&format!("{folder}/type"), kind)?;
        tree.file(&format!("{folder}/size"), size)?;
        tree.file(&format!("{folder}/shared_cpu_map"), mask)?;
        tree.file(&format!("{folder}/shared_cpu_list"), list)?;
    }
    Ok(())
}

fn nodes(tree: &Tree, machine: Machine) -> io::Result<()> {
    let count = machine.packages * machine.nodes;
    let cores = machine.cores() / count;
    tree.file(&format!("{NODES}/online"), format_args!("0-{}", count - 1))?;
    for node in 0..count {
        let folder = format!("{NODES}/node{node}");
        let (list, mask) = group(machine, node * cores, cores);
        tree.file(&format!("{folder}/cpulist"), list)?;
        tree.file(&format!("{folder}/cpumap"), mask)?;
        let total = format!("Node {node} MemTotal:       197840128 kB\nNode {node} MemFree: 1 kB");
        tree.file(&format!("{folder}/meminfo"), total)?;
        let distance = |other: u32| match other {
            _ if other == node => "10",
            _ if other / machine.nodes == node / machine.nodes => "12",
            _ => "32",
        };
        let distances: Vec<&str> = (0..count).map(distance).collect();
        tree.file(&format!("{folder}/distance"), distances.join(" "))?;
    }
    Ok(())
}

/// As much text as a server of 2024 has: 1.6 KB for each thread.
fn info(machine: Machine) -> String {
    let some = [
        "fpu",
        "vme",
        "sse4_2",
        "avx2",
        "avx512f",
        "avx512_vnni",
        "avx512_bf16",
        "sev",
    ];
    let other = (0..140).map(|number| format!("feature{number}"));
    let flags = some.map(str::to_owned).into_iter().chain(other);
    let flags = flags.chain(["lm".to_owned()]).collect::<Vec<_>>().join(" ");
    let block = |cpu: u32| {
        format!(
            "processor\t: {cpu}\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel name\t: AMD EPYC 9554 64-Core Processor\n\
             cpu MHz\t\t: 3100.000\ncache size\t: 1024 KB\nflags\t\t: {flags}\nbogomips\t: 6200.00\n"
        )
    };
    (0..machine.threads())
        .map(block)
        .collect::<Vec<_>>()
        .join("\n")
}
