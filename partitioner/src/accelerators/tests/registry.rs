//! That the registry and the code know the same keys, and the same sources of each vendor's; and that the README tells
//! which of them are unverified.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kerf_types::map::{Capability, CapabilityKey, CapabilityValue, Provenance};
use toml::{Table, Value};

use super::super::tables;
use super::{World, amd, driver, fpga, gaudi, intel, neuron, nvidia, other, tpu};

/// Who sets a key, which, and how it is known.
type Source = (String, CapabilityKey, Provenance);

/// The samples of all vendors in one machine.
pub fn all() -> World {
    let mut all = World::new();
    for one in [
        amd::sample(),
        fpga::sample(),
        gaudi::sample(),
        intel::sample(),
        neuron::sample(),
        nvidia::sample(),
        other::sample(),
        tpu::sample(),
    ] {
        copy(one.folder.path(), all.folder.path());
        all.functions.extend(one.functions);
        all.devices.extend(one.devices);
    }
    all
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let (kind, target) = (
            entry.file_type().expect("a kind"),
            to.join(entry.file_name()),
        );
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_symlink() {
            let link = fs::read_link(entry.path()).expect("a link");
            std::os::unix::fs::symlink(link, target).expect("a link");
        } else {
            fs::copy(entry.path(), target).expect("a file");
        }
    }
}

fn registry() -> Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/types/capabilities.toml");
    let text = fs::read_to_string(path).expect("the registry");
    text.parse().expect("TOML")
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{key} of {entry}"))
}

fn kind(value: &CapabilityValue) -> &'static str {
    match value {
        CapabilityValue::Flag(_) => "flag",
        CapabilityValue::Count(_) => "count",
        CapabilityValue::Word(_) => "word",
        CapabilityValue::Words(_) => "words",
    }
}

/// What the code sets: each line of the tables, what the kernel shows of the samples, and what a driver tells.
fn of_code() -> Vec<(String, CapabilityKey, Capability)> {
    let mut found = tables::every();
    let of_tables = [Provenance::Published, Provenance::Unverified];
    let samples = all().find().accelerators.into_iter();
    for one in samples.chain(driver::told()) {
        let told = one.capabilities.into_iter();
        let told = told.filter(|(_, capability)| !of_tables.contains(&capability.provenance));
        found.extend(told.map(|(key, capability)| {
            (one.vendor.expect("its maker").to_string(), key, capability)
        }));
    }
    found
}

fn of_registry(registry: &Table) -> BTreeSet<Source> {
    let mut found = BTreeSet::new();
    for (key, entry) in registry {
        let key = CapabilityKey::from_word(key).expect("a key");
        let sources = entry
            .get("sources")
            .and_then(Value::as_table)
            .expect("sources");
        for (vendor, sources) in sources {
            for source in sources.as_array().expect("a list") {
                let provenance = Provenance::from_word(text(source, "provenance"));
                assert!(
                    text(source, "from").len() > 8,
                    "{key:?} of {vendor} has no source"
                );
                found.insert((vendor.clone(), key, provenance.expect("a provenance")));
            }
        }
    }
    found
}

#[test]
fn the_keys_are_the_same() {
    let registry = registry();
    let listed: BTreeSet<&str> = registry.keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = CapabilityKey::ALL.iter().map(|key| key.as_str()).collect();
    assert_eq!(listed, known);
    for key in CapabilityKey::ALL {
        let entry = registry.get(key.as_str()).expect("an entry");
        assert_eq!(text(entry, "meaning"), key.meaning());
        let is_count = text(entry, "type") == "count";
        assert_eq!(
            is_count,
            text(entry, "unit") != "none",
            "a count has a unit: {entry}"
        );
    }
}

#[test]
fn values_are_of_the_type_that_the_registry_gives() {
    let registry = registry();
    for (vendor, key, capability) in of_code() {
        let expected = registry.get(key.as_str()).map(|entry| text(entry, "type"));
        assert_eq!(
            Some(kind(&capability.value)),
            expected,
            "{key:?} of {vendor}"
        );
    }
}

/// Those that stand under `any` are of the code that all vendors share.
#[test]
fn every_vendor_that_sets_a_key_stands_there_with_its_source() {
    let listed = of_registry(&registry());
    let set: BTreeSet<Source> = of_code()
        .into_iter()
        .map(|(vendor, key, capability)| (vendor, key, capability.provenance))
        .collect();
    let is_listed = |(vendor, key, provenance): &&Source| {
        let any = ("any".to_owned(), *key, *provenance);
        listed.contains(&(vendor.clone(), *key, *provenance)) || listed.contains(&any)
    };
    let missing: Vec<&Source> = set.iter().filter(|source| !is_listed(source)).collect();
    assert!(missing.is_empty(), "not in the registry: {missing:#?}");
    let stale = listed
        .iter()
        .filter(|source| source.0 != "any" && !set.contains(source));
    let stale: Vec<&Source> = stale.collect();
    assert!(stale.is_empty(), "nothing sets: {stale:#?}");
}

/// The keys that the README names in a vendor's line of its chapter on what is unverified.
fn of_readme() -> BTreeSet<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let text = fs::read_to_string(path).expect("the README");
    let (_, chapter) = text
        .split_once("\n## What is unverified\n")
        .expect("the chapter");
    let chapter = chapter.split("\n## ").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    for item in chapter.split("\n- `").skip(1) {
        // The item begins within the vendor's backquotes, so every second part of it is quoted.
        let mut quoted = item.split('`').step_by(2);
        let vendor = quoted.next().expect("a vendor");
        found.extend(quoted.map(|key| (vendor.to_owned(), key.to_owned())));
    }
    found
}

#[test]
fn the_readme_names_what_is_unverified_and_nothing_else() {
    let unverified: BTreeSet<(String, String)> = of_registry(&registry())
        .into_iter()
        .filter(|(_, _, provenance)| *provenance == Provenance::Unverified)
        .map(|(vendor, key, _)| (vendor, key.as_str().to_owned()))
        .collect();
    assert_eq!(of_readme(), unverified);
}
