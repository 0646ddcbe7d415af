//! Kinds of cores of a hybrid machine.
//!
//! Owns the two ways in which kernels tell them apart: on x86 a performance monitor per kind
//! (`/sys/devices/cpu_core/cpus`, `cpu_atom`, `cpu_lowpower`), on Arm a capacity per thread (`cpu_capacity`),
//! whose kinds have the names of their cores.
//! Sources: `Documentation/ABI/testing/sysfs-devices-system-cpu` of the kernel (`cpu_capacity`), and the names of the
//! monitors in its `arch/x86/events/intel/core.c`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use kerf_types::map::CoreKind;

use crate::sysfs::Reader;
use crate::sysfs::cpus::CpuSet;

use super::{FOLDER, midr};

/// Monitors of x86, that of the most capable cores first.
const MONITORS: [&str; 3] = ["core", "atom", "lowpower"];

/// What tells the cores of one kind from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Likeness {
    /// Its kind's place among those that are told.
    kind: Option<usize>,
    /// The main id register of Arm: two models may have one capacity.
    register: Option<u64>,
}

/// Kinds of cores, and which core is of which.
#[derive(Debug, Default)]
pub struct Kinds {
    kinds: Vec<(CoreKind, CpuSet)>,
    has_registers: bool,
}

impl Kinds {
    /// Reads them.
    pub fn read(reader: &Reader<'_>, online: &CpuSet, cores: &[CpuSet]) -> Self {
        let monitored = monitored(reader, online);
        let kinds = if monitored.is_empty() {
            by_capacity(reader, cores)
        } else {
            monitored
        };
        let first = online.first();
        Self {
            kinds,
            has_registers: first.is_some_and(|cpu| midr::register(reader, cpu).is_some()),
        }
    }

    /// The most capable first; none where all are alike.
    pub fn told(self) -> Vec<CoreKind> {
        if self.kinds.len() < 2 {
            return Vec::new();
        }
        self.kinds.into_iter().map(|(kind, _)| kind).collect()
    }

    /// What the core of a thread has in common with others: two cores that have the same are of one model.
    pub fn likeness(&self, reader: &Reader<'_>, cpu: u32) -> Likeness {
        let register = self.has_registers.then(|| midr::register(reader, cpu));
        Likeness {
            kind: self.kinds.iter().position(|(_, cpus)| cpus.contains(cpu)),
            register: register.flatten(),
        }
    }
}

fn monitored(reader: &Reader<'_>, online: &CpuSet) -> Vec<(CoreKind, CpuSet)> {
    let kind = |name: &str| {
        let cpus = reader
            .set(&format!("sys/devices/cpu_{name}/cpus"))?
            .and(online);
        let kind = CoreKind {
            cpus: cpus.to_string(),
            name: name.to_owned(),
            capacity: capacity(reader, cpus.first()?),
        };
        Some((kind, cpus))
    };
    MONITORS.into_iter().filter_map(kind).collect()
}

/// Threads of a core are alike, so one of each is asked, and none where the first has no answer.
fn by_capacity(reader: &Reader<'_>, cores: &[CpuSet]) -> Vec<(CoreKind, CpuSet)> {
    let mut kinds: BTreeMap<Reverse<u32>, CpuSet> = BTreeMap::new();
    for core in cores {
        let first = core.first();
        match first.and_then(|cpu| capacity(reader, cpu)) {
            Some(capacity) => kinds.entry(Reverse(capacity)).or_default().join(core),
            None if kinds.is_empty() => break,
            None => {}
        }
    }
    let kind = |(Reverse(capacity), cpus): (Reverse<u32>, CpuSet)| {
        let kind = CoreKind {
            cpus: cpus.to_string(),
            name: midr::model(reader, &cpus).unwrap_or_default(),
            capacity: Some(capacity),
        };
        (kind, cpus)
    };
    kinds.into_iter().map(kind).collect()
}

fn capacity(reader: &Reader<'_>, cpu: u32) -> Option<u32> {
    reader.number(&format!("{FOLDER}/cpu{cpu}/cpu_capacity"))
}
