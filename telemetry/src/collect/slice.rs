//! Series of MIG slices.

use kerf_types::lease::SliceState;
use kerf_types::sample::SliceSample;

use crate::families::{Family, slice as families};
use crate::page::{Page, Value};

use super::rows::SliceRow;

/// One gauge per state rather than one state label: a change of state then changes values, and starts
/// and ends no series; and a sum over any of them counts slices.
static STATES: [(&Family, SliceState); 5] = [
    (&families::FREE, SliceState::Free),
    (&families::RESERVED, SliceState::Reserved),
    (&families::LEASED, SliceState::Leased),
    (&families::DRAINING, SliceState::Draining),
    (&families::QUARANTINED, SliceState::Quarantined),
];

/// Writes the families of slices.
pub(super) fn write(slices: &[SliceRow<'_>], page: &mut Page) {
    page.family(&families::INFO, |samples| {
        for row in slices {
            let labels = row
                .labels
                .clone()
                .with_some("pci", row.parent.map(|parent| parent.pci))
                .with("placement", row.entry.placement);
            samples.add(&labels, true);
        }
    });
    each(page, &families::MULTIPROCESSORS, slices, |row| {
        row.entry.sm_count.map(Value::from)
    });
    each(page, &families::MEMORY_USED, slices, |row| {
        memory(row)?.memory_used.map(Value::from)
    });
    each(page, &families::MEMORY_TOTAL, slices, |row| {
        memory(row)?.memory_total.map(Value::from)
    });
    each(page, &families::SM_ACTIVITY, slices, |row| {
        row.reading?.sm_activity_ratio.map(Value::from)
    });
    each(page, &families::PROCESSES, slices, |row| {
        row.processes.map(Value::from)
    });
    for (family, state) in STATES {
        each(page, family, slices, |row| {
            Some((row.entry.state == state).into())
        });
    }
}

/// The reading that a GPU instance's memory is taken from.
fn memory<'a>(row: &SliceRow<'a>) -> Option<&'a SliceSample> {
    row.reading.filter(|_| row.shows_memory)
}

fn each(
    page: &mut Page,
    family: &'static Family,
    slices: &[SliceRow<'_>],
    read: impl Fn(&SliceRow<'_>) -> Option<Value>,
) {
    page.family(family, |samples| {
        for row in slices {
            samples.add_some(&row.labels, read(row));
        }
    });
}
