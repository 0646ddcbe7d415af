//! What is there, in the words of both formats.

use std::collections::BTreeMap;

use super::document::{kerf, mig_parted};
use crate::cli::output::{Syntax, written};
use crate::host::fixture;

#[test]
fn gpus_that_hold_the_same_stand_together() {
    let mut off = fixture::gpu(2);
    off.mig_mode = kerf_types::MigMode::Disabled;
    let mut without = fixture::gpu(3);
    without.mig_mode = kerf_types::MigMode::Unsupported;
    let inventory = fixture::inventory(vec![fixture::cut(0), fixture::cut(1), off, without]);
    let ours = kerf(&inventory, &BTreeMap::new()).expect("every profile is known");
    let theirs = mig_parted(&inventory).expect("every profile is known");
    let all = [
        written(&ours, Syntax::Yaml).expect("YAML"),
        written(&theirs, Syntax::Yaml).expect("YAML"),
        written(&ours, Syntax::Toml).expect("TOML"),
    ];
    insta::assert_snapshot!(all.join("---\n"), @r#"
    schema: kerf.v1.Layout
    rules:
    - gpus:
      - "0000:10:00.0"
      - "0000:11:00.0"
      mig: true
      slices:
        1g.10gb: 1
    - gpus:
      - "0000:12:00.0"
      mig: false
    ---
    version: v1
    mig-configs:
      current:
      - devices:
        - 0
        - 1
        mig-enabled: true
        mig-devices:
          1g.10gb: 1
      - devices:
        - 2
        mig-enabled: false
        mig-devices: {}
    ---
    schema = "kerf.v1.Layout"

    [[rules]]
    gpus = ["0000:10:00.0", "0000:11:00.0"]
    mig = true

    [rules.slices]
    "1g.10gb" = 1

    [[rules]]
    gpus = ["0000:12:00.0"]
    mig = false
    "#);
}

#[test]
fn an_instance_without_a_name_cannot_be_told() {
    let mut gpu = fixture::cut(0);
    gpu.profiles.clear();
    let refusal = kerf(&fixture::inventory(vec![gpu]), &BTreeMap::new()).expect_err("no name");
    assert_eq!(
        refusal.to_string(),
        "GPU 0 holds an instance of profile 19 at 0:1, which its driver does not describe"
    );
}
