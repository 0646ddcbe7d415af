//! Families about MIG slices. The labels are a slice's live identity and its profile; the generation
//! tells two lives of one place apart, because the driver gives ids and UUIDs again. A GPU instance with
//! several compute instances has series for each, one with none has series without `ci` and `mig_uuid`.

use super::families;

families! {
    INFO: Info "kerf_slice_info" -
        ["gpu_uuid", "gi", "ci", "profile", "mig_uuid", "generation", "pci", "placement"]
        "A slice that exists; placement is start:size in units of the grid.";
    MULTIPROCESSORS: Gauge "kerf_slice_multiprocessors" -
        ["gpu_uuid", "gi", "ci", "profile", "mig_uuid", "generation"]
        "Streaming multiprocessors of the slice.";
    MEMORY_USED: Gauge "kerf_slice_memory_used_bytes" "bytes"
        ["gpu_uuid", "gi", "ci", "profile", "mig_uuid", "generation"]
        "Memory in use; once per GPU instance, on its lowest compute instance, so that sums are true.";
    MEMORY_TOTAL: Gauge "kerf_slice_memory_total_bytes" "bytes"
        ["gpu_uuid", "gi", "ci", "profile", "mig_uuid", "generation"]
        "Memory in all; once per GPU instance, on its lowest compute instance.";
    SM_ACTIVITY: Gauge "kerf_slice_sm_activity_ratio" "ratio"
        ["gpu_uuid", "gi", "ci", "profile", "mig_uuid", "generation"]
        "Share of the SMs of the slice that were busy on average, 0 to 1 (Hopper and later).";
    PROCESSES: Gauge "kerf_slice_processes" -
        ["gpu_uuid", "gi", "ci", "profile", "mig_uuid", "generation"]
        "Processes that hold the slice.";
    FREE: Gauge "kerf_slice_free" -
        ["gpu_uuid", "gi", "ci", "profile", "mig_uuid", "generation"]
        "1 while nobody has the slice; exactly one of the five states is 1.";
    RESERVED: Gauge "kerf_slice_reserved" -
        ["gpu_uuid", "gi", "ci", "profile", "mig_uuid", "generation"]
        "1 while the slice is promised.";
    LEASED: Gauge "kerf_slice_leased" -
        ["gpu_uuid", "gi", "ci", "profile", "mig_uuid", "generation"]
        "1 while a container has the slice.";
    DRAINING: Gauge "kerf_slice_draining" -
        ["gpu_uuid", "gi", "ci", "profile", "mig_uuid", "generation"]
        "1 while the slice is made clean or is to go.";
    QUARANTINED: Gauge "kerf_slice_quarantined" -
        ["gpu_uuid", "gi", "ci", "profile", "mig_uuid", "generation"]
        "1 while the slice waits for an operator because it is not as it should be.";
}
