//! Layouts from files of either kind, and from flags.

use clap::Parser;
use kerf_api::v1;
use kerf_types::layout::Layout;

use super::{LayoutArgs, LayoutInputError, Read, read};
use crate::cli::input::Source;

mod nonsense;

#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    layout: LayoutArgs,
}

fn layout(name: &str, text: &str, select: Option<&str>) -> Result<Layout, LayoutInputError> {
    let source = Source::from_text(name, text);
    match read(&source, select)? {
        Read::Layout(layout) => Ok(layout),
        Read::MigParted(config) => config.layout(&gpus()),
    }
}

/// Two H100 and an A100.
fn gpus() -> Vec<v1::Gpu> {
    let gpu = |index, pci_device_id| v1::Gpu {
        index,
        pci_device_id,
        ..v1::Gpu::default()
    };
    vec![
        gpu(0, 0x2330_10de),
        gpu(1, 0x2330_10de),
        gpu(2, 0x20b2_10de),
    ]
}

/// A layout on one line a rule.
fn shown(layout: &Layout) -> String {
    let rule = |rule: v1::LayoutRule| {
        let mut slices: Vec<String> = rule
            .slices
            .iter()
            .map(|(name, count)| format!("{name}:{count}"))
            .collect();
        slices.sort();
        let gpus = rule.gpus.join(",");
        format!("{gpus} mig={} [{}]\n", rule.mig_enabled, slices.join(","))
    };
    v1::Layout::from(layout)
        .rules
        .into_iter()
        .map(rule)
        .collect()
}

fn check(name: &str, text: &str, select: Option<&str>) -> String {
    match layout(name, text, select) {
        Ok(layout) => shown(&layout),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            let excerpt = error.excerpt().map(crate::cli::excerpt::Excerpt::show);
            format!(
                "{error}{}\n{}",
                cause.unwrap_or_default(),
                excerpt.unwrap_or_default()
            )
        }
    }
}

