//! Every seed and every finding of the past keeps its promise, and so does every seed with changes in it.
//!
//! The fuzzers themselves run for minutes and only when somebody starts them; what they have found is kept here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kerf_fuzz::{Property, TARGETS};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

/// Most bytes of a seed: they are read by people.
const SEED_LIMIT: u64 = 16 << 10;

fn package(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// Texts that have broken a promise; more may come, and none goes.
const FINDINGS: usize = 12;

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
}

/// The files of a target in one of the folders.
fn texts(kind: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = entries(&package(kind).join(target)).into_iter();
    let read = |path: PathBuf| {
        let text = std::fs::read(&path).expect("a file of this package");
        (path, text)
    };
    paths.map(read).collect()
}

fn names(folder: &str) -> BTreeSet<String> {
    let name = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    entries(&package(folder))
        .into_iter()
        .filter_map(name)
        .collect()
}

fn targets() -> BTreeSet<String> {
    TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// Runs a property, and names the file where it panics.
fn keeps(property: Property, path: &Path, text: &[u8]) {
    let caught = std::panic::catch_unwind(|| property(text));
    assert!(
        caught.is_ok(),
        "{} breaks a promise, see above",
        path.display()
    );
}

#[test]
fn every_seed_keeps_its_promise() {
    for (target, property) in TARGETS {
        let seeds = texts("seeds", target);
        assert!(seeds.len() > 1, "{target} has no seeds");
        for (path, text) in seeds {
            assert!(
                text.len() as u64 <= SEED_LIMIT,
                "{} is long",
                path.display()
            );
            keeps(property, &path, &text);
        }
    }
}

#[test]
fn every_finding_of_the_past_keeps_its_promise() {
    let mut count = 0;
    for (target, property) in TARGETS {
        for (path, text) in texts("regressions", target) {
            keeps(property, &path, &text);
            count += 1;
        }
    }
    assert!(count >= FINDINGS, "{count} findings are left");
}

#[test]
fn every_target_has_a_fuzzer_and_no_folder_is_left_over() {
    assert_eq!(names("engine/targets"), targets());
    assert_eq!(names("seeds"), targets());
    assert!(names("regressions").is_subset(&targets()));
    let manifest = std::fs::read_to_string(package("engine/Cargo.toml")).expect("a manifest");
    for target in targets() {
        let path = format!("path = \"targets/{target}.rs\"");
        assert!(manifest.contains(&path), "{target} is not built");
        let path = package("engine/targets").join(format!("{target}.rs"));
        let fuzzer = std::fs::read_to_string(path).expect("a fuzzer");
        let call = format!("kerf_fuzz::{target}(bytes)");
        assert!(fuzzer.contains(&call), "{target} has another's property");
    }
}

/// A change at a place of a text.
#[derive(Debug, Clone)]
enum Change {
    /// Another byte.
    Byte(u8),
    /// A byte less.
    Drop,
    /// A part of it once more.
    Repeat(usize),
    /// What a number, a list or a name must bear.
    Insert(&'static str),
}

const WORDS: [&str; 12] = [
    "4294967295",
    "18446744073709551616",
    "-1",
    "0",
    "0x",
    ",",
    "\n",
    "\0",
    "\u{1b}[31m",
    "..",
    "\"",
    "🙃",
];

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<u8>().prop_map(Change::Byte),
        Just(Change::Drop),
        (1..64_usize).prop_map(Change::Repeat),
        prop::sample::select(WORDS.as_slice()).prop_map(Change::Insert),
    ]
}

fn changed(text: &[u8], changes: &[(prop::sample::Index, Change)]) -> Vec<u8> {
    let mut text = text.to_vec();
    for (at, change) in changes {
        let at = at.index(text.len() + 1);
        let end = text.len().min(at + 1);
        match change {
            Change::Byte(byte) => drop(text.splice(at..end, [*byte])),
            Change::Drop => drop(text.splice(at..end, [])),
            Change::Repeat(length) => {
                let part = text[at..text.len().min(at + length)].to_vec();
                text.splice(at..at, part);
            }
            Change::Insert(word) => drop(text.splice(at..at, word.bytes())),
        }
    }
    text
}

/// Tries changed seeds of some targets.
fn bear_changes(is_meant: impl Fn(&str) -> bool, cases: u32) {
    for (target, property) in TARGETS.into_iter().filter(|(name, _)| is_meant(name)) {
        let seeds = texts("seeds", target);
        let config = ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(cases)
        };
        let changes = prop::collection::vec((any::<prop::sample::Index>(), change()), 1..6);
        let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let run = TestRunner::new_with_rng(config, random).run(
            &(any::<prop::sample::Index>(), changes),
            |(seed, changes)| {
                let (_, text) = &seeds[seed.index(seeds.len())];
                property(&changed(text, &changes));
                Ok(())
            },
        );
        assert!(run.is_ok(), "{target}: {run:?}");
    }
}

#[test]
fn changed_trees_of_the_kernel_keep_their_promise() {
    bear_changes(|name| name.ends_with("_tree"), 256);
}

#[test]
fn changed_texts_keep_their_promise() {
    bear_changes(|name| !name.ends_with("_tree"), 128);
}
