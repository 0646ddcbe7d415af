//! Families about whole GPUs. The UUID is the one label of a value, because an index moves when another
//! GPU drops out; join with `kerf_gpu_info` for the rest.

use super::families;

families! {
    INFO: Info "kerf_gpu_info" - ["gpu_uuid", "index", "pci", "minor", "name", "architecture", "numa_node"]
        "A GPU that kerf knows of, also while it is lost.";
    HEALTH: Gauge "kerf_gpu_health" - ["gpu_uuid"]
        "How the GPU is: 0 well, 1 reported a critical error (XID), 2 does not answer, 3 lost, 4 needs a reset, 5 in maintenance.";
    HEALTH_SINCE: Gauge "kerf_gpu_health_since_timestamp_seconds" "seconds" ["gpu_uuid"]
        "Since when the GPU is not well, since 1970; absent while it is well.";
    LAST_XID: Gauge "kerf_gpu_last_xid" - ["gpu_uuid"]
        "Code of the newest XID since the driver worker started; absent if there was none.";
    MIG_ENABLED: Gauge "kerf_gpu_mig_enabled" - ["gpu_uuid"]
        "1 while MIG is on; absent where the GPU has no MIG.";
    MIG_CHANGE_PENDING: Gauge "kerf_gpu_mig_change_pending" - ["gpu_uuid"]
        "1 while a change of the MIG mode waits for a GPU reset; absent where the GPU has no MIG.";
    TEMPERATURE: Gauge "kerf_gpu_temperature_celsius" "celsius" ["gpu_uuid"]
        "Temperature of the core.";
    MEMORY_TEMPERATURE: Gauge "kerf_gpu_memory_temperature_celsius" "celsius" ["gpu_uuid"]
        "Temperature of the memory.";
    POWER: Gauge "kerf_gpu_power_watts" "watts" ["gpu_uuid"]
        "Power that the GPU draws.";
    POWER_LIMIT: Gauge "kerf_gpu_power_limit_watts" "watts" ["gpu_uuid"]
        "Power limit in force.";
    ENERGY: Counter "kerf_gpu_energy_joules_total" "joules" ["gpu_uuid"]
        "Energy since the driver was loaded.";
    SM_CLOCK: Gauge "kerf_gpu_sm_clock_hertz" "hertz" ["gpu_uuid"]
        "Clock of the SMs.";
    MEMORY_CLOCK: Gauge "kerf_gpu_memory_clock_hertz" "hertz" ["gpu_uuid"]
        "Clock of the memory.";
    UTILIZATION: Gauge "kerf_gpu_utilization_ratio" "ratio" ["gpu_uuid"]
        "Share of time with a kernel running, 0 to 1; NVIDIA does not tell it while MIG is on.";
    MEMORY_UTILIZATION: Gauge "kerf_gpu_memory_utilization_ratio" "ratio" ["gpu_uuid"]
        "Share of time that memory was read or written, 0 to 1; not told while MIG is on.";
    SM_ACTIVITY: Gauge "kerf_gpu_sm_activity_ratio" "ratio" ["gpu_uuid"]
        "Share of the SMs that were busy on average, 0 to 1 (Hopper and later).";
    MEMORY_USED: Gauge "kerf_gpu_memory_used_bytes" "bytes" ["gpu_uuid"]
        "Memory in use.";
    MEMORY_TOTAL: Gauge "kerf_gpu_memory_total_bytes" "bytes" ["gpu_uuid"]
        "Memory in all.";
    ECC_CORRECTED: Counter "kerf_gpu_ecc_corrected_errors_total" - ["gpu_uuid"]
        "Corrected ECC errors since the driver was loaded.";
    ECC_UNCORRECTED: Counter "kerf_gpu_ecc_uncorrected_errors_total" - ["gpu_uuid"]
        "Uncorrected ECC errors since the driver was loaded.";
    PCIE_REPLAYS: Counter "kerf_gpu_pcie_replays_total" - ["gpu_uuid"]
        "PCIe packets sent again since the driver was loaded.";
    CLOCK_EVENT: Gauge "kerf_gpu_clock_event_active" - ["gpu_uuid", "reason"]
        "1 while this reason holds the clocks down; every reason has a series.";
    PROCESSES: Gauge "kerf_gpu_processes" - ["gpu_uuid"]
        "Processes that hold the GPU or one of its slices.";
    PCIE_GENERATION: Gauge "kerf_gpu_pcie_link_generation" - ["gpu_uuid"]
        "PCIe generation of the link now; an idle GPU lowers it.";
    PCIE_MAX_GENERATION: Gauge "kerf_gpu_pcie_link_max_generation" - ["gpu_uuid"]
        "Highest PCIe generation of the link.";
    PCIE_WIDTH: Gauge "kerf_gpu_pcie_link_width" - ["gpu_uuid"]
        "PCIe lanes in use now.";
    PCIE_MAX_WIDTH: Gauge "kerf_gpu_pcie_link_max_width" - ["gpu_uuid"]
        "Most PCIe lanes of the link.";
    NVLINKS: Gauge "kerf_gpu_nvlinks" - ["gpu_uuid"]
        "NVLinks that the GPU has.";
    NVLINKS_ACTIVE: Gauge "kerf_gpu_nvlinks_active" - ["gpu_uuid"]
        "NVLinks that are up.";
    SAMPLE_CALLS: Gauge "kerf_gpu_sample_driver_calls" - ["gpu_uuid"]
        "Driver calls that the last sample took.";
    SAMPLE_DURATION: Gauge "kerf_gpu_sample_duration_seconds" "seconds" ["gpu_uuid"]
        "Time in the driver that the last sample took.";
    UNSUPPORTED: Info "kerf_unsupported_info" -
        ["gpu_uuid", "gi", "ci", "profile", "mig_uuid", "generation", "family"]
        "A family that the driver does not tell for this GPU or slice: why its series is absent.";
}
