//! `/sys/devices/system/cpu` of a machine: topology and caches. Owns the kernel's list and mask formats.
//!
//! After `Documentation/ABI/testing/sysfs-devices-system-cpu`. Of each CPU's files those are written that tell which
//! threads, cores, dies, packages and caches belong together, with their sizes; a CPU has twice as many, and a machine
//! two hundred CPUs. Left out are clusters, which no processor here has between core and die, and the ways and sets of
//! caches.

use super::CreateError;
use super::tree::{Alike, Tree};
use crate::model::processor::{Make, Processor};
use crate::model::spec::MachineSpec;

const CPU: &str = "sys/devices/system/cpu";
/// Bytes of a cache line, on every processor here.
const LINE_BYTES: u32 = 64;

/// CPUs as ranges, each (first, last).
type Ranges = [(u32, u32)];

/// Writes every CPU.
pub fn write(tree: &Tree, spec: &MachineSpec) -> Result<(), CreateError> {
    let all = range_list(0, spec.cpu_count() - 1);
    tree.attributes(
        CPU,
        &["online", "possible", "present"].map(|name| (name, all.clone())),
    )?;
    let smt = spec.processor.threads_per_core > 1;
    let (control, active) = if smt {
        ("on", "1")
    } else {
        ("notsupported", "0")
    };
    tree.attributes(
        format!("{CPU}/smt"),
        &[
            ("active", active.to_owned()),
            ("control", control.to_owned()),
        ],
    )?;
    let mut alike = Alike::new(tree);
    for cpu in 0..spec.cpu_count() {
        if cpu > 0 {
            let online = [("online", "1".to_owned())];
            alike.attributes(format!("{CPU}/cpu{cpu}"), &online)?;
        }
        let core = cpu % spec.core_count();
        if core == cpu {
            write_topology(&mut alike, spec, core)?;
            write_caches(&mut alike, spec, core)?;
            continue;
        }
        // What is told of a core's other threads is the same to the letter. Under their names it costs two links
        // where it would be fifty files: a machine's entries are what making and removing it costs.
        for folder in ["topology", "cache"] {
            let first = format!("{CPU}/cpu{core}/{folder}");
            tree.link(format!("{CPU}/cpu{cpu}/{folder}"), first)?;
        }
    }
    Ok(())
}

/// Of a core's first CPU, which has the core's number.
fn write_topology(alike: &mut Alike<'_>, spec: &MachineSpec, core: u32) -> Result<(), CreateError> {
    let socket = core / spec.cores_per_socket;
    let (own, package) = (spec.cpus_of(core, core), spec.node_cpus(socket));
    let (own_mask, own_list) = (mask(spec, &own), list(&own));
    let (package_mask, package_list) = (mask(spec, &package), list(&package));
    let mut attributes = vec![
        ("physical_package_id", socket.to_string()),
        ("core_id", (core % spec.cores_per_socket).to_string()),
        ("thread_siblings", own_mask.clone()),
        ("thread_siblings_list", own_list.clone()),
        ("core_cpus", own_mask),
        ("core_cpus_list", own_list),
        ("core_siblings", package_mask.clone()),
        ("core_siblings_list", package_list.clone()),
        ("package_cpus", package_mask.clone()),
        ("package_cpus_list", package_list.clone()),
    ];
    // 64-bit Arm does not tell of dies (`TOPOLOGY_DIE_SYSFS`); these x86 packages have one each.
    if let Make::X86 { .. } = spec.processor.make {
        attributes.push(("die_id", "0".to_owned()));
        attributes.push(("die_cpus", package_mask));
        attributes.push(("die_cpus_list", package_list));
    }
    alike.attributes(format!("{CPU}/cpu{core}/topology"), &attributes)
}

/// Level, type, KiB, first and last core that share it.
type Cache = (u32, &'static str, u32, u32, u32);

fn caches(spec: &MachineSpec, processor: &Processor, core: u32) -> [Cache; 4] {
    let socket = core / spec.cores_per_socket * spec.cores_per_socket;
    let sharing = processor.l3_cores.min(spec.cores_per_socket);
    let first = socket + (core - socket) / sharing * sharing;
    let last = (first + sharing).min(socket + spec.cores_per_socket) - 1;
    [
        (1, "Data", processor.l1d_kib, core, core),
        (1, "Instruction", processor.l1i_kib, core, core),
        (2, "Unified", processor.l2_kib, core, core),
        (3, "Unified", processor.l3_kib, first, last),
    ]
}

/// Of a core's first CPU.
fn write_caches(alike: &mut Alike<'_>, spec: &MachineSpec, core: u32) -> Result<(), CreateError> {
    for (index, cache) in caches(spec, spec.processor, core).into_iter().enumerate() {
        let (level, kind, kib, first, last) = cache;
        let sharing = spec.cpus_of(first, last);
        let attributes = [
            ("level", level.to_string()),
            ("type", kind.to_owned()),
            ("size", format!("{kib}K")),
            ("coherency_line_size", LINE_BYTES.to_string()),
            // As unique among the caches of a level as its first core is.
            ("id", first.to_string()),
            ("shared_cpu_map", mask(spec, &sharing)),
            ("shared_cpu_list", list(&sharing)),
        ];
        alike.attributes(format!("{CPU}/cpu{core}/cache/index{index}"), &attributes)?;
    }
    Ok(())
}

/// A node's CPUs as `cpulist` prints them.
pub fn cpu_list(spec: &MachineSpec, node: u32) -> String {
    list(&spec.node_cpus(node))
}

/// A node's CPUs as `cpumap` and `local_cpus` print them.
pub fn cpu_mask(spec: &MachineSpec, node: u32) -> String {
    mask(spec, &spec.node_cpus(node))
}

/// CPUs or nodes as the kernel prints a list; an empty one is an empty line.
pub fn list(ranges: &Ranges) -> String {
    let ranges = ranges.iter().map(|&(first, last)| range_list(first, last));
    format!("{}\n", ranges.collect::<Vec<_>>().join(","))
}

/// CPUs as the kernel prints a mask: groups of 32 bits, highest first, that one with as many digits as it has bits for.
fn mask(spec: &MachineSpec, ranges: &Ranges) -> String {
    let mut words = vec![0u32; super::words(spec.cpu_count())];
    for cpu in ranges.iter().flat_map(|&(first, last)| first..=last) {
        words[super::words(cpu + 1) - 1] |= 1 << (cpu % 32);
    }
    let digits = match spec.cpu_count() % 32 {
        0 => 8,
        bits => usize::try_from(bits.div_ceil(4)).unwrap_or(8),
    };
    let mut words = words.iter().rev();
    let first = words.next().map(|word| format!("{word:0digits$x}"));
    let others = words.map(|word| format!("{word:08x}"));
    first
        .into_iter()
        .chain(others)
        .collect::<Vec<_>>()
        .join(",")
}

fn range_list(first: u32, last: u32) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}
