//! Families about the state of kerfd and of what it stands on: driver, worker, store, its process.
//! The `process_` names are those that every Prometheus client library uses, and dashboards know.

use super::families;

families! {
    DRIVER_INFO: Info "kerf_driver_info" - ["version", "nvml_version", "cuda_version"]
        "The NVIDIA driver; absent without one.";
    DRIVER_UNRESPONSIVE: Gauge "kerf_driver_unresponsive" - []
        "1 while the whole driver does not answer.";
    ABANDONED_WORKERS: Gauge "kerf_partitioner_abandoned_workers" - []
        "Driver workers that hang in a call and were left behind.";
    STORE_EPOCH: Gauge "kerf_store_epoch" - []
        "Epoch of the store; it grows when the store is rebuilt.";
    STORE_CORRUPT: Gauge "kerf_store_corrupt" - []
        "1 if the store was found corrupt, was put aside and rebuilt.";
    STORE_DISK_FULL: Gauge "kerf_store_disk_full" - []
        "1 while the store cannot be written because the disk is full.";
    PROCESS_CPU: Counter "process_cpu_seconds_total" "seconds" []
        "User and system CPU time of kerfd.";
    PROCESS_RESIDENT: Gauge "process_resident_memory_bytes" "bytes" []
        "Resident memory of kerfd.";
    PROCESS_OPEN_FDS: Gauge "process_open_fds" - []
        "File descriptors that kerfd has open.";
    PROCESS_MAX_FDS: Gauge "process_max_fds" - []
        "Most file descriptors that kerfd may have open.";
    PROCESS_THREADS: Gauge "process_threads" - []
        "Threads of kerfd.";
    PROCESS_START: Gauge "process_start_time_seconds" "seconds" []
        "When kerfd was started, since 1970.";
}
