//! Parts of pages that have a meaning of their own: formats, names, health.

use kerf_telemetry::Format;
use kerf_types::{Health, Timestamp};

use crate::text::{about, blocks, page};
use crate::world;

#[test]
fn both_formats_have_the_same_samples() {
    let snapshot = world::host(2, 3);
    let samples = |format| {
        let page = page(&snapshot, format);
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(samples(Format::Classic), samples(Format::OpenMetrics));
}

#[test]
fn classic_comments() {
    let page = page(&world::host(1, 1), Format::Classic);
    assert!(!page.contains("# UNIT"));
    assert!(!page.contains("# EOF"));
    insta::assert_snapshot!(about(&page, "kerf_gpu_energy_joules"), @r#"
    # HELP kerf_gpu_energy_joules_total Energy since the driver was loaded.
    # TYPE kerf_gpu_energy_joules_total counter
    kerf_gpu_energy_joules_total{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 1234567.89
    "#);
    insta::assert_snapshot!(about(&page, "kerf_build"), @r#"
    # HELP kerf_build_info The running kerf.
    # TYPE kerf_build_info gauge
    kerf_build_info{version="0.1.0"} 1
    "#);
}

#[test]
fn names_of_jobs_appear_only_where_they_are_allowed() {
    let mut snapshot = world::host(1, 1);
    for format in [Format::Classic, Format::OpenMetrics] {
        let page = page(&snapshot, format);
        for name in ["train-0", "secret-project", "physics", "job_id", "tenant"] {
            assert!(!page.contains(name), "{name}");
        }
    }
    snapshot.allow_names = true;
    let page = page(&snapshot, Format::Classic);
    insta::assert_snapshot!(about(&page, "kerf_lease_info"), @r#"
    # HELP kerf_lease_info A lease and a device that it is about; mig_uuid is absent for a whole GPU.
    # TYPE kerf_lease_info gauge
    kerf_lease_info{lease_id="0199c82c-c1f4-7000-8000-000000000000",gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",mig_uuid="MIG-00000000-0000-5000-0000-000000000000",container_id="kerf/train-0",job_id="0199c82c-c1f4-7000-8000-000000000000",image="registry.example/secret-project:1",tenant="physics"} 1
    "#);
    insta::assert_snapshot!(about(&page, "kerf_tenant_jobs"), @r#"
    # HELP kerf_tenant_jobs Jobs by tenant and state; only where names are allowed.
    # TYPE kerf_tenant_jobs gauge
    kerf_tenant_jobs{tenant="physics",state="running"} 2
    "#);
}

#[test]
fn hostile_names_stay_inside_their_quotes() {
    let mut snapshot = world::host(1, 0);
    snapshot.gpus[0].name = "H100\"} 1\nkerf_fake{a=\"\\".to_owned();
    let page = page(&snapshot, Format::Classic);
    assert!(!blocks(&page).contains_key("kerf_fake"));
    assert!(
        page.contains(r#"name="H100\"} 1\nkerf_fake{a=\"\\","#),
        "{page}"
    );
}

#[test]
fn health_is_a_value() {
    let since = Timestamp(world::NOW.0 - 5_000);
    let states = [
        Health::Ok,
        Health::Xid { since, code: 79 },
        Health::Unresponsive {
            since,
            operation: "observe".to_owned(),
        },
        Health::Lost { since },
        Health::ResetRequired { since },
        Health::Maintenance { since },
    ];
    let mut snapshot = world::host(6, 0);
    for (gpu, health) in snapshot.gpus.iter_mut().zip(states) {
        gpu.health = health;
    }
    let page = page(&snapshot, Format::Classic);
    insta::assert_snapshot!(about(&page, "kerf_gpu_health"), @r#"
    # HELP kerf_gpu_health How the GPU is: 0 well, 1 reported a critical error (XID), 2 does not answer, 3 lost, 4 needs a reset, 5 in maintenance.
    # TYPE kerf_gpu_health gauge
    kerf_gpu_health{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 0
    kerf_gpu_health{gpu_uuid="GPU-00000000-0000-4000-8000-000000000001"} 1
    kerf_gpu_health{gpu_uuid="GPU-00000000-0000-4000-8000-000000000002"} 2
    kerf_gpu_health{gpu_uuid="GPU-00000000-0000-4000-8000-000000000003"} 3
    kerf_gpu_health{gpu_uuid="GPU-00000000-0000-4000-8000-000000000004"} 4
    kerf_gpu_health{gpu_uuid="GPU-00000000-0000-4000-8000-000000000005"} 5
    # HELP kerf_gpu_health_since_timestamp_seconds Since when the GPU is not well, since 1970; absent while it is well.
    # TYPE kerf_gpu_health_since_timestamp_seconds gauge
    kerf_gpu_health_since_timestamp_seconds{gpu_uuid="GPU-00000000-0000-4000-8000-000000000001"} 1759999995.5
    kerf_gpu_health_since_timestamp_seconds{gpu_uuid="GPU-00000000-0000-4000-8000-000000000002"} 1759999995.5
    kerf_gpu_health_since_timestamp_seconds{gpu_uuid="GPU-00000000-0000-4000-8000-000000000003"} 1759999995.5
    kerf_gpu_health_since_timestamp_seconds{gpu_uuid="GPU-00000000-0000-4000-8000-000000000004"} 1759999995.5
    kerf_gpu_health_since_timestamp_seconds{gpu_uuid="GPU-00000000-0000-4000-8000-000000000005"} 1759999995.5
    "#);
}
