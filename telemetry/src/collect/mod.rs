//! From a snapshot to the series of a page: one module per kind of thing, one function each.
//!
//! It owns which fact goes to which family and what is left out: sensor values of a GPU that no longer
//! answers, names that are not allowed, entities that are given twice.

mod gpu;
mod host;
mod rows;
mod service;
mod shared;
mod slice;
mod work;

use crate::labels::Labels;
use crate::page::{Page, seconds};
use crate::snapshot::Snapshot;

use rows::Rows;

/// Writes all families that follow from the snapshot, except those of a page's tail.
pub(crate) fn snapshot(snapshot: &Snapshot, page: &mut Page) {
    let rows = Rows::new(snapshot);
    host::write(snapshot, rows.gpus.len(), page);
    gpu::write(&rows, page);
    slice::write(&rows.slices, page);
    shared::write(snapshot, page);
    work::write(snapshot, page);
    service::write(snapshot, page);
}

/// Ages of the GPUs' last samples at the time of the snapshot, in seconds, each with its labels.
pub(crate) fn sample_ages(snapshot: &Snapshot) -> Vec<(Labels, f64)> {
    let rows = Rows::new(snapshot);
    let age = |row: rows::GpuRow<'_>| {
        let taken = row.entry.sample.as_ref()?.taken;
        // A clock that went back makes no sample come from the future.
        let age = snapshot.taken.0.saturating_sub(taken.0);
        Some((row.labels, seconds(age)))
    };
    rows.gpus.into_iter().filter_map(age).collect()
}
