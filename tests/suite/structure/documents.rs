//! Commands in the documents name tests that are there: a promise is not shown by a filter that matches none.

use std::path::Path;

use kerf_tests::tree;

use super::{Source, assert_none, source};

/// Documents with commands for readers.
const DOCUMENTS: [&str; 3] = ["README.md", "CONTRIBUTING.md", "SPECIFICATION.md"];

/// What begins a command for some of the tests; words follow.
const COMMAND: &str = "cargo xtask test ";

/// Filters of the commands in a text: `-p PACKAGE` before one is passed over, a comment is not one.
fn filters(text: &str) -> Vec<&str> {
    text.split(COMMAND)
        .skip(1)
        .filter_map(|rest| {
            let command = rest.split(['`', '\n', '#']).next()?;
            let words: Vec<&str> = command.split_whitespace().collect();
            match words.as_slice() {
                ["-p", _, filter] | [filter] => Some(*filter),
                _ => None,
            }
        })
        .collect()
}

/// Whether the filter is part of the path of a test: each of its parts names a module or is in the name of a
/// function in test code.
fn matches(filter: &str, sources: &[Source]) -> bool {
    filter.split("::").all(|part| {
        sources.iter().any(|source| {
            let path = Path::new(&source.path).with_extension("");
            let is_module = path.iter().any(|name| name == part);
            let begins = |name: &str| {
                name.split('(')
                    .next()
                    .is_some_and(|name| name.contains(part))
            };
            is_module || source.text.split("#[test]\nfn ").skip(1).any(begins)
        })
    })
}

#[test]
fn every_filter_in_the_documents_matches_a_test() {
    let sources = source::workspace();
    let mut findings = Vec::new();
    for name in DOCUMENTS {
        let path = tree::workspace_root().join(name);
        let text = std::fs::read_to_string(path).expect("a document");
        let found = filters(&text);
        let wrong = found.iter().filter(|filter| !matches(filter, &sources));
        findings.extend(wrong.map(|filter| format!("{name}: no test has {filter:?} in its path")));
    }
    assert_none(findings);
}

#[test]
fn a_filter_without_tests_is_caught() {
    let text = "`cargo xtask test` and `cargo xtask test -p kerf-api`\n\
                `cargo xtask test one`, cargo xtask test -p x two::three  # why\n";
    assert_eq!(filters(text), ["one", "two::three"]);
    let test = Source::new("a/two/mod.rs", "#[test]\nfn the_three() {}\nfn four() {}\n");
    let sources = [test];
    assert!(matches("two::three", &sources) && matches("the_", &sources));
    assert!(!matches("four", &sources) && !matches("two::five", &sources));
}
