//! The two text formats, line by line.

use super::{Page, Value};
use crate::families::{Family, Kind};
use crate::labels::Labels;

static ENERGY: Family = Family {
    name: "kerf_test_energy_joules_total",
    kind: Kind::Counter,
    unit: Some("joules"),
    labels: &["gpu_uuid"],
    named_labels: &[],
    help: "Energy.",
};
static WAIT: Family = Family {
    name: "kerf_test_wait_seconds",
    kind: Kind::Histogram,
    unit: Some("seconds"),
    labels: &[],
    named_labels: &[],
    help: "Waiting.",
};
static WHAT: Family = Family {
    name: "kerf_test_info",
    kind: Kind::Info,
    unit: None,
    labels: &["version"],
    named_labels: &[],
    help: "What it is.",
};

fn page() -> Page {
    let mut page = Page::default();
    page.family(&ENERGY, |samples| {
        samples.add(&Labels::none().with("gpu_uuid", "GPU-1"), 12.5);
    });
    page.family(&WHAT, |samples| {
        samples.add(&Labels::none().with("version", "1"), 1_u64);
    });
    page.family(&WAIT, |samples| {
        let buckets = [(0.001, 1), (1.0, 3), (f64::INFINITY, 4)];
        samples.add_histogram(&Labels::none(), buckets.into_iter(), 5.5, 4);
    });
    page
}

#[test]
fn classic_text() {
    insta::assert_snapshot!(page().classic, @r#"
    # HELP kerf_test_energy_joules_total Energy.
    # TYPE kerf_test_energy_joules_total counter
    kerf_test_energy_joules_total{gpu_uuid="GPU-1"} 12.5
    # HELP kerf_test_info What it is.
    # TYPE kerf_test_info gauge
    kerf_test_info{version="1"} 1
    # HELP kerf_test_wait_seconds Waiting.
    # TYPE kerf_test_wait_seconds histogram
    kerf_test_wait_seconds_bucket{le="0.001"} 1
    kerf_test_wait_seconds_bucket{le="1.0"} 3
    kerf_test_wait_seconds_bucket{le="+Inf"} 4
    kerf_test_wait_seconds_sum 5.5
    kerf_test_wait_seconds_count 4
    "#);
}

#[test]
fn openmetrics_text() {
    insta::assert_snapshot!(page().openmetrics, @r#"
    # HELP kerf_test_energy_joules Energy.
    # TYPE kerf_test_energy_joules counter
    # UNIT kerf_test_energy_joules joules
    kerf_test_energy_joules_total{gpu_uuid="GPU-1"} 12.5
    # HELP kerf_test What it is.
    # TYPE kerf_test info
    kerf_test_info{version="1"} 1
    # HELP kerf_test_wait_seconds Waiting.
    # TYPE kerf_test_wait_seconds histogram
    # UNIT kerf_test_wait_seconds seconds
    kerf_test_wait_seconds_bucket{le="0.001"} 1
    kerf_test_wait_seconds_bucket{le="1.0"} 3
    kerf_test_wait_seconds_bucket{le="+Inf"} 4
    kerf_test_wait_seconds_sum 5.5
    kerf_test_wait_seconds_count 4
    "#);
}

#[test]
fn a_family_without_samples_leaves_no_trace() {
    let mut page = Page::default();
    page.single(&WAIT, None::<u64>);
    page.single(&WAIT, Some(f64::NAN));
    assert_eq!((page.classic.as_str(), page.openmetrics.as_str()), ("", ""));
}

#[test]
fn numbers_keep_their_value() {
    let show = |value: Value| {
        let mut page = Page::default();
        page.family(&WAIT, |samples| samples.add(&Labels::none(), value));
        page.classic.lines().last().map(str::to_owned)
    };
    let line = |number: &str| Some(format!("kerf_test_wait_seconds {number}"));
    assert_eq!(show(u64::MAX.into()), line("18446744073709551615"));
    assert_eq!(show(0.1.into()), line("0.1"));
    assert_eq!(show(true.into()), line("1"));
    assert_eq!(
        show(kerf_types::Timestamp(1_754_000_000_123).into()),
        line("1754000000.123")
    );
    assert_eq!(show(f64::NEG_INFINITY.into()), line("-Inf"));
}