#[test]
fn one_layout_in_three_syntaxes() {
    let yaml =
        "rules:\n- gpus: [0, '0000:1b:00.0']\n  slices: {1g.10gb: 2}\n- gpus: [7]\n  mig: false\n";
    let toml = "[[rules]]\ngpus = [0, \"0000:1b:00.0\"]\nslices = {\"1g.10gb\" = 2}\n[[rules]]\ngpus = [7]\nmig = false\n";
    let json = r#"{"rules":[{"gpus":[0,"0000:1b:00.0"],"slices":{"1g.10gb":2}},{"gpus":[7],"mig":false}]}"#;
    let expected = check("a.yaml", yaml, None);
    insta::assert_snapshot!(expected, @"
    0,0000:1b:00.0 mig=true [1g.10gb:2]
    7 mig=false []
    ");
    assert!(layout("a.yaml", yaml, None).is_ok());
    for (name, text) in [
        ("a.toml", toml),
        ("a.json", json),
        ("-", yaml),
        ("-", toml),
        ("-", json),
    ] {
        assert_eq!(check(name, text, None), expected, "{name}: {text}");
    }
}

#[test]
fn wrong_layouts_say_where() {
    let all = [
        check("a.yaml", "rules:\n- gpu: [0]\n", None),
        check("a.yaml", "rules:\n- gpus: [0]\n", None),
        check(
            "a.yaml",
            "rules:\n- gpus: [0]\n  slices: {1g.banana: 1}\n",
            None,
        ),
        check(
            "a.yaml",
            "rules:\n- gpus: [0]\n  slices: {1g.10gb: 1, 1g.10gb: 2}\n",
            None,
        ),
        check("a.yaml", "rules: []\n", Some("all-balanced")),
        check(
            "a.yaml",
            "rules:\n- gpus: [0]\n  mig: false\n- gpus: all\n  mig: true\n",
            None,
        ),
        check("a.json", "{", None),
    ];
    insta::assert_snapshot!(all.concat(), @r#"
    a.yaml does not read as YAML of the right kind: unknown field `gpu`, expected one of gpus, mig, slices, at_least, fill, places, together, amd, sharing at line 2, column 3
      2 | - gpu: [0]
        |   ^ did you mean gpus?
    a.yaml is not a right layout: rules[0].mig: missing
    a.yaml is not a right layout: rules[0].slices: a MIG profile expected, found "1g.banana": names look like 1g.10gb or 1g.10gb+me
      3 |   slices: {1g.banana: 1}
        |            ^
    a.yaml does not read as YAML of the right kind: duplicate mapping key: 1g.10gb, set DuplicateKeyPolicy in Options if acceptable at line 3, column 24
      3 |   slices: {1g.10gb: 1, 1g.10gb: 2}
        |                        ^
    a.yaml is a kerf.v1.Layout, which has no configurations to select from
    a.yaml is not a right layout: rules: a rule for all GPUs stands alone
    a.json does not read as JSON of the right kind: EOF while parsing an object at line 1 column 1
      1 | {
        | ^
    "#);
}

#[test]
fn other_kinds_of_nonsense_say_where_too() {
    let all = [
        check("a.toml", "[[rules]]\ngpus = [0]\nslice = 1\n", None),
        check(
            "a.json",
            "{\"rules\": [\n  {\"gpus\": [0], \"at_last\": {}}\n]}",
            None,
        ),
        check("a.yaml", "rules:\n- gpus: &a [0]\n  mig: true\n", None),
        check("a.yaml", "rules:\n- gpus: *a\n  mig: true\n", None),
        check("a.yaml", "rules:\n- gpus: [0]\n  mig: maybe\n", None),
        check("a.yaml", "rules:\n- gpus: [0, 0]\n  mig: true\n", None),
        check(
            "a.yaml",
            "version: v1\nmig-configs:\n  a: []\n  a: []\n",
            Some("a"),
        ),
        check(
            "a.json",
            r#"{"version": "v1", "mig-configs": {"a": [], "a": []}}"#,
            Some("a"),
        ),
    ];
    insta::assert_snapshot!(all.concat(), @r#"
    a.toml does not read as TOML of the right kind: unknown field `slice`, expected one of `gpus`, `mig`, `slices`, `at_least`, `fill`, `places`, `together`, `amd`, `sharing`
      3 | slice = 1
        | ^ did you mean slices?
    a.json does not read as JSON of the right kind: unknown field `at_last`, expected one of `gpus`, `mig`, `slices`, `at_least`, `fill`, `places`, `together`, `amd`, `sharing` at line 2 column 25
      2 |   {"gpus": [0], "at_last": {}}
        |                         ^ did you mean at_least?
    a.yaml does not read as YAML of the right kind: budget breached: Anchors { anchors: 1 } at line 2, column 12
      2 | - gpus: &a [0]
        |            ^
    a.yaml does not read as YAML of the right kind: alias references unknown anchor at line 2, column 9
      2 | - gpus: *a
        |         ^
    a.yaml does not read as YAML of the right kind: invalid boolean at line 3, column 8
      3 |   mig: maybe
        |        ^
    a.yaml is not a right layout: rules: 0 stands there twice
      2 | - gpus: [0, 0]
        |          ^
    a.yaml does not read as YAML of the right kind: duplicate mapping key: a, set DuplicateKeyPolicy in Options if acceptable at line 4, column 3
      4 |   a: []
        |   ^
    a.json does not read as JSON of the right kind: duplicate key `a` at line 1 column 51
      1 | {"version": "v1", "mig-configs": {"a": [], "a": []}}
        |                                                   ^
    "#);
}

const PARTED: &str = r#"
version: v1
mig-configs:
  all-disabled:
    - devices: all
      mig-enabled: false
  mixed:
    - devices: [0, 1]
      mig-enabled: true
      mig-devices: { "1g.10gb": 2, "1g.10gb+me": 1 }
    - devices: [2]
      mig-enabled: false
  balanced:
    - device-filter: ["0x233010DE", "0x233110DE"]
      devices: all
      mig-enabled: true
      mig-devices: { "1g.10gb": 2 }
    - device-filter: "0x20B210DE"
      devices: all
      mig-enabled: true
      mig-devices: { "1g.5gb": 2 }
  other:
    - device-filter: "0x232110DE"
      devices: all
      mig-enabled: true
  torn:
    - device-filter: "0x233010DE"
      devices: all
      mig-enabled: true
    - devices: [1]
      mig-enabled: false
  far:
    - devices: [0, 9]
      mig-enabled: true
  farther:
    - devices: [8, 9]
      mig-enabled: true
  sub:
    - device-filter: "0x233010DE:0x16C110DE"
      devices: all
      mig-enabled: true
  odd:
    - device-filter: "H100"
      devices: all
      mig-enabled: true
"#;

#[test]
fn mig_parted_files_read_unchanged() {
    let select = |name: &str| format!("{name}: {}", check("a.yaml", PARTED, Some(name)));
    let all = [
        "all-disabled",
        "mixed",
        "balanced",
        "other",
        "torn",
        "far",
        "farther",
        "sub",
        "odd",
        "absent",
    ]
    .map(select);
    insta::assert_snapshot!(all.concat(), @r#"
    all-disabled: all mig=false []
    mixed: 0 mig=true [1g.10gb+me:1,1g.10gb:2]
    1 mig=true [1g.10gb+me:1,1g.10gb:2]
    2 mig=false []
    balanced: 0 mig=true [1g.10gb:2]
    1 mig=true [1g.10gb:2]
    2 mig=true [1g.5gb:2]
    other: no GPU of this host passes a device filter of configuration "other"
    torn: two entries of configuration "torn" want different things of GPU 1
    far: 0 mig=true []
    farther: this host has none of the GPUs that configuration "farther" names
    sub: no GPU of this host passes a device filter of configuration "sub"
    odd: device filter "H100" of configuration "odd" is no PCI id like 0x233010DE
    absent: a.yaml has no configuration "absent"
    "#);
}

#[test]
fn the_only_configuration_needs_no_name() {
    let one = "version: v1\nmig-configs:\n  x:\n  - devices: all\n    mig-enabled: false\n";
    insta::assert_snapshot!(check("a.yaml", one, None), @"all mig=false []");
    insta::assert_snapshot!(check("a.yaml", PARTED, None), @"a.yaml has 9 configurations, and none is selected");
    let next = one.replace("version: v1", "version: v2");
    insta::assert_snapshot!(check("a.yaml", &next, None), @r#"a.yaml is a mig-parted file of version "v2", and kerf reads v1"#);
}

#[test]
fn flags_make_one_rule() {
    let flags = |words: &[&str]| {
        let words = std::iter::once(&"x").chain(words);
        let flags = Flags::try_parse_from(words).expect("these flags read");
        match flags.layout.flags_layout() {
            Ok(layout) => shown(&layout),
            Err(error) => format!("{error}\n"),
        }
    };
    let all = [
        flags(&[
            "--gpu",
            "0,1",
            "--gpu",
            "GPU-1234",
            "--slices",
            "1g.10gb:2,3g.40gb",
        ]),
        flags(&["--gpu", "all", "--mig-off"]),
        flags(&["--gpu", "0", "--slices", "none"]),
        flags(&["--gpu", "all,0", "--mig-off"]),
    ];
    insta::assert_snapshot!(all.concat(), @"
    0,1,GPU-1234 mig=true [1g.10gb:2,3g.40gb:1]
    all mig=false []
    0 mig=true []
    the command line is not a right layout
    ");
}
