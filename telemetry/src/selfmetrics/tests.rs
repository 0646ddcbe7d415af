//! The registry and its text.

use super::SelfMetrics;
use super::build::{fast, slow};
use crate::families::own;
use crate::page::Page;

#[test]
fn every_declared_family_has_a_handle() {
    let metrics = SelfMetrics::try_new().expect("declared as the handles need it");
    metrics.launch_refusals.inc(["policy"]);
    metrics.lease_releases.inc(["exit"]);
    metrics.job_ends.inc(["failed"]);
    metrics.members_in_doubt.set([], 1);
    metrics.apply_steps.inc(["create", "done"]);
    metrics.decisions.inc(["placed"]);
    metrics.driver_call_duration.observe(["observe"], 0.01);
    metrics.driver_timeouts.inc(["observe"]);
    metrics.driver_errors.inc(["observe"]);
    metrics.samples.inc(["ok"]);
    metrics.reconcile_runs.inc(["ok"]);
    metrics.rpc_calls.inc(["Status", "ok"]);
    metrics.rpc_duration.observe(["Status"], 0.001);
    metrics.scrapes.inc(["classic", "identity"]);
    metrics.peers.set(["alive"], 2);
    metrics.peer_datagrams.add(["in"], 3);
    metrics.peer_datagram_bytes.add(["in"], 1_200);
    metrics.peer_drops.inc(["malformed"]);
    metrics.peer_probes.inc(["answered"]);
    metrics.peer_records_refused.inc(["writer"]);
    metrics.peer_messages.inc(["out", "sent"]);
    metrics.peer_connections_refused.inc(["tls"]);
    assert_eq!(metrics.peer_datagrams.get(["in"]), 3);
    let mut page = Page::default();
    metrics.write(&mut page);
    for family in own::ALL {
        let line = format!("# TYPE {} ", family.name);
        assert_eq!(page.classic.matches(&line).count(), 1, "{line}");
    }
}

#[test]
fn counters_and_histograms_in_both_formats() {
    let metrics = SelfMetrics::try_new().expect("declared as the handles need it");
    metrics.launch_refusals.declare(["policy"]);
    metrics.driver_timeouts.inc(["apply"]);
    metrics.decision_duration.observe(0.00004);
    metrics.decision_duration.observe(3.0);
    let mut page = Page::default();
    metrics.write(&mut page);
    let only = |text: &str, name: &str| {
        let about = |line: &&str| line.contains(name);
        text.lines().filter(about).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(only(&page.classic, "kerf_launch_refusals"), @r#"
    # HELP kerf_launch_refusals_total Asks of containers that were refused, by reason.
    # TYPE kerf_launch_refusals_total counter
    kerf_launch_refusals_total{reason="policy"} 0
    "#);
    insta::assert_snapshot!(only(&page.openmetrics, "kerf_driver_timeouts"), @r#"
    # HELP kerf_driver_timeouts Requests to a driver worker that passed their deadline.
    # TYPE kerf_driver_timeouts counter
    kerf_driver_timeouts_total{call="apply"} 1
    "#);
    insta::assert_snapshot!(only(&page.openmetrics, "kerf_scheduler_decision_duration"), @r#"
    # HELP kerf_scheduler_decision_duration_seconds Time to decide about one job.
    # TYPE kerf_scheduler_decision_duration_seconds histogram
    # UNIT kerf_scheduler_decision_duration_seconds seconds
    kerf_scheduler_decision_duration_seconds_bucket{le="1e-05"} 0
    kerf_scheduler_decision_duration_seconds_bucket{le="2e-05"} 0
    kerf_scheduler_decision_duration_seconds_bucket{le="5e-05"} 1
    kerf_scheduler_decision_duration_seconds_bucket{le="0.0001"} 1
    kerf_scheduler_decision_duration_seconds_bucket{le="0.0002"} 1
    kerf_scheduler_decision_duration_seconds_bucket{le="0.0005"} 1
    kerf_scheduler_decision_duration_seconds_bucket{le="0.001"} 1
    kerf_scheduler_decision_duration_seconds_bucket{le="0.002"} 1
    kerf_scheduler_decision_duration_seconds_bucket{le="0.005"} 1
    kerf_scheduler_decision_duration_seconds_bucket{le="0.01"} 1
    kerf_scheduler_decision_duration_seconds_bucket{le="0.02"} 1
    kerf_scheduler_decision_duration_seconds_bucket{le="0.05"} 1
    kerf_scheduler_decision_duration_seconds_bucket{le="0.1"} 1
    kerf_scheduler_decision_duration_seconds_bucket{le="+Inf"} 2
    kerf_scheduler_decision_duration_seconds_sum 3.00004
    kerf_scheduler_decision_duration_seconds_count 2
    "#);
}

#[test]
fn bounds_rise_and_are_short_decimals() {
    for bounds in [fast(), slow()] {
        assert!(bounds.is_sorted(), "{bounds:?}");
        let short = |bound: &f64| format!("{bound}").len() <= 7;
        assert!(bounds.iter().all(short), "{bounds:?}");
    }
}
