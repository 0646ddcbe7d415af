//! Families about the host and about kerf as a whole.

use super::families;

families! {
    BUILD_INFO: Info "kerf_build_info" - ["version"]
        "The running kerf.";
    HOST_INFO: Info "kerf_host_info" - ["hostname", "boot_id", "kernel"]
        "The host; a new boot_id is a reboot.";
    BOOT_TIME: Gauge "kerf_host_boot_time_seconds" "seconds" []
        "When the host was booted, since 1970.";
    LOAD1: Gauge "kerf_host_load1" - []
        "Load average over one minute.";
    LOAD5: Gauge "kerf_host_load5" - []
        "Load average over five minutes.";
    LOAD15: Gauge "kerf_host_load15" - []
        "Load average over fifteen minutes.";
    CPUS: Gauge "kerf_host_cpus" - []
        "CPUs that are online.";
    MEMORY_TOTAL: Gauge "kerf_host_memory_total_bytes" "bytes" []
        "Main memory.";
    MEMORY_AVAILABLE: Gauge "kerf_host_memory_available_bytes" "bytes" []
        "Main memory that can be had without swapping.";
    GPUS: Gauge "kerf_host_gpus" - []
        "GPUs that kerf knows of, lost ones included.";
    PROBLEMS: Gauge "kerf_host_inventory_problems" - []
        "Parts of the inventory that could not be read; kerf discover names them.";
    DEGRADED_REASONS: Gauge "kerf_degraded_reasons" - []
        "Reasons why this host is not wholly well; kerf status and /readyz name them.";
}
