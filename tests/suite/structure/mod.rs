//! The structure of the source tree is a test: dependencies, purity, lengths, docs, unsafe code.
//!
//! A rule over sources is a pure function from one [`Source`] to its findings, and a rule over
//! packages one from data. So each rule is shown twice: on the tree, where it must find nothing,
//! and on a small wrong example, where it must find the fault.

mod clippy_bans;
mod crates;
mod dag;
mod documents;
mod forbidden;
mod lengths;
mod manifests;
mod metadata;
mod module_docs;
mod purity;
mod source;
mod tokens;
mod units;
mod unsafe_code;

use source::Source;

/// Packages that decide and never do: no clock, no IO, no environment, no thread.
const PURE: [(&str, &str); 8] = [
    ("kerf-types", "partitioner/types"),
    ("kerf-planner", "partitioner/planner"),
    ("kerf-register", "agent/register"),
    ("kerf-scheduler", "agent/scheduler"),
    ("kerf-membership", "agent/membership"),
    ("kerf-seal", "agent/seal"),
    ("kerf-identity", "agent/identity"),
    ("kerf-nri", "agent/nri"),
];

/// Applies a rule to every source of the workspace.
fn assert_holds_everywhere(rule: impl Fn(&Source) -> Vec<String>) {
    let sources = source::workspace();
    assert!(
        sources.len() > 20,
        "only {} sources were found",
        sources.len()
    );
    assert_none(sources.iter().flat_map(rule).collect());
}

/// Fails with one finding per line.
#[track_caller]
fn assert_none(findings: Vec<String>) {
    assert!(
        findings.is_empty(),
        "{} findings:\n{}",
        findings.len(),
        findings.join("\n")
    );
}

/// Applies a rule to an example, and returns the findings without the path before each.
fn on_example(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
    let findings = rule(&Source::new(path, text));
    let prefix = format!("{path}:");
    findings
        .iter()
        .map(|finding| finding.replacen(&prefix, "", 1))
        .collect()
}
