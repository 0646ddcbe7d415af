//! Every configuration of mig-parted's default file, on the machine that it is for: applied, asserted, exported,
//! and applied again for nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kerf_tests::{Capability, require, tree};

use super::super::said::{kerf, text};
use super::{World, file};

/// Machines, and the configurations that are for their GPUs. A new machine is a line.
const MACHINES: [(&str, &[&str]); 13] = [
    ("h100x8", OF_80_GB),
    ("a100-80x8", OF_80_GB),
    (
        "a30x4",
        &[
            "all-disabled",
            "all-1g.6gb",
            "all-1g.6gb.me",
            "all-2g.12gb",
            "all-2g.12gb.me",
            "all-4g.24gb",
            "all-balanced",
        ],
    ),
    (
        "a100-40x8",
        &[
            "all-enabled",
            "all-1g.5gb",
            "all-1g.5gb.me",
            "all-1g.10gb",
            "all-2g.10gb",
            "all-3g.20gb",
            "all-4g.20gb",
            "all-7g.40gb",
            "all-balanced",
        ],
    ),
    (
        "h100nvl-94x4",
        &[
            "all-1g.12gb",
            "all-1g.12gb.me",
            "all-1g.24gb",
            "all-2g.24gb",
            "all-3g.47gb",
            "all-4g.47gb",
            "all-7g.94gb",
            "all-balanced",
        ],
    ),
    (
        "h200x8",
        &[
            "all-1g.18gb",
            "all-1g.18gb.me",
            "all-1g.35gb",
            "all-2g.35gb",
            "all-3g.71gb",
            "all-4g.71gb",
            "all-7g.141gb",
            "all-balanced",
        ],
    ),
    (
        "b200x8",
        &[
            "all-1g.23gb",
            "all-1g.23gb.me",
            "all-1g.45gb",
            "all-2g.45gb",
            "all-3g.90gb",
            "all-4g.90gb",
            "all-7g.180gb",
            "all-balanced",
        ],
    ),
    (
        "gh200x1",
        &["all-3g.48gb", "all-4g.48gb", "all-7g.96gb", "all-balanced"],
    ),
    (
        "gh200-144x1",
        &[
            "all-1g.36gb",
            "all-2g.36gb",
            "all-3g.72gb",
            "all-4g.72gb",
            "all-7g.144gb",
            "all-balanced",
        ],
    ),
    (
        "b300x8",
        &[
            "all-1g.34gb",
            "all-1g.34gb.me",
            "all-1g.67gb",
            "all-2g.67gb",
            "all-3g.135gb",
            "all-4g.135gb",
            "all-7g.269gb",
            "all-balanced",
        ],
    ),
    (
        "gb300x4",
        &[
            "all-1g.35gb",
            "all-1g.35gb.me",
            "all-1g.70gb",
            "all-2g.70gb",
            "all-3g.139gb",
            "all-4g.139gb",
            "all-7g.278gb",
            "all-balanced",
        ],
    ),
    // Of 3, 4 and 7 slices this GPU has one profile each, whose memory the file names in two ways.
    (
        "gb200x4",
        &[
            "all-1g.47gb",
            "all-2g.47gb",
            "all-3g.93gb",
            "all-3g.95gb",
            "all-4g.93gb",
            "all-4g.95gb",
            "all-7g.186gb",
            "all-7g.189gb",
            "all-balanced",
        ],
    ),
    (
        "rtxpro6000x4",
        &[
            "all-1g.24gb",
            "all-1g.24gb.me",
            "all-1g.24gb.gfx",
            "all-1g.24gb.me.all",
            "all-1g.24gb-me",
            "all-2g.48gb",
            "all-2g.48gb.gfx",
            "all-2g.48gb.me.all",
            "all-2g.48gb-me",
            "all-4g.96gb",
            "all-4g.96gb.gfx",
            "all-balanced",
        ],
    ),
];

const OF_80_GB: &[&str] = &[
    "all-disabled",
    "all-enabled",
    "all-1g.10gb",
    "all-1g.10gb.me",
    "all-1g.20gb",
    "all-2g.20gb",
    "all-3g.40gb",
    "all-4g.40gb",
    "all-7g.80gb",
    "all-balanced",
];

/// The names of a file's configurations: what stands two deep and opens a list.
fn labels_of(config: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(config).expect("the reference data");
    let label = |line: &str| {
        let name = line.strip_prefix("  ")?.strip_suffix(':')?;
        (!name.starts_with([' ', '-'])).then(|| name.to_owned())
    };
    text.lines().filter_map(label).collect()
}

#[test]
fn no_label_is_forgotten() {
    if !require(Capability::Data) {
        return;
    }
    let labels = MACHINES.iter().flat_map(|(_, labels)| labels.iter());
    let known: BTreeSet<String> = labels.map(|label| (*label).to_owned()).collect();
    let config = tree::data_dir().join("mig-parted/config-default.yaml");
    assert_eq!(known, labels_of(&config));
}

#[test]
fn every_label_of_mig_parted_is_applied_asserted_and_exported() {
    if !require(Capability::Data) {
        return;
    }
    let config = tree::data_dir().join("mig-parted/config-default.yaml");
    for (machine, labels) in MACHINES {
        let Some(world) = World::bare(machine, "") else {
            return;
        };
        for label in labels {
            check_label(&world, &config, label);
        }
    }
}

fn check_label(world: &World, config: &Path, label: &str) {
    let (ours, theirs) = (file(world, "ours.yaml"), file(world, "theirs.yaml"));
    let by_label = ["-f", text(config), "--label", label];
    let with = |verb: &[&str], rest: &[&str]| kerf(world, &[verb, &by_label[..], rest].concat());
    with(&["apply"], &["--allow-reset"]).ends(0);
    with(&["assert"], &[]).ends(0);
    let again = with(&["apply"], &[]).ends(0);
    assert!(again.contains("Nothing was to be done"), "{label}: {again}");
    kerf(world, &["export", "-f", text(&ours)]).ends(0);
    let of_mig_parted = ["export", "-f", text(&theirs), "--format", "mig-parted"];
    kerf(world, &of_mig_parted).ends(0);
    for exported in [&ours, &theirs] {
        kerf(world, &["plan", "--exit-code", text(exported)]).ends(0);
    }
}
