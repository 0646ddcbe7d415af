//! Caches, each once, from each thread's `cache/index<N>` folders.
//!
//! Owns which of the many files are read. Which threads share a cache is read of every cache, at its first thread.
//! What it is (level, kind, size) is read of every cache that several cores share; one that a core has for itself is
//! what the first core of the same model has at that index. On 128 cores that is 1,100 files fewer.
//! Source: `Documentation/ABI/testing/sysfs-devices-system-cpu` of the kernel (`cache/index*`).

use std::collections::BTreeMap;

use kerf_types::map::{Cache, CacheKind};

use crate::sysfs::Reader;
use crate::sysfs::cpus::CpuSet;

use super::FOLDER;
use super::groups::{Covered, Form, set};
use super::kinds::{Kinds, Likeness};

/// Most caches of one thread; real ones have up to five.
const INDEX_LIMIT: usize = 16;

/// What a cache is.
#[derive(Debug, Clone, Copy)]
struct Shape {
    level: u32,
    kind: CacheKind,
    bytes: Option<u64>,
}

/// What is known of the caches so far.
struct Found<'a> {
    reader: &'a Reader<'a>,
    online: &'a CpuSet,
    /// With the threads, for the order.
    caches: Vec<(Shape, CpuSet)>,
    /// By index: the threads whose cache is known.
    covered: Vec<Covered>,
    /// Caches that a core has for itself, by model and index, where all of it is known.
    own: BTreeMap<(Likeness, usize), Shape>,
    /// How many caches each thread of a model has.
    counts: BTreeMap<Likeness, usize>,
}

/// By level, kind and first thread.
pub fn read(reader: &Reader<'_>, online: &CpuSet, cores: &[CpuSet], kinds: &Kinds) -> Vec<Cache> {
    let mut found = Found {
        reader,
        online,
        caches: Vec::new(),
        covered: (0..INDEX_LIMIT).map(|_| Covered::default()).collect(),
        own: BTreeMap::new(),
        counts: BTreeMap::new(),
    };
    let mut seen = Covered::default();
    for core in cores {
        seen.add(core);
        let Some(first) = core.first() else { continue };
        let likeness = kinds.likeness(reader, first);
        for cpu in core.iter() {
            found.read(cpu, Some((core, likeness)));
        }
    }
    // Where the kernel names no core, nothing is alike.
    for cpu in online.iter().filter(|cpu| !seen.has(*cpu)) {
        found.read(cpu, None);
    }
    let mut caches = found.caches;
    caches.sort_by_key(|(shape, cpus)| (shape.level, shape.kind, cpus.first()));
    let cache = |(shape, cpus): (Shape, CpuSet)| Cache {
        level: shape.level,
        kind: shape.kind,
        bytes: shape.bytes,
        cpus: cpus.to_string(),
    };
    caches.into_iter().map(cache).collect()
}

impl Found<'_> {
    /// Reads the caches of a thread that are not known. A thread of a model that was read has as many as that one.
    fn read(&mut self, cpu: u32, core: Option<(&CpuSet, Likeness)>) {
        let known = core.and_then(|(_, likeness)| self.counts.get(&likeness).copied());
        let mut count = 0;
        for index in 0..known.unwrap_or(INDEX_LIMIT) {
            if !self.is_covered(index, cpu) && !self.at(cpu, index, core) {
                break;
            }
            count = index + 1;
        }
        if let (None, Some((_, likeness)), 1..) = (known, core, count) {
            self.counts.insert(likeness, count);
        }
    }

    fn is_covered(&self, index: usize, cpu: u32) -> bool {
        self.covered
            .get(index)
            .is_some_and(|covered| covered.has(cpu))
    }

    /// Reads a thread's cache at an index; whether it has one.
    fn at(&mut self, cpu: u32, index: usize, core: Option<(&CpuSet, Likeness)>) -> bool {
        let folder = format!("{FOLDER}/cpu{cpu}/cache/index{index}");
        let Some(covered) = self.covered.get_mut(index) else {
            return false;
        };
        let Some(named) = shared(self.reader, &folder) else {
            return false;
        };
        let named = named.and(self.online);
        if let Some(cpus) = covered.group(self.reader, &folder, cpu, &named, "cache") {
            let is_own = |(core, _): &(&CpuSet, Likeness)| cpus.without(core).is_empty();
            let own = core.filter(is_own).map(|(_, likeness)| (likeness, index));
            let shape = self.shape(&folder, own);
            self.caches.extend(shape.map(|shape| (shape, cpus)));
        }
        true
    }

    fn shape(&mut self, folder: &str, own: Option<(Likeness, usize)>) -> Option<Shape> {
        if let Some(shape) = own.and_then(|own| self.own.get(&own)) {
            return Some(*shape);
        }
        let shape = shape(self.reader, folder)?;
        if let (Some(own), Some(_)) = (own, shape.bytes) {
            self.own.insert(own, shape);
        }
        Some(shape)
    }
}

/// The threads that share a cache. The mask comes first: old lists could be cut (see [`super::groups::Level`]).
fn shared(reader: &Reader<'_>, folder: &str) -> Option<CpuSet> {
    set(reader, &format!("{folder}/shared_cpu_map"), Form::Mask)
        .or_else(|| set(reader, &format!("{folder}/shared_cpu_list"), Form::List))
}

/// A cache without a level or kind is none that could be told from another.
fn shape(reader: &Reader<'_>, folder: &str) -> Option<Shape> {
    let size = reader.parsed(&format!("{folder}/size"), "a size", bytes);
    Some(Shape {
        level: reader.number(&format!("{folder}/level"))?,
        kind: reader.parsed(&format!("{folder}/type"), "a kind of cache", kind)?,
        bytes: size.flatten(),
    })
}

fn kind(word: &str) -> Option<CacheKind> {
    match word {
        "Data" => Some(CacheKind::Data),
        "Instruction" => Some(CacheKind::Instruction),
        "Unified" => Some(CacheKind::Unified),
        _ => None,
    }
}

/// `32K`, where K is 1,024 bytes. `0K` is written where firmware does not say.
fn bytes(text: &str) -> Option<Option<u64>> {
    let kibibytes: u64 = text.strip_suffix('K')?.parse().ok()?;
    let bytes = kibibytes.checked_mul(1_024)?;
    Some(Some(bytes).filter(|bytes| *bytes > 0))
}
