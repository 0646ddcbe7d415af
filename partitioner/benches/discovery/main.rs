//! What reading a host takes: each reader on a generated machine of 256 threads and 137 PCI functions, and on the
//! machine it runs on.
//!
//! `cargo bench -p kerf-partitioner --bench discovery` takes some seconds. A generated tree lies in an ordinary file
//! system, so what the kernel takes to make a file's text up is in the second table alone. CPU time is that of the
//! thread: what a quiet machine would take.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod buses;
mod processors;
mod tree;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use kerf_partitioner::accelerators::accelerators;
use kerf_partitioner::sysfs::{Reader, Root, cpu, devices, nics, numa, nvme, pci};
use kerf_types::inventory::NumaNode;
use kerf_types::map::PciFunction;

const ROUNDS: usize = 300;

/// What was read before, which later readers need.
struct Before {
    nodes: Vec<NumaNode>,
    functions: Vec<PciFunction>,
}

impl Before {
    fn read(reader: &Reader<'_>) -> Self {
        let nodes = numa::nodes(reader);
        let functions = pci::functions(reader, &nodes);
        Self { nodes, functions }
    }
}

/// A reader with its name; what it finds is counted.
type Read = (&'static str, fn(&Reader<'_>, &Before) -> usize);

const READERS: [Read; 7] = [
    ("numa::nodes", |reader, _| numa::nodes(reader).len()),
    ("cpu::cpus", |reader, _| cpu::cpus(reader).caches.len()),
    ("pci::functions", |reader, before| {
        pci::functions(reader, &before.nodes).len()
    }),
    ("devices::devices", |reader, Before { nodes, functions }| {
        devices::devices(reader, functions, nodes).len()
    }),
    (
        "nvme::controllers",
        |reader, Before { nodes, functions }| nvme::controllers(reader, functions, nodes).len(),
    ),
    ("nics::nics", |reader, Before { nodes, functions }| {
        nics::nics(reader, functions, nodes).len()
    }),
    ("all of them", |reader, _| {
        let Before { nodes, functions } = &Before::read(reader);
        let devices = devices::devices(reader, functions, nodes);
        cpu::cpus(reader).caches.len()
            + accelerators(reader, functions, &devices).accelerators.len()
            + nvme::controllers(reader, functions, nodes).len()
            + nics::nics(reader, functions, nodes).len()
    }),
];

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let machine = processors::Machine::LARGE;
    let tree = tree::Tree::new(folder.path());
    processors::write(&tree, machine).expect("the tree");
    buses::write(&tree).expect("the tree");
    let root = Root::open(folder.path()).expect("the tree");
    let reader = Reader::new(&root);
    let cpus = cpu::cpus(&reader);
    assert_eq!(
        (cpus.threads, cpus.cores),
        (Some(machine.threads()), Some(machine.cores()))
    );
    let before = Before::read(&reader);
    assert_eq!(before.functions.len(), buses::FUNCTIONS);
    let guarded = before.functions.iter().filter(|one| one.acs.is_some());
    assert_eq!(guarded.count(), 64, "all but those of the root complexes");
    let counts = READERS.map(|(_, read)| read(&reader, &before));
    assert_eq!(counts[3..6], [40, 8, 8]);
    let odd = reader.into_oddities();
    assert!(odd.is_empty(), "{odd:?}");
    let count = before.functions.len();
    table(
        &format!("{} threads, {count} functions", machine.threads()),
        folder.path(),
    );
    table("this machine", Path::new("/"));
    // A dump that was unpacked before, such as those of hwloc's tests.
    if let Some(dump) = std::env::var_os("KERF_DUMP") {
        table("the dump", Path::new(&dump));
    }
}

fn table(name: &str, path: &Path) {
    println!(
        "{name:28} {:>10} {:>10} {:>10} {:>10}   microseconds",
        "p50", "p99", "max", "CPU p50"
    );
    let root = Root::open(path).expect("a root");
    let before = Before::read(&Reader::new(&root));
    for (name, read) in READERS {
        let (mut times, mut busy): (Vec<Duration>, Vec<Duration>) = Default::default();
        for _ in 0..ROUNDS {
            let reader = Reader::new(&root);
            let (begun, used) = (Instant::now(), cpu_time());
            black_box(read(&reader, &before));
            times.push(begun.elapsed());
            busy.push(cpu_time().saturating_sub(used));
        }
        let [p50, p99, max] = [50, 99, 100].map(|percent| at(&mut times, percent));
        let cpu = at(&mut busy, 50);
        println!("{name:28} {p50:10.1} {p99:10.1} {max:10.1} {cpu:10.1}");
    }
}

/// What this thread has used of a processor.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("not negative")
}

/// A percentile in microseconds.
fn at(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let place = (times.len() * percent / 100).min(times.len() - 1);
    times[place].as_secs_f64() * 1e6
}
