//! What a page shows when something is gone, old or unknown: nothing rather than something wrong.

use kerf_telemetry::Format;
use kerf_types::inventory::PcieLink;
use kerf_types::lease::SliceState;
use kerf_types::{CiId, GpuUuid, Health, MigMode, Timestamp};

use crate::text::{about, blocks, page};
use crate::world;

/// Names of the families that have a series of this GPU, without those of slices and leases.
fn families_of(page: &str, gpu: &GpuUuid) -> Vec<String> {
    let label = format!("gpu_uuid=\"{gpu}\"");
    let of_gpu = |name: &String| name.starts_with("kerf_gpu") || name.starts_with("kerf_scrape");
    let blocks = blocks(page).into_iter();
    let with_series = blocks.filter(|(_, block)| block.series.iter().any(|s| s.contains(&label)));
    with_series.map(|(name, _)| name).filter(of_gpu).collect()
}

#[test]
fn a_gpu_that_stopped_answering_keeps_no_sensor_value() {
    let since = Timestamp(world::NOW.0 - 9_000);
    let operation = "sample".to_owned();
    for health in [
        Health::Lost { since },
        Health::Unresponsive { since, operation },
        Health::ResetRequired { since },
    ] {
        let mut snapshot = world::host(2, 2);
        snapshot.gpus[1].health = health;
        let text = page(&snapshot, Format::Classic);
        insta::allow_duplicates! {
            insta::assert_debug_snapshot!(families_of(&text, &world::gpu_uuid(1)), @r#"
            [
                "kerf_gpu_health",
                "kerf_gpu_health_since_timestamp_seconds",
                "kerf_gpu_info",
                "kerf_scrape_sample_age_seconds",
            ]
            "#);
        }
        assert!(
            families_of(&text, &world::gpu_uuid(0)).len() > 25,
            "the neighbour is whole"
        );
        let used = about(&text, "kerf_slice_memory_used_bytes{");
        assert!(!used.contains(world::gpu_uuid(1).as_str()), "{used}");
        assert_eq!(about(&text, "kerf_slice_info{").lines().count(), 4);
        assert_eq!(about(&text, "kerf_slice_leased{").lines().count(), 4);
    }
}

#[test]
fn a_reading_of_an_earlier_try_shows_its_age_alone() {
    // The GPU is still held to be well: whoever looks after it has not met it since.
    let mut snapshot = world::host(2, 2);
    snapshot.gpus[1].fresh = false;
    let text = page(&snapshot, Format::Classic);
    let families = families_of(&text, &world::gpu_uuid(1));
    for sensor in [
        "kerf_gpu_temperature_celsius",
        "kerf_gpu_sample_driver_calls",
    ] {
        assert!(!families.contains(&sensor.to_owned()), "{families:?}");
        assert!(
            text.contains(&format!("\n{sensor}{{")),
            "{sensor} of the other"
        );
    }
    assert!(families.contains(&"kerf_scrape_sample_age_seconds".to_owned()));
    // What the inventory knows of it stands.
    assert!(
        families.contains(&"kerf_gpu_nvlinks".to_owned()),
        "{families:?}"
    );
    let used = about(&text, "kerf_slice_memory_used_bytes{");
    assert!(!used.contains(world::gpu_uuid(1).as_str()), "{used}");
}

#[test]
fn a_gpu_instance_without_compute_instances_is_shown() {
    let mut snapshot = world::host(1, 1);
    let slice = &mut snapshot.slices[0];
    (slice.ci, slice.uuid, slice.profile) = (None, None, None);
    slice.state = SliceState::Quarantined;
    let text = page(&snapshot, Format::Classic);
    let labels = r#"gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="7",generation="3""#;
    let info = about(&text, "kerf_slice_info{");
    assert!(
        info.starts_with(&format!("kerf_slice_info{{{labels},")),
        "{info}"
    );
    assert_eq!(
        about(&text, "kerf_slice_quarantined{"),
        format!("kerf_slice_quarantined{{{labels}}} 1")
    );
    assert_eq!(about(&text, "kerf_slice_memory_used_bytes{"), "");
}

#[test]
fn the_age_of_a_sample_goes_on_growing() {
    let mut snapshot = world::host(2, 0);
    if let Some(sample) = &mut snapshot.gpus[1].sample {
        sample.taken = Timestamp(world::NOW.0 - 60_000);
    }
    snapshot.gpus[1].health = Health::Lost { since: world::NOW };
    let text = page(&snapshot, Format::Classic);
    insta::assert_snapshot!(about(&text, "kerf_scrape_sample_age_seconds{"), @r#"
    kerf_scrape_sample_age_seconds{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000"} 0.5
    kerf_scrape_sample_age_seconds{gpu_uuid="GPU-00000000-0000-4000-8000-000000000001"} 60.25
    "#);
}

#[test]
fn what_the_driver_does_not_tell_is_named_not_zero() {
    let mut snapshot = world::host(1, 1);
    if let Some(sample) = &mut snapshot.gpus[0].sample {
        sample.temperature_celsius = Some(f64::NAN);
        sample.pcie_replays = None;
        sample.slices[0].sm_activity_ratio = None;
    }
    let text = page(&snapshot, Format::Classic);
    for family in [
        "kerf_gpu_temperature_celsius",
        "kerf_gpu_pcie_replays_total",
    ] {
        assert!(!blocks(&text).contains_key(family), "{family}");
    }
    insta::assert_snapshot!(about(&text, "kerf_unsupported_info{"), @r#"
    kerf_unsupported_info{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",family="kerf_gpu_temperature_celsius"} 1
    kerf_unsupported_info{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",family="kerf_gpu_utilization_ratio"} 1
    kerf_unsupported_info{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",family="kerf_gpu_memory_utilization_ratio"} 1
    kerf_unsupported_info{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",family="kerf_gpu_pcie_replays_total"} 1
    kerf_unsupported_info{gpu_uuid="GPU-00000000-0000-4000-8000-000000000000",gi="7",ci="0",profile="1g.10gb",mig_uuid="MIG-00000000-0000-5000-0000-000000000000",generation="3",family="kerf_slice_sm_activity_ratio"} 1
    "#);
}

#[test]
fn a_link_that_is_not_told_is_not_zero() {
    let mut snapshot = world::host(1, 0);
    snapshot.gpus[0].pcie = Some(PcieLink {
        max_width: 16,
        ..PcieLink::default()
    });
    let text = page(&snapshot, Format::Classic);
    assert_eq!(about(&text, "kerf_gpu_pcie_link_width{"), "");
    assert!(about(&text, "kerf_gpu_pcie_link_max_width{").ends_with(" 16"));
}

#[test]
fn the_series_of_a_removed_slice_are_gone_in_the_next_page() {
    let mut snapshot = world::host(1, 3);
    let gone = snapshot.slices.remove(1);
    let text = page(&snapshot, Format::Classic);
    let uuid = gone.uuid.expect("a MIG device");
    assert!(!text.contains(uuid.as_str()));
    assert_eq!(about(&text, "kerf_slice_info{").lines().count(), 2);
}

#[test]
fn a_slice_made_after_the_sample_has_no_reading_yet() {
    let mut snapshot = world::host(1, 1);
    snapshot.slices[0].uuid = Some(world::mig_uuid(0, 77));
    let text = page(&snapshot, Format::Classic);
    assert_eq!(about(&text, "kerf_slice_memory_used_bytes{"), "");
    assert!(!about(&text, "kerf_unsupported_info{").contains("mig_uuid"));
    assert_eq!(about(&text, "kerf_slice_info{").lines().count(), 1);
}

#[test]
fn memory_that_two_compute_instances_share_counts_once() {
    let mut snapshot = world::host(1, 1);
    let mut second = snapshot.slices[0].clone();
    second.ci = Some(CiId(1));
    second.uuid = Some(world::mig_uuid(0, 9));
    if let Some(sample) = &mut snapshot.gpus[0].sample {
        let mut reading = sample.slices[0].clone();
        reading.ci = CiId(1);
        reading.uuid = world::mig_uuid(0, 9);
        sample.slices.push(reading);
    }
    snapshot.slices.insert(0, second);
    let text = page(&snapshot, Format::Classic);
    let used = about(&text, "kerf_slice_memory_used_bytes{");
    assert_eq!(used.lines().count(), 1, "{used}");
    assert!(used.contains("ci=\"0\""), "{used}");
    assert_eq!(
        about(&text, "kerf_slice_sm_activity_ratio{")
            .lines()
            .count(),
        2
    );
}

#[test]
fn exactly_one_state_of_a_slice_is_one() {
    let states = [
        SliceState::Free,
        SliceState::Reserved,
        SliceState::Leased,
        SliceState::Draining,
        SliceState::Quarantined,
    ];
    for state in states {
        let mut snapshot = world::host(1, 1);
        snapshot.slices[0].state = state;
        let text = page(&snapshot, Format::Classic);
        for other in states {
            let name = format!("kerf_slice_{}{{", other.as_str());
            let expected = if other == state { "1" } else { "0" };
            assert_eq!(about(&text, &name).rsplit(' ').next(), Some(expected));
        }
    }
}

#[test]
fn mig_mode_is_two_facts() {
    for (mode, enabled, pending) in [
        (MigMode::Unsupported, "", ""),
        (MigMode::Disabled, "0", "0"),
        (MigMode::Enabled, "1", "0"),
        (MigMode::EnablePending, "0", "1"),
        (MigMode::DisablePending, "1", "1"),
    ] {
        let mut snapshot = world::host(1, 0);
        snapshot.gpus[0].mig_mode = mode;
        let text = page(&snapshot, Format::Classic);
        let value = |name| about(&text, name).rsplit(' ').next().map(str::to_owned);
        assert_eq!(
            value("kerf_gpu_mig_enabled{").as_deref(),
            Some(enabled),
            "{mode:?}"
        );
        assert_eq!(
            value("kerf_gpu_mig_change_pending{").as_deref(),
            Some(pending),
            "{mode:?}"
        );
    }
}
