//! The rules that every family keeps.

use std::collections::BTreeSet;

use super::{Family, Kind, all};

fn each(check: impl Fn(&Family) -> bool, rule: &str) {
    let broken: Vec<_> = all()
        .filter(|family| !check(family))
        .map(|f| f.name)
        .collect();
    assert_eq!(broken, Vec::<&str>::new(), "{rule}");
}

#[test]
fn names_are_unique_in_both_formats() {
    let names: BTreeSet<_> = all().map(|family| family.name).collect();
    let openmetrics: BTreeSet<_> = all().map(Family::openmetrics_name).collect();
    assert_eq!(names.len(), all().count());
    assert_eq!(openmetrics.len(), all().count());
}

#[test]
fn names_are_clean() {
    let clean = |name: &str| {
        name.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    each(|f| clean(f.name), "lower case, digits and _ alone");
    let ours = |f: &Family| f.name.starts_with("kerf_") || f.name.starts_with("process_");
    each(ours, "every name says whose it is");
    let total = |f: &Family| f.name.ends_with("_total") == (f.kind == Kind::Counter);
    each(total, "_total on counters and nowhere else");
    let info = |f: &Family| f.name.ends_with("_info") == (f.kind == Kind::Info);
    each(info, "_info on infos and nowhere else");
    let reserved = ["_count", "_sum", "_bucket", "_created", "_gcount", "_gsum"];
    let free = |f: &Family| !reserved.iter().any(|suffix| f.name.ends_with(suffix));
    each(free, "no suffix that histograms own");
}

#[test]
fn units_stand_last() {
    let units = [
        "seconds", "bytes", "celsius", "joules", "watts", "hertz", "ratio",
    ];
    let word = |f: &Family| f.openmetrics_name().rsplit('_').next().unwrap_or("");
    each(
        |f| f.unit.is_none_or(|unit| word(f) == unit),
        "the unit is the last word",
    );
    each(
        |f| f.unit.is_none_or(|unit| units.contains(&unit)),
        "base units alone",
    );
    each(
        |f| f.unit.is_some() || !units.contains(&word(f)),
        "a name with a unit has a unit",
    );
    each(
        |f| f.kind != Kind::Info || f.unit.is_none(),
        "an info has no unit",
    );
}

#[test]
fn labels_leave_room_for_prometheus() {
    let forbidden = ["instance", "job", "le", "quantile", "pod", "namespace"];
    let labels = |f: &Family| f.labels.iter().chain(f.named_labels).copied();
    let free = |f: &Family| labels(f).all(|label| !forbidden.contains(&label));
    let plain = |label: &str| label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    each(free, "no label that Prometheus or Kubernetes sets");
    each(|f| labels(f).all(plain), "lower case and _ alone");
    each(
        |f| labels(f).collect::<BTreeSet<_>>().len() == labels(f).count(),
        "no label twice",
    );
}

#[test]
fn help_needs_no_escaping_and_is_a_sentence() {
    each(|f| !f.help.contains(['"', '\\', '\n', '|']), "plain text");
    each(|f| f.help.ends_with('.'), "ends with a full stop");
}
