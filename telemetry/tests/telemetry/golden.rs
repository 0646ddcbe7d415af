//! What a page says, word by word.

use kerf_telemetry::snapshot::MpsEntry;
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
    let page = shown(&world::host(1, 2), Format::OpenMetrics);
    assert_eq!(
        page.trim_end(),
        include_str!("golden/one_gpu_with_two_slices.txt").trim_end()
    );
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

#[test]
fn a_device_that_is_shared_by_mps_shows_its_clients_as_far_as_they_are_known() {
    let device = |gpu, mig, clients: Option<u64>, is_fault| MpsEntry {
        gpu: world::gpu_uuid(gpu),
        mig,
        is_ready: is_fault == Some(false),
        clients,
        is_fault,
    };
    let snapshot = Snapshot {
        mps: vec![
            device(0, None, Some(3), Some(false)),
            device(1, Some(world::mig_uuid(1, 0)), Some(0), Some(true)),
            device(2, None, None, None),
        ],
        ..world::host(3, 1)
    };
    let page = shown(&snapshot, Format::Classic);
    let lines = page.lines().filter(|line| line.starts_with("kerf_mps_"));
    let lines: Vec<&str> = lines.collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    kerf_mps_ready{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 1
    kerf_mps_ready{gpu_uuid="GPU-00000000-0000-4000-8000-000000000001",mig_uuid="MIG-00000000-0000-5000-0000-000000000001"} 0
    kerf_mps_ready{gpu_uuid="GPU-00000000-0000-4000-8000-000000000002"} 0
    kerf_mps_clients{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 3
    kerf_mps_clients{gpu_uuid="GPU-00000000-0000-4000-8000-000000000001",mig_uuid="MIG-00000000-0000-5000-0000-000000000001"} 0
    kerf_mps_server_fault{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 0
    kerf_mps_server_fault{gpu_uuid="GPU-00000000-0000-4000-8000-000000000001",mig_uuid="MIG-00000000-0000-5000-0000-000000000001"} 1
    "#);
}
