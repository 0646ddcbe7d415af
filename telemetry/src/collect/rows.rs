//! Entities with their label text, each once: a page with one series twice is refused as a whole by
//! Prometheus, so what the caller gives twice is dropped here.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::sample::{GpuSample, SliceSample};
use kerf_types::{CiId, GiId, GpuUuid};

use crate::labels::Labels;
use crate::snapshot::{GpuEntry, SliceEntry, Snapshot};

/// A GPU.
pub(super) struct GpuRow<'a> {
    pub(super) entry: &'a GpuEntry,
    pub(super) labels: Labels,
}

/// A slice.
pub(super) struct SliceRow<'a> {
    pub(super) entry: &'a SliceEntry,
    pub(super) labels: Labels,
    /// The parent, if the snapshot has it.
    pub(super) parent: Option<&'a GpuEntry>,
    /// What was read last, if the parent still answers.
    pub(super) reading: Option<&'a SliceSample>,
    /// Processes on it, known with the reading.
    pub(super) processes: Option<u64>,
    /// Whether the memory of the GPU instance is shown on this compute instance.
    pub(super) shows_memory: bool,
}

/// All entities of a page.
pub(super) struct Rows<'a> {
    pub(super) gpus: Vec<GpuRow<'a>>,
    pub(super) slices: Vec<SliceRow<'a>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let mut parents = BTreeMap::new();
        let mut gpus = Vec::with_capacity(snapshot.gpus.len());
        for entry in &snapshot.gpus {
            if parents.contains_key(&entry.uuid) {
                continue;
            }
            parents.insert(&entry.uuid, entry);
            let labels = Labels::none().with("gpu_uuid", &entry.uuid);
            gpus.push(GpuRow { entry, labels });
        }
        let slices = slices(&snapshot.slices, &parents);
        Self { gpus, slices }
    }
}

fn slices<'a>(
    entries: &'a [SliceEntry],
    parents: &BTreeMap<&GpuUuid, &'a GpuEntry>,
) -> Vec<SliceRow<'a>> {
    let lowest = lowest_compute_instances(entries);
    let mut seen = BTreeSet::new();
    let first = entries.iter().filter(move |entry| {
        let life = (entry.gi, entry.ci, entry.generation);
        seen.insert((&entry.gpu, &entry.uuid, life))
    });
    let row = |entry: &'a SliceEntry| {
        let parent = parents.get(&entry.gpu).copied();
        let sample = parent.and_then(GpuEntry::live_sample);
        let reading = sample.and_then(|sample| reading(sample, entry));
        let processes = sample.filter(|_| reading.is_some());
        SliceRow {
            entry,
            labels: slice_labels(entry),
            parent,
            reading,
            processes: processes.map(|sample| processes_on(sample, entry)),
            shows_memory: lowest.get(&instance(entry)) == Some(&entry.ci),
        }
    };
    first.map(row).collect()
}

/// A GPU instance in one life.
type Instance<'a> = (&'a GpuUuid, GiId, u64);

fn instance(entry: &SliceEntry) -> Instance<'_> {
    (&entry.gpu, entry.gi, entry.generation)
}

fn lowest_compute_instances(entries: &[SliceEntry]) -> BTreeMap<Instance<'_>, Option<CiId>> {
    let mut lowest = BTreeMap::new();
    for entry in entries {
        let ci = lowest.entry(instance(entry)).or_insert(entry.ci);
        *ci = entry.ci.min(*ci);
    }
    lowest
}

/// The reading of this slice. The UUID must match as well: the ids alone may be those of a slice that
/// was made in the same place after the sample was taken.
fn reading<'a>(sample: &'a GpuSample, entry: &SliceEntry) -> Option<&'a SliceSample> {
    let (ci, uuid) = (entry.ci?, entry.uuid.as_ref()?);
    let mut readings = sample.slices.iter();
    readings.find(|reading| (reading.gi, reading.ci, &reading.uuid) == (entry.gi, ci, uuid))
}

fn processes_on(sample: &GpuSample, entry: &SliceEntry) -> u64 {
    let here = (Some(entry.gi), entry.ci);
    let on_it = sample.processes.iter().filter(|p| (p.gi, p.ci) == here);
    on_it.fold(0, |count, _| count + 1)
}

fn slice_labels(entry: &SliceEntry) -> Labels {
    let mut labels = Labels::none();
    labels.push("gpu_uuid", &entry.gpu);
    labels.push("gi", entry.gi);
    labels.push_some("ci", entry.ci);
    labels.push_some("profile", entry.profile.as_ref());
    labels.push_some("mig_uuid", entry.uuid.as_ref());
    labels.push("generation", entry.generation);
    labels
}
