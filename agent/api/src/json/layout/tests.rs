//! Layouts read and written.

use kerf_types::layout::{GpuSelector, Layout};

use super::{LayoutDocument, parse};
use crate::json::show::pretty;

mod sharing;

const EXAMPLE: &str = "\
schema: kerf.v1.Layout
rules:
  - gpus: [0, GPU-5d4c, 0000:1b:00.0, '3']
    slices: { 1g.10gb: 4, 3g.40gb: 1, 7g.80gb: 0 }
  - gpus: [7]
    mig: false
";

fn read(yaml: &str) -> Layout {
    let document: LayoutDocument = serde_saphyr::from_str(yaml).expect("YAML");
    Layout::try_from(document).expect("a layout")
}

fn check_refused(rules: &str, expected: &str) {
    let error = parse(&format!("{{\"rules\": [{rules}]}}")).expect_err(expected);
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    let found = format!("{error}{}", cause.unwrap_or_default());
    assert_eq!(found.split(" at line ").next(), Some(expected));
}

#[test]
fn a_layout_is_written_as_it_is_meant() {
    let layout = read(EXAMPLE);
    insta::assert_snapshot!(pretty(&LayoutDocument::from(&layout)), @r#"
    {
      "schema": "kerf.v1.Layout",
      "rules": [
        {
          "gpus": [ 0, "GPU-5d4c", "0000:1b:00.0", 3 ],
          "mig": true,
          "slices": { "1g.10gb": 4, "3g.40gb": 1 }
        },
        { "gpus": [ 7 ], "mig": false }
      ]
    }
    "#);
    let json = serde_json::to_string(&LayoutDocument::from(&layout)).expect("it writes");
    assert_eq!(parse(&json).expect("just written"), layout);
}

#[test]
fn all_gpus_have_a_word() {
    let layout = parse(r#"{"rules": [{"gpus": "all", "mig": true}]}"#).expect("a layout");
    assert_eq!(layout.rules[0].gpus, [GpuSelector::All]);
    insta::assert_snapshot!(pretty(&LayoutDocument::from(&layout)), @r#"{ "schema": "kerf.v1.Layout", "rules": [ { "gpus": "all", "mig": true } ] }"#);
    let listed = parse(r#"{"rules": [{"gpus": ["all"], "mig": true}]}"#).expect("a layout");
    assert_eq!(listed, layout);
}

#[test]
fn a_wrong_layout_is_refused() {
    check_refused(
        r#"{"gpus": "some", "mig": true}"#,
        "not a kerf.v1.Layout document: invalid value: string \"some\", expected the word all, or a \
         list of indices, UUIDs and PCI addresses",
    );
    check_refused(
        r#"{"gpus": [-1], "mig": true}"#,
        "not a kerf.v1.Layout document: invalid value: integer `-1`, expected an NVML index, a UUID \
         or a PCI address",
    );
    check_refused(
        r#"{"gpus": "all", "mig": true, "slice": {}}"#,
        "not a kerf.v1.Layout document: unknown field `slice`, expected one of `gpus`, `mig`, \
         `slices`, `at_least`, `fill`, `places`, `together`, `amd`, `sharing`",
    );
    check_refused(
        r#"{"gpus": "all", "slices": {"1g.10gb": 1, "1g.10gb": 2}}"#,
        "not a kerf.v1.Layout document: duplicate key `1g.10gb`",
    );
    check_refused(r#"{"gpus": "all"}"#, "rules[0].mig: missing");
    check_refused(r#"{"gpus": [], "mig": true}"#, "rules[0].gpus: missing");
    check_refused(
        r#"{"gpus": ["gpu0"], "mig": true}"#,
        "rules[0].gpus[0]: a GPU expected, found \"gpu0\": write all, an index like 0, a UUID like \
         GPU-…, an address like 0000:1b:00.0, model:NAME, or label:NAME",
    );
    check_refused(
        r#"{"gpus": "all", "slices": {"1g.10": 1}}"#,
        "rules[0].slices: a MIG profile expected, found \"1g.10\": names look like 1g.10gb or \
         1g.10gb+me",
    );
    check_refused(
        r#"{"gpus": "all", "mig": false, "slices": {"1g.10gb": 1}}"#,
        "rules[0].slices: a GPU with MIG off has no slices",
    );
    check_refused(
        r#"{"gpus": [0], "mig": true}, {"gpus": ["0"], "mig": true}"#,
        "rules: 0 stands there twice",
    );
}

#[test]
fn a_rule_says_exactly_at_least_or_where() {
    let layout = read(
        "rules:
- gpus: ['model:NVIDIA H100*', 'label:training']
  at_least: {3g.40gb: 1, 7g.80gb: 0}
  fill: 1g.10gb
- gpus: [1]
  slices: {2g.20gb: 1}
  fill: [3g.40gb, 1g.10gb]
- gpus: [2]
  places: {'4:4/2:1': 1c.3g.40gb, '4:4/0:1': 1c.3g.40gb, '0:2': 2g.20gb}
",
    );
    insta::assert_snapshot!(pretty(&LayoutDocument::from(&layout)), @r#"
    {
      "schema": "kerf.v1.Layout",
      "rules": [
        {
          "gpus": [ "model:NVIDIA H100*", "label:training" ],
          "mig": true,
          "at_least": { "3g.40gb": 1 },
          "fill": [ "1g.10gb" ]
        },
        {
          "gpus": [ 1 ],
          "mig": true,
          "slices": { "2g.20gb": 1 },
          "fill": [ "3g.40gb", "1g.10gb" ]
        },
        {
          "gpus": [ 2 ],
          "mig": true,
          "places": { "0:2": "2g.20gb", "4:4/0:1": "1c.3g.40gb", "4:4/2:1": "1c.3g.40gb" }
        }
      ]
    }
    "#);
    let json = serde_json::to_string(&LayoutDocument::from(&layout)).expect("it writes");
    assert_eq!(parse(&json).expect("just written"), layout);
    let wire = crate::v1::Layout::from(&layout);
    assert_eq!(Layout::try_from(wire).expect("just written"), layout);
    let one = |rest: &str| format!(r#"{{"gpus": [0], {rest}}}"#);
    check_refused(
        &one(r#""slices": {"1g.10gb": 1}, "at_least": {"1g.10gb": 1}"#),
        "rules[0].at_least: slices says exactly and at_least does not: a rule has one of them",
    );
    check_refused(
        &one(r#""fill": "1g.10gb", "places": {"0:1": "1g.10gb"}"#),
        "rules[0].places: places say everything: such a rule has neither numbers nor fill",
    );
    check_refused(
        &one(r#""mig": false, "fill": ["1g.10gb"]"#),
        "rules[0].fill: a GPU with MIG off has no slices",
    );
    check_refused(
        &one(r#""fill": ["1g.10gb", "1g.10gb"]"#),
        "rules[0].fill: 1g.10gb stands there twice",
    );
    check_refused(
        &one(r#""places": {"1g": "1g.10gb"}"#),
        "rules[0].places: a placement expected, found \"1g\": write it as start:size, like 4:4",
    );
    check_refused(
        r#"{"gpus": ["model:"], "mig": true}"#,
        "rules[0].gpus[0]: a GPU expected, found \"model:\": a name of 1 to 256 bytes stands behind the colon",
    );
}

#[test]
fn another_schema_is_refused() {
    let error = parse(r#"{"schema": "kerf.v1.JobSpec", "rules": []}"#).expect_err("a job");
    assert_eq!(error.to_string(), "not a kerf.v1.Layout document");
    let large = " ".repeat(super::DOCUMENT_LIMIT + 1);
    let error = parse(&large).expect_err("too large");
    assert_eq!(
        error.to_string(),
        "the document has 1048577 bytes, at most 1048576 are allowed"
    );
}

#[test]
fn a_place_in_an_instance_is_written_as_two() {
    check_refused(
        r#"{"gpus": [0], "places": {"0:4/1": "1c.3g.40gb"}}"#,
        "rules[0].places: a placement expected, found \"1\": write it as start:size, like 4:4",
    );
}

#[test]
fn a_rule_may_hold_its_slices_together() {
    let layout = read("rules:\n- {gpus: all, slices: {1g.10gb: 112}, together: true}\n");
    assert!(layout.rules[0].together);
    insta::assert_snapshot!(pretty(&LayoutDocument::from(&layout)), @r#"
    {
      "schema": "kerf.v1.Layout",
      "rules": [ { "gpus": "all", "mig": true, "slices": { "1g.10gb": 112 }, "together": true } ]
    }
    "#);
    let wire = crate::v1::Layout::from(&layout);
    assert_eq!(Layout::try_from(wire), Ok(layout));
    check_refused(
        r#"{"gpus": "all", "slices": {"1g.10gb": 65}}"#,
        "rules[0].slices.1g.10gb: 65 is not a number of slices from 0 to 64",
    );
    check_refused(
        r#"{"gpus": "all", "slices": {"1g.10gb": 1025}, "together": true}"#,
        "rules[0].slices.1g.10gb: 1025 is not a number of slices from 0 to 1024 on all GPUs together",
    );
    for other in [
        r#""mig": true"#,
        r#""at_least": {"1g.10gb": 1}"#,
        r#""slices": {"1g.10gb": 1}, "fill": "1g.10gb""#,
        r#""places": {"0:1": "1g.10gb"}"#,
    ] {
        check_refused(
            &format!(r#"{{"gpus": "all", {other}, "together": true}}"#),
            "rules[0].together: slices are split over the GPUs, and nothing else is: such a rule has slices, and \
             neither at_least, fill nor places",
        );
    }
}

#[test]
fn a_rule_about_amd_gpus_has_modes_alone() {
    let layout = read(
        "rules:
- {gpus: all, amd: {compute: cpx, memory: NPS4}}
- {gpus: all, mig: false}
",
    );
    insta::assert_snapshot!(pretty(&LayoutDocument::from(&layout)), @r#"
    {
      "schema": "kerf.v1.Layout",
      "rules": [
        { "gpus": "all", "amd": { "compute": "cpx", "memory": "nps4" } },
        { "gpus": "all", "mig": false }
      ]
    }
    "#);
    let wire = crate::v1::Layout::from(&layout);
    assert_eq!(Layout::try_from(wire), Ok(layout));
    let twice = r#"{"gpus": [0], "amd": {"compute": "cpx"}}"#;
    check_refused(&format!("{twice}, {twice}"), "rules: 0 stands there twice");
    check_refused(
        r#"{"gpus": "all", "amd": {"compute": "cpq"}}"#,
        "rules[0].amd.compute: a compute partition mode expected, found \"cpq\": spx, dpx, tpx, qpx or cpx",
    );
    check_refused(
        r#"{"gpus": "all", "amd": {"memory": "nps3"}}"#,
        "rules[0].amd.memory: a memory partition mode expected, found \"nps3\": nps1, nps2, nps4 or nps8",
    );
    check_refused(r#"{"gpus": "all", "amd": {}}"#, "rules[0].amd: missing");
    check_refused(
        r#"{"gpus": "all", "mig": true, "amd": {"compute": "cpx"}}"#,
        "rules[0].mig: an AMD GPU has no MIG",
    );
    check_refused(
        r#"{"gpus": "all", "slices": {"1g.10gb": 1}, "amd": {"compute": "cpx"}}"#,
        "rules[0].slices: an AMD GPU has modes and no slices",
    );
    check_refused(
        r#"{"gpus": ["GPU-5d4c"], "amd": {"compute": "cpx"}}"#,
        "rules[0].gpus: an AMD GPU has no UUID: name it by its address, or by its place among AMD GPUs",
    );
}
