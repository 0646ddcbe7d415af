//! The readers that count: promtool's linter, and the reference parsers of both formats in Python.

use kerf_telemetry::{Format, SelfMetrics, Snapshot};
use kerf_tests::{Capability, bins, require};
use kerf_types::{Health, Timestamp};

use crate::oracle::feed;
use crate::text::page;
use crate::world;

/// Pages of hosts that differ in what they have.
fn hosts() -> Vec<Snapshot> {
    let mut whole = world::host(8, 7);
    whole.allow_names = true;
    whole.gpus[0].name = "H100 \"quoted\" \\ back".to_owned();
    let mut sick = world::host(4, 2);
    sick.gpus[1].health = Health::Lost {
        since: Timestamp(1),
    };
    sick.gpus[2].sample = None;
    sick.driver.unresponsive = true;
    vec![Snapshot::default(), whole, sick]
}

#[test]
fn promtool_finds_nothing() {
    if !require(Capability::Promtool) {
        return;
    }
    let promtool = bins::system("promtool").expect("it is installed");
    for snapshot in hosts() {
        let text = page(&snapshot, Format::Classic);
        let output = feed(&promtool, &["check", "metrics"], &text);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success() && said.is_empty(), "{said}");
    }
}

/// Reads the page with the parser for its format and prints the number of samples.
const READ: &str = "
import sys
if sys.argv[1] == 'openmetrics':
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
else:
    from prometheus_client.parser import text_string_to_metric_families as parse
text = sys.stdin.buffer.read().decode()
print(sum(len(family.samples) for family in parse(text)))
";

#[test]
fn python_reads_every_sample() {
    if !require(Capability::Python) {
        return;
    }
    let python = bins::python_tool("python").expect("it is there");
    for snapshot in hosts() {
        for (format, name) in [
            (Format::Classic, "classic"),
            (Format::OpenMetrics, "openmetrics"),
        ] {
            let text = page(&snapshot, format);
            let output = feed(&python, &["-c", READ, name], &text);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: {said}");
            let lines = text.lines().filter(|line| !line.starts_with('#')).count();
            let counted = String::from_utf8_lossy(&output.stdout);
            assert_eq!(counted.trim(), lines.to_string(), "{name}");
        }
    }
}

#[test]
fn python_reads_a_page_before_the_first_sample() {
    if !require(Capability::Python) {
        return;
    }
    let python = bins::python_tool("python").expect("it is there");
    let own = SelfMetrics::try_new().expect("the families are sound");
    own.rpc_calls.inc(["Status", "ok"]);
    own.driver_call_duration.observe(["observe"], 0.02);
    let text =
        kerf_telemetry::Rendered::new(None, &own).text(Format::OpenMetrics, Default::default());
    let output = feed(&python, &["-c", READ, "openmetrics"], &text);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
