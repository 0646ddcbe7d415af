//! Layouts from files of either kind, and from flags.

use clap::Parser;
use kerf_api::v1;
use kerf_types::layout::Layout;

use super::{LayoutArgs, LayoutInputError, Read, read};
use crate::cli::input::Source;

#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    layout: LayoutArgs,
}

fn layout(name: &str, text: &str, select: Option<&str>) -> Result<Layout, LayoutInputError> {
    match read(&Source::from_text(name, text), select)? {
        Read::Layout(layout) => Ok(layout),
        Read::MigParted(config) => config.layout(&gpus()),
    }
}

/// Two H100 and an A100.
fn gpus() -> Vec<v1::Gpu> {
    let gpu = |index, pci_device_id| v1::Gpu { index, pci_device_id, ..v1::Gpu::default() };
    vec![gpu(0, 0x2330_10de), gpu(1, 0x2330_10de), gpu(2, 0x20b2_10de)]
}

/// A layout on one line a rule.
fn shown(layout: &Layout) -> String {
    let rule = |rule: v1::LayoutRule| {
        let mut slices: Vec<String> =
            rule.slices.iter().map(|(name, count)| format!("{name}:{count}")).collect();
        slices.sort();
        format!("{} mig={} {}\n", rule.gpus.join(","), rule.mig_enabled, slices.join(","))
    };
    v1::Layout::from(layout).rules.into_iter().map(rule).collect()
}

fn check(name: &str, text: &str, select: Option<&str>) -> String {
    match layout(name, text, select) {
        Ok(layout) => shown(&layout),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            format!("{error}{}\n", cause.unwrap_or_default())
        }
    }
}

#[test]
fn one_layout_in_three_syntaxes() {
    let yaml = "rules:\n- gpus: [0, '0000:1b:00.0']\n  slices: {1g.10gb: 2}\n- gpus: all\n  mig: false\n";
    let toml = "[[rules]]\ngpus = [0, \"0000:1b:00.0\"]\nslices = {\"1g.10gb\" = 2}\n[[rules]]\ngpus = \"all\"\nmig = false\n";
    let json = r#"{"rules":[{"gpus":[0,"0000:1b:00.0"],"slices":{"1g.10gb":2}},{"gpus":"all","mig":false}]}"#;
    let expected = check("a.yaml", yaml, None);
    insta::assert_snapshot!(expected, @"");
    for (name, text) in [("a.toml", toml), ("a.json", json), ("-", yaml), ("-", toml), ("-", json)] {
        assert_eq!(check(name, text, None), expected, "{name}: {text}");
    }
}

#[test]
fn wrong_layouts_say_where() {
    let all = [
        check("a.yaml", "rules:\n- gpu: [0]\n", None),
        check("a.yaml", "rules:\n- gpus: [0]\n", None),
        check("a.yaml", "rules:\n- gpus: [0]\n  slices: {1g.banana: 1}\n", None),
        check("a.yaml", "rules:\n- gpus: [0]\n  slices: {1g.10gb: 1, 1g.10gb: 2}\n", None),
        check("a.yaml", "rules: []\n", Some("all-balanced")),
        check("a.json", "{", None),
    ];
    insta::assert_snapshot!(all.concat(), @"");
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
  odd:
    - device-filter: "H100"
      devices: all
      mig-enabled: true
"#;

#[test]
fn mig_parted_files_read_unchanged() {
    let select = |name: &str| format!("{name}: {}", check("a.yaml", PARTED, Some(name)));
    let all = ["all-disabled", "mixed", "balanced", "other", "torn", "odd", "absent"].map(select);
    insta::assert_snapshot!(all.concat(), @"");
}

#[test]
fn the_only_configuration_needs_no_name() {
    let one = "version: v1\nmig-configs:\n  x:\n  - devices: all\n    mig-enabled: false\n";
    insta::assert_snapshot!(check("a.yaml", one, None), @"");
    insta::assert_snapshot!(check("a.yaml", PARTED, None), @"");
    let next = one.replace("version: v1", "version: v2");
    insta::assert_snapshot!(check("a.yaml", &next, None), @"");
}

#[test]
fn flags_make_one_rule() {
    let flags = |words: &[&str]| {
        let words = std::iter::once(&"x").chain(words);
        let flags = Flags::try_parse_from(words).expect("these flags read");
        match flags.layout.from_flags() {
            Ok(layout) => shown(&layout),
            Err(error) => format!("{error}\n"),
        }
    };
    let all = [
        flags(&["--gpu", "0,1", "--gpu", "GPU-1234", "--slices", "1g.10gb:2,3g.40gb"]),
        flags(&["--gpu", "all", "--mig-off"]),
        flags(&["--gpu", "0", "--slices", "none"]),
        flags(&["--gpu", "all,0", "--mig-off"]),
    ];
    insta::assert_snapshot!(all.concat(), @"");
}
