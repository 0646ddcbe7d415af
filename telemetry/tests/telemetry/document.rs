//! METRICS.md lists what the code shows, and the code shows everything that it declares.

use std::collections::BTreeSet;
use std::fmt::Write;

use kerf_telemetry::families::{self, Family};
use kerf_telemetry::snapshot::MpsEntry;
use kerf_telemetry::{Format, Rendered, SelfMetrics};
use kerf_types::{Health, Timestamp};

use crate::text::blocks;
use crate::world;

fn row(family: &Family) -> String {
    let named = family.named_labels.iter().map(|label| format!("*{label}*"));
    let labels = family.labels.iter().map(|label| (*label).to_owned());
    let labels: Vec<_> = labels.chain(named).collect();
    let unit = family.unit.unwrap_or("");
    let mut row = format!("| `{}` | {} | {unit} | ", family.name, family.kind.as_str());
    write!(row, "{} | {} |", labels.join(", "), family.help).expect("a String");
    row
}

#[test]
fn the_document_lists_exactly_the_families() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/METRICS.md");
    let document = std::fs::read_to_string(path).expect("METRICS.md");
    let listed = document.lines().filter(|line| line.starts_with("| `"));
    let listed: Vec<&str> = listed.collect();
    let expected: Vec<String> = families::all().map(row).collect();
    assert_eq!(
        listed,
        expected,
        "METRICS.md should hold these rows:\n{}",
        expected.join("\n")
    );
}

#[test]
fn no_family_is_declared_and_never_shown() {
    let own = SelfMetrics::try_new().expect("the families are sound");
    count_everything(&own);
    let mut snapshot = world::host(2, 2);
    snapshot.allow_names = true;
    snapshot.gpus[1].health = Health::Xid {
        since: Timestamp(5),
        code: 79,
    };
    snapshot.mps.push(MpsEntry {
        gpu: world::gpu_uuid(0),
        mig: None,
        is_ready: true,
        clients: Some(1),
        is_fault: Some(false),
    });
    if let Some(sample) = &mut snapshot.gpus[0].sample {
        sample.utilization_ratio = Some(0.5);
        sample.memory_utilization_ratio = Some(0.5);
        sample.last_xid = Some(79);
    }
    let page = Rendered::new(Some(&snapshot), &own).text(Format::Classic, Default::default());
    let shown: BTreeSet<String> = blocks(&page).into_keys().collect();
    let hidden: Vec<_> = families::all()
        .map(|family| family.name)
        .filter(|name| !shown.contains(*name))
        .collect();
    // The exporter itself counts scrapes, and its tests look for them.
    assert_eq!(hidden, ["kerf_scrapes_total"]);
}

fn count_everything(own: &SelfMetrics) {
    own.launch_refusals.inc(["policy"]);
    own.lease_releases.inc(["exit"]);
    own.job_ends.inc(["failed"]);
    own.members_in_doubt.set([], 1);
    own.apply_steps.inc(["create", "done"]);
    own.decisions.inc(["placed"]);
    own.driver_call_duration.observe(["observe"], 0.01);
    own.driver_timeouts.inc(["observe"]);
    own.driver_errors.inc(["observe"]);
    own.samples.inc(["ok"]);
    own.reconcile_runs.inc(["ok"]);
    own.rpc_calls.inc(["Status", "ok"]);
    own.rpc_duration.observe(["Status"], 0.001);
    own.peers.set(["alive"], 2);
    own.peer_datagrams.inc(["in"]);
    own.peer_datagram_bytes.inc(["in"]);
    own.peer_drops.inc(["malformed"]);
    own.peer_probes.inc(["answered"]);
    own.peer_connections_refused.inc(["tls"]);
    own.peer_records_refused.inc(["writer"]);
    own.peer_messages.inc(["out", "sent"]);
}
