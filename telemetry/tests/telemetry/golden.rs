//! What a page says, word by word.

use kerf_telemetry::{Format, Snapshot};

use crate::text::page;
use crate::world;

/// A page without kerfd's own counters, which the registry's tests show.
fn shown(snapshot: &Snapshot, format: Format) -> String {
    let page = page(snapshot, format);
    let own = page
        .find("# HELP kerf_launch_grants")
        .expect("own families");
    let tail = page
        .find("# HELP kerf_scrape_sample_age")
        .unwrap_or(page.len());
    let (before, after) = (page.get(..own), page.get(tail..));
    [before.unwrap_or(""), after.unwrap_or("")].concat()
}

#[test]
fn one_gpu_with_two_slices() {
    insta::assert_snapshot!(shown(&world::host(1, 2), Format::OpenMetrics), @r#"
    # HELP kerf_build The running kerf.
    # TYPE kerf_build info
    kerf_build_info{version="0.1.0"} 1
    # HELP kerf_host The host; a new boot_id is a reboot.
    # TYPE kerf_host info
    kerf_host_info{hostname="node1",boot_id="6b0a8f1e-0000-4000-8000-000000000001",kernel="6.1.0-30-amd64"} 1
    # HELP kerf_host_boot_time_seconds When the host was booted, since 1970.
    # TYPE kerf_host_boot_time_seconds gauge
    # UNIT kerf_host_boot_time_seconds seconds
    kerf_host_boot_time_seconds 1759913600.5
    # HELP kerf_host_load1 Load average over one minute.
    # TYPE kerf_host_load1 gauge
    kerf_host_load1 0.5
    # HELP kerf_host_load5 Load average over five minutes.
    # TYPE kerf_host_load5 gauge
    kerf_host_load5 0.25
    # HELP kerf_host_load15 Load average over fifteen minutes.
    # TYPE kerf_host_load15 gauge
    kerf_host_load15 0.125
    # HELP kerf_host_cpus CPUs that are online.
    # TYPE kerf_host_cpus gauge
    kerf_host_cpus 112
    # HELP kerf_host_memory_total_bytes Main memory.
    # TYPE kerf_host_memory_total_bytes gauge
    # UNIT kerf_host_memory_total_bytes bytes
    kerf_host_memory_total_bytes 549755813888
    # HELP kerf_host_memory_available_bytes Main memory that can be had without swapping.
    # TYPE kerf_host_memory_available_bytes gauge
    # UNIT kerf_host_memory_available_bytes bytes
    kerf_host_memory_available_bytes 536870912000
    # HELP kerf_host_gpus GPUs that kerf knows of, lost ones included.
    # TYPE kerf_host_gpus gauge
    kerf_host_gpus 1
    # HELP kerf_host_inventory_problems Parts of the inventory that could not be read; kerf discover names them.
    # TYPE kerf_host_inventory_problems gauge
    kerf_host_inventory_problems 0
    # HELP kerf_degraded_reasons Reasons why this host is not wholly well; kerf status and /readyz name them.
    # TYPE kerf_degraded_reasons gauge
    kerf_degraded_reasons 0
    # HELP kerf_gpu A GPU that kerf knows of, also while it is lost.
    # TYPE kerf_gpu info
    kerf_gpu_info{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",index="0",pci="0000:1b:00.0",minor="0",name="NVIDIA H100 80GB HBM3",architecture="hopper",numa_node="0"} 1
    # HELP kerf_gpu_health How the GPU is: 0 well, 1 reported a critical error (XID), 2 does not answer, 3 lost.
    # TYPE kerf_gpu_health gauge
    kerf_gpu_health{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 0
    # HELP kerf_gpu_mig_enabled 1 while MIG is on; absent where the GPU has no MIG.
    # TYPE kerf_gpu_mig_enabled gauge
    kerf_gpu_mig_enabled{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 1
    # HELP kerf_gpu_mig_change_pending 1 while a change of the MIG mode waits for a GPU reset; absent where the GPU has no MIG.
    # TYPE kerf_gpu_mig_change_pending gauge
    kerf_gpu_mig_change_pending{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 0
    # HELP kerf_gpu_temperature_celsius Temperature of the core.
    # TYPE kerf_gpu_temperature_celsius gauge
    # UNIT kerf_gpu_temperature_celsius celsius
    kerf_gpu_temperature_celsius{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 34
    # HELP kerf_gpu_memory_temperature_celsius Temperature of the memory.
    # TYPE kerf_gpu_memory_temperature_celsius gauge
    # UNIT kerf_gpu_memory_temperature_celsius celsius
    kerf_gpu_memory_temperature_celsius{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 41
    # HELP kerf_gpu_power_watts Power that the GPU draws.
    # TYPE kerf_gpu_power_watts gauge
    # UNIT kerf_gpu_power_watts watts
    kerf_gpu_power_watts{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 71.62
    # HELP kerf_gpu_power_limit_watts Power limit in force.
    # TYPE kerf_gpu_power_limit_watts gauge
    # UNIT kerf_gpu_power_limit_watts watts
    kerf_gpu_power_limit_watts{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 700
    # HELP kerf_gpu_energy_joules Energy since the driver was loaded.
    # TYPE kerf_gpu_energy_joules counter
    # UNIT kerf_gpu_energy_joules joules
    kerf_gpu_energy_joules_total{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 1234567.89
    # HELP kerf_gpu_sm_clock_hertz Clock of the SMs.
    # TYPE kerf_gpu_sm_clock_hertz gauge
    # UNIT kerf_gpu_sm_clock_hertz hertz
    kerf_gpu_sm_clock_hertz{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 1980000000
    # HELP kerf_gpu_memory_clock_hertz Clock of the memory.
    # TYPE kerf_gpu_memory_clock_hertz gauge
    # UNIT kerf_gpu_memory_clock_hertz hertz
    kerf_gpu_memory_clock_hertz{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 2619000000
    # HELP kerf_gpu_sm_activity_ratio Share of the SMs that were busy on average, 0 to 1 (Hopper and later).
    # TYPE kerf_gpu_sm_activity_ratio gauge
    # UNIT kerf_gpu_sm_activity_ratio ratio
    kerf_gpu_sm_activity_ratio{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 0.125
    # HELP kerf_gpu_memory_used_bytes Memory in use.
    # TYPE kerf_gpu_memory_used_bytes gauge
    # UNIT kerf_gpu_memory_used_bytes bytes
    kerf_gpu_memory_used_bytes{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 633339904
    # HELP kerf_gpu_memory_total_bytes Memory in all.
    # TYPE kerf_gpu_memory_total_bytes gauge
    # UNIT kerf_gpu_memory_total_bytes bytes
    kerf_gpu_memory_total_bytes{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 85899345920
    # HELP kerf_gpu_ecc_corrected_errors Corrected ECC errors since the driver was loaded.
    # TYPE kerf_gpu_ecc_corrected_errors counter
    kerf_gpu_ecc_corrected_errors_total{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 0
    # HELP kerf_gpu_ecc_uncorrected_errors Uncorrected ECC errors since the driver was loaded.
    # TYPE kerf_gpu_ecc_uncorrected_errors counter
    kerf_gpu_ecc_uncorrected_errors_total{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 0
    # HELP kerf_gpu_pcie_replays PCIe packets sent again since the driver was loaded.
    # TYPE kerf_gpu_pcie_replays counter
    kerf_gpu_pcie_replays_total{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 3
    # HELP kerf_gpu_clock_event_active 1 while this reason holds the clocks down; every reason has a series.
    # TYPE kerf_gpu_clock_event_active gauge
    kerf_gpu_clock_event_active{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",reason="gpu_idle"} 1
    kerf_gpu_clock_event_active{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",reason="applications_clocks_setting"} 0
    kerf_gpu_clock_event_active{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",reason="sw_power_cap"} 1
    kerf_gpu_clock_event_active{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",reason="hw_slowdown"} 0
    kerf_gpu_clock_event_active{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",reason="sync_boost"} 0
    kerf_gpu_clock_event_active{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",reason="sw_thermal_slowdown"} 0
    kerf_gpu_clock_event_active{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",reason="hw_thermal_slowdown"} 0
    kerf_gpu_clock_event_active{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",reason="hw_power_brake_slowdown"} 0
    kerf_gpu_clock_event_active{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",reason="display_clock_setting"} 0
    kerf_gpu_clock_event_active{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",reason="other"} 0
    # HELP kerf_gpu_processes Processes that hold the GPU or one of its slices.
    # TYPE kerf_gpu_processes gauge
    kerf_gpu_processes{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 1
    # HELP kerf_gpu_pcie_link_generation PCIe generation of the link now; an idle GPU lowers it.
    # TYPE kerf_gpu_pcie_link_generation gauge
    kerf_gpu_pcie_link_generation{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 4
    # HELP kerf_gpu_pcie_link_max_generation Highest PCIe generation of the link.
    # TYPE kerf_gpu_pcie_link_max_generation gauge
    kerf_gpu_pcie_link_max_generation{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 5
    # HELP kerf_gpu_pcie_link_width PCIe lanes in use now.
    # TYPE kerf_gpu_pcie_link_width gauge
    kerf_gpu_pcie_link_width{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 16
    # HELP kerf_gpu_pcie_link_max_width Most PCIe lanes of the link.
    # TYPE kerf_gpu_pcie_link_max_width gauge
    kerf_gpu_pcie_link_max_width{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 16
    # HELP kerf_gpu_nvlinks NVLinks that the GPU has.
    # TYPE kerf_gpu_nvlinks gauge
    kerf_gpu_nvlinks{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 18
    # HELP kerf_gpu_nvlinks_active NVLinks that are up.
    # TYPE kerf_gpu_nvlinks_active gauge
    kerf_gpu_nvlinks_active{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 18
    # HELP kerf_gpu_sample_driver_calls Driver calls that the last sample took.
    # TYPE kerf_gpu_sample_driver_calls gauge
    kerf_gpu_sample_driver_calls{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 21
    # HELP kerf_gpu_sample_duration_seconds Time in the driver that the last sample took.
    # TYPE kerf_gpu_sample_duration_seconds gauge
    # UNIT kerf_gpu_sample_duration_seconds seconds
    kerf_gpu_sample_duration_seconds{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 0.0015
    # HELP kerf_unsupported A family that the driver does not tell for this GPU or slice: why its series is absent.
    # TYPE kerf_unsupported info
    kerf_unsupported_info{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",family="kerf_gpu_utilization_ratio"} 1
    kerf_unsupported_info{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",family="kerf_gpu_memory_utilization_ratio"} 1
    # HELP kerf_slice A slice that exists; placement is start:size in units of the grid.
    # TYPE kerf_slice info
    kerf_slice_info{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="7",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0000-000000000000",generation="3",pci="0000:1b:00.0",placement="0:1"} 1
    kerf_slice_info{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="8",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0001-000000000000",generation="3",pci="0000:1b:00.0",placement="1:1"} 1
    # HELP kerf_slice_multiprocessors Streaming multiprocessors of the slice.
    # TYPE kerf_slice_multiprocessors gauge
    kerf_slice_multiprocessors{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="7",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0000-000000000000",generation="3"} 16
    kerf_slice_multiprocessors{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="8",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0001-000000000000",generation="3"} 16
    # HELP kerf_slice_memory_used_bytes Memory in use; once per GPU instance, on its lowest compute instance, so that sums are true.
    # TYPE kerf_slice_memory_used_bytes gauge
    # UNIT kerf_slice_memory_used_bytes bytes
    kerf_slice_memory_used_bytes{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="7",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0000-000000000000",generation="3"} 12582912
    kerf_slice_memory_used_bytes{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="8",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0001-000000000000",generation="3"} 12582912
    # HELP kerf_slice_memory_total_bytes Memory in all; once per GPU instance, on its lowest compute instance.
    # TYPE kerf_slice_memory_total_bytes gauge
    # UNIT kerf_slice_memory_total_bytes bytes
    kerf_slice_memory_total_bytes{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="7",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0000-000000000000",generation="3"} 10334765056
    kerf_slice_memory_total_bytes{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="8",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0001-000000000000",generation="3"} 10334765056
    # HELP kerf_slice_sm_activity_ratio Share of the SMs of the slice that were busy on average, 0 to 1 (Hopper and later).
    # TYPE kerf_slice_sm_activity_ratio gauge
    # UNIT kerf_slice_sm_activity_ratio ratio
    kerf_slice_sm_activity_ratio{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="7",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0000-000000000000",generation="3"} 0.5
    kerf_slice_sm_activity_ratio{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="8",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0001-000000000000",generation="3"} 0.5
    # HELP kerf_slice_processes Processes that hold the slice.
    # TYPE kerf_slice_processes gauge
    kerf_slice_processes{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="7",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0000-000000000000",generation="3"} 1
    kerf_slice_processes{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="8",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0001-000000000000",generation="3"} 0
    # HELP kerf_slice_free 1 while nobody has the slice; exactly one of the five states is 1.
    # TYPE kerf_slice_free gauge
    kerf_slice_free{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="7",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0000-000000000000",generation="3"} 0
    kerf_slice_free{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="8",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0001-000000000000",generation="3"} 1
    # HELP kerf_slice_reserved 1 while the slice is promised.
    # TYPE kerf_slice_reserved gauge
    kerf_slice_reserved{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="7",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0000-000000000000",generation="3"} 0
    kerf_slice_reserved{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="8",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0001-000000000000",generation="3"} 0
    # HELP kerf_slice_leased 1 while a container has the slice.
    # TYPE kerf_slice_leased gauge
    kerf_slice_leased{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="7",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0000-000000000000",generation="3"} 1
    kerf_slice_leased{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="8",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0001-000000000000",generation="3"} 0
    # HELP kerf_slice_draining 1 while the slice is made clean or is to go.
    # TYPE kerf_slice_draining gauge
    kerf_slice_draining{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="7",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0000-000000000000",generation="3"} 0
    kerf_slice_draining{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="8",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0001-000000000000",generation="3"} 0
    # HELP kerf_slice_quarantined 1 while the slice waits for an operator because it is not as it should be.
    # TYPE kerf_slice_quarantined gauge
    kerf_slice_quarantined{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="7",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0000-000000000000",generation="3"} 0
    kerf_slice_quarantined{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="8",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0001-000000000000",generation="3"} 0
    # HELP kerf_leases Leases by state; every state has a series.
    # TYPE kerf_leases gauge
    kerf_leases{state="reserved"} 0
    kerf_leases{state="active"} 1
    kerf_leases{state="releasing"} 0
    # HELP kerf_lease A lease and a device that it is about; mig_uuid is absent for a whole GPU.
    # TYPE kerf_lease info
    kerf_lease_info{lease_id="0199c82c-c1f4-7000-8000-000000000000",gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",mig_uuid="MIG-00000000-0000-5000-0000-000000000000"} 1
    # HELP kerf_lease_created_timestamp_seconds When the lease was made, since 1970.
    # TYPE kerf_lease_created_timestamp_seconds gauge
    # UNIT kerf_lease_created_timestamp_seconds seconds
    kerf_lease_created_timestamp_seconds{lease_id="0199c82c-c1f4-7000-8000-000000000000"} 1759999970.5
    # HELP kerf_jobs Jobs that this host knows of, by state; every state has a series.
    # TYPE kerf_jobs gauge
    kerf_jobs{state="pending"} 1
    kerf_jobs{state="starting"} 0
    kerf_jobs{state="running"} 2
    kerf_jobs{state="succeeded"} 0
    kerf_jobs{state="failed"} 0
    kerf_jobs{state="cancelled"} 0
    kerf_jobs{state="lost"} 0
    # HELP kerf_scheduler_pending_jobs Jobs that wait for a slice.
    # TYPE kerf_scheduler_pending_jobs gauge
    kerf_scheduler_pending_jobs 1
    # HELP kerf_scheduler_oldest_pending_seconds How long the oldest waiting job has waited; absent if none waits.
    # TYPE kerf_scheduler_oldest_pending_seconds gauge
    # UNIT kerf_scheduler_oldest_pending_seconds seconds
    kerf_scheduler_oldest_pending_seconds 12.5
    # HELP kerf_driver The NVIDIA driver; absent without one.
    # TYPE kerf_driver info
    kerf_driver_info{version="590.48.01",nvml_version="13.590.48.01",cuda_version="13.1"} 1
    # HELP kerf_driver_unresponsive 1 while the whole driver does not answer.
    # TYPE kerf_driver_unresponsive gauge
    kerf_driver_unresponsive 0
    # HELP kerf_partitioner_abandoned_workers Driver workers that hang in a call and were left behind.
    # TYPE kerf_partitioner_abandoned_workers gauge
    kerf_partitioner_abandoned_workers 0
    # HELP kerf_store_epoch Epoch of the store; it grows when the store is rebuilt.
    # TYPE kerf_store_epoch gauge
    kerf_store_epoch 1
    # HELP kerf_store_corrupt 1 if the store was found corrupt, was put aside and rebuilt.
    # TYPE kerf_store_corrupt gauge
    kerf_store_corrupt 0
    # HELP kerf_store_disk_full 1 while the store cannot be written because the disk is full.
    # TYPE kerf_store_disk_full gauge
    kerf_store_disk_full 0
    # HELP process_cpu_seconds User and system CPU time of kerfd.
    # TYPE process_cpu_seconds counter
    # UNIT process_cpu_seconds seconds
    process_cpu_seconds_total 1.25
    # HELP process_resident_memory_bytes Resident memory of kerfd.
    # TYPE process_resident_memory_bytes gauge
    # UNIT process_resident_memory_bytes bytes
    process_resident_memory_bytes 20971520
    # HELP process_open_fds File descriptors that kerfd has open.
    # TYPE process_open_fds gauge
    process_open_fds 24
    # HELP process_max_fds Most file descriptors that kerfd may have open.
    # TYPE process_max_fds gauge
    process_max_fds 1024
    # HELP process_threads Threads of kerfd.
    # TYPE process_threads gauge
    process_threads 4
    # HELP process_start_time_seconds When kerfd was started, since 1970.
    # TYPE process_start_time_seconds gauge
    # UNIT process_start_time_seconds seconds
    process_start_time_seconds 1759999940.5
    # HELP kerf_scrape_sample_age_seconds Age of the last sample of the GPU when it was scraped; absent before the first.
    # TYPE kerf_scrape_sample_age_seconds gauge
    # UNIT kerf_scrape_sample_age_seconds seconds
    kerf_scrape_sample_age_seconds{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 0.5
    # HELP kerf_scrape_render_age_seconds Age of this page when it was scraped; it grows if the sampling loop of kerfd stops.
    # TYPE kerf_scrape_render_age_seconds gauge
    # UNIT kerf_scrape_render_age_seconds seconds
    kerf_scrape_render_age_seconds 0.25
    # EOF
    "#);
}

#[test]
fn an_empty_host_has_no_made_up_values() {
    let snapshot = Snapshot {
        taken: world::NOW,
        ..Snapshot::default()
    };
    insta::assert_snapshot!(shown(&snapshot, Format::Classic), @r#"
    # HELP kerf_build_info The running kerf.
    # TYPE kerf_build_info gauge
    kerf_build_info{version=""} 1
    # HELP kerf_host_info The host; a new boot_id is a reboot.
    # TYPE kerf_host_info gauge
    kerf_host_info{hostname=""} 1
    # HELP kerf_host_gpus GPUs that kerf knows of, lost ones included.
    # TYPE kerf_host_gpus gauge
    kerf_host_gpus 0
    # HELP kerf_host_inventory_problems Parts of the inventory that could not be read; kerf discover names them.
    # TYPE kerf_host_inventory_problems gauge
    kerf_host_inventory_problems 0
    # HELP kerf_degraded_reasons Reasons why this host is not wholly well; kerf status and /readyz name them.
    # TYPE kerf_degraded_reasons gauge
    kerf_degraded_reasons 0
    # HELP kerf_leases Leases by state; every state has a series.
    # TYPE kerf_leases gauge
    kerf_leases{state="reserved"} 0
    kerf_leases{state="active"} 0
    kerf_leases{state="releasing"} 0
    # HELP kerf_jobs Jobs that this host knows of, by state; every state has a series.
    # TYPE kerf_jobs gauge
    kerf_jobs{state="pending"} 0
    kerf_jobs{state="starting"} 0
    kerf_jobs{state="running"} 0
    kerf_jobs{state="succeeded"} 0
    kerf_jobs{state="failed"} 0
    kerf_jobs{state="cancelled"} 0
    kerf_jobs{state="lost"} 0
    # HELP kerf_scheduler_pending_jobs Jobs that wait for a slice.
    # TYPE kerf_scheduler_pending_jobs gauge
    kerf_scheduler_pending_jobs 0
    # HELP kerf_driver_unresponsive 1 while the whole driver does not answer.
    # TYPE kerf_driver_unresponsive gauge
    kerf_driver_unresponsive 0
    # HELP kerf_partitioner_abandoned_workers Driver workers that hang in a call and were left behind.
    # TYPE kerf_partitioner_abandoned_workers gauge
    kerf_partitioner_abandoned_workers 0
    # HELP kerf_store_corrupt 1 if the store was found corrupt, was put aside and rebuilt.
    # TYPE kerf_store_corrupt gauge
    kerf_store_corrupt 0
    # HELP kerf_store_disk_full 1 while the store cannot be written because the disk is full.
    # TYPE kerf_store_disk_full gauge
    kerf_store_disk_full 0
    "#);
}
