//! Series of the driver, the store and kerfd's process.

use crate::families::service as families;
use crate::labels::Labels;
use crate::page::Page;
use crate::snapshot::Snapshot;

/// Writes the families of driver, worker, store and process.
pub(super) fn write(snapshot: &Snapshot, page: &mut Page) {
    let state = &snapshot.driver;
    page.family(&families::DRIVER_INFO, |samples| {
        if let Some(driver) = &state.driver {
            let labels = Labels::none()
                .with("version", &driver.version)
                .with("nvml_version", &driver.nvml_version)
                .with_some("cuda_version", driver.cuda_version.as_ref());
            samples.add(&labels, true);
        }
    });
    page.single(&families::DRIVER_UNRESPONSIVE, Some(state.unresponsive));
    page.single(&families::ABANDONED_WORKERS, Some(state.abandoned_workers));
    let store = &snapshot.store;
    page.single(&families::STORE_EPOCH, store.epoch);
    page.single(&families::STORE_CORRUPT, Some(store.corrupt));
    page.single(&families::STORE_DISK_FULL, Some(store.disk_full));
    let process = &snapshot.process;
    page.single(&families::PROCESS_CPU, process.cpu_seconds);
    page.single(&families::PROCESS_RESIDENT, process.resident);
    page.single(&families::PROCESS_OPEN_FDS, process.open_fds);
    page.single(&families::PROCESS_MAX_FDS, process.max_fds);
    page.single(&families::PROCESS_THREADS, process.threads);
    page.single(&families::PROCESS_START, process.started);
}
