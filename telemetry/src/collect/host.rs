//! The host's own series.

use crate::degraded;
use crate::families::host as families;
use crate::labels::Labels;
use crate::page::{Page, Value};
use crate::snapshot::Snapshot;

/// Writes the families of the host.
pub(super) fn write(snapshot: &Snapshot, gpus: usize, page: &mut Page) {
    let host = &snapshot.host;
    page.family(&families::BUILD_INFO, |samples| {
        let labels = Labels::none().with("version", &snapshot.kerf_version);
        samples.add(&labels, true);
    });
    page.family(&families::HOST_INFO, |samples| {
        let labels = Labels::none()
            .with("hostname", &host.hostname)
            .with_some("boot_id", host.boot_id.as_ref())
            .with_some("kernel", host.kernel.as_ref());
        samples.add(&labels, true);
    });
    page.single(&families::BOOT_TIME, host.booted);
    let [one, five, fifteen] = host.load.map_or([None; 3], |load| load.map(Some));
    page.single(&families::LOAD1, one);
    page.single(&families::LOAD5, five);
    page.single(&families::LOAD15, fifteen);
    page.single(&families::CPUS, host.cpus);
    page.single(&families::MEMORY_TOTAL, host.memory_total);
    page.single(&families::MEMORY_AVAILABLE, host.memory_available);
    page.single(&families::GPUS, Some(count(gpus)));
    page.single(&families::PROBLEMS, Some(host.inventory_problems));
    let reasons = degraded::reasons(snapshot).len();
    page.single(&families::DEGRADED_REASONS, Some(count(reasons)));
}

fn count(number: usize) -> Value {
    Value::Whole(u64::try_from(number).unwrap_or(u64::MAX))
}
