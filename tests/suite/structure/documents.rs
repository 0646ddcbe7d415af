//! Commands in the documents name tests that are there: a promise is not shown by a filter that matches none.

use std::path::Path;

use kerf_tests::tree;

use super::metadata;
use super::{Source, assert_none, source};

/// Documents with commands for readers.
const DOCUMENTS: [&str; 3] = ["README.md", "CONTRIBUTING.md", "SPECIFICATION.md"];

/// What begins a command for some of the tests; words follow.
const COMMAND: &str = "cargo xtask test ";

/// Which tests a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chosen<'a> {
    /// Those of this package; of all without it.
    package: Option<&'a str>,
    /// Those with this in their path.
    filter: &'a str,
}

/// What the commands in a text choose; a comment is no filter.
fn chosen(text: &str) -> Vec<Chosen<'_>> {
    text.split(COMMAND)
        .skip(1)
        .filter_map(|rest| {
            let command = rest.split(['`', '\n', '#']).next()?;
            let words: Vec<&str> = command.split_whitespace().collect();
            let (package, filter) = match words.as_slice() {
                ["-p", package, filter] => (Some(*package), *filter),
                [filter] => (None, *filter),
                _ => return None,
            };
            Some(Chosen { package, filter })
        })
        .collect()
}

/// The tests of a workspace, as its test binaries name them.
struct Tests {
    /// The package of each, and its path in its binary: modules and function.
    all: Vec<(String, String)>,
}

impl Tests {
    /// Of packages by name, each with its folder.
    fn of(sources: &[Source], packages: &[(String, String)]) -> Self {
        let roots = roots(sources);
        let tests = |source: &Source| -> Option<Vec<(String, String)>> {
            let path = Path::new(&source.path);
            let held = packages
                .iter()
                .filter(|(_, folder)| path.starts_with(folder));
            // Of packages in each other's folders the innermost has it.
            let (package, _) = held.max_by_key(|(_, folder)| folder.len())?;
            let modules = modules(path, &roots);
            let test = |name| (package.clone(), format!("{modules}{name}"));
            Some(functions(&source.text).map(test).collect())
        };
        Self {
            all: sources.iter().filter_map(tests).flatten().collect(),
        }
    }

    /// Whether a command runs any.
    fn has(&self, chosen: &Chosen<'_>) -> bool {
        self.all.iter().any(|(package, path)| {
            chosen.package.is_none_or(|chosen| chosen == package) && path.contains(chosen.filter)
        })
    }
}

/// Folders of the roots of libraries and binaries, whose names are no modules.
fn roots(sources: &[Source]) -> Vec<&Path> {
    let paths = sources.iter().map(|source| Path::new(&source.path));
    let roots = paths.filter(|path| path.ends_with("main.rs") || path.ends_with("lib.rs"));
    roots.filter_map(Path::parent).collect()
}

/// The modules above what is in a file: `store::tests::`, and nothing for a root.
fn modules(path: &Path, roots: &[&Path]) -> String {
    let root = roots.iter().filter(|root| path.starts_with(root));
    // A file without such a root above it is one itself, as those right below a folder of tests are.
    let root = root.max_by_key(|root| root.as_os_str().len());
    let Some(below) = root.and_then(|root| path.strip_prefix(root).ok()) else {
        return String::new();
    };
    let below = below.with_extension("");
    let names = below.iter().filter_map(|name| name.to_str());
    let names = names.filter(|name| !["main", "lib", "mod"].contains(name));
    names.map(|name| format!("{name}::")).collect()
}

/// Names of the functions that are tests.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    let tests = text
        .split("#[test]\n")
        .skip(1)
        .chain(text.split("#[tokio::test").skip(1));
    tests.filter_map(|after| after.split_once("fn ")?.1.split('(').next())
}

#[test]
fn every_filter_in_the_documents_matches_a_test() {
    let tests = Tests::of(&source::workspace(), &metadata::folders());
    let mut findings = Vec::new();
    for name in DOCUMENTS {
        let path = tree::workspace_root().join(name);
        let text = std::fs::read_to_string(path).expect("a document");
        let found = chosen(&text);
        let wrong = found.iter().filter(|chosen| !tests.has(chosen));
        findings.extend(wrong.map(|wrong| format!("{name}: no test is chosen by {wrong:?}")));
    }
    assert_none(findings);
}

#[test]
fn a_filter_without_tests_is_caught() {
    let of = |package, filter| Chosen { package, filter };
    let text = "`cargo xtask test` and `cargo xtask test -p kerf-api`\n\
                `cargo xtask test one`, cargo xtask test -p x two::three  # why\n";
    assert_eq!(chosen(text), [of(None, "one"), of(Some("x"), "two::three")]);
    let test = "#[test]\nfn the_three() {}\nfn four() {}\n";
    let sources = [
        Source::new("a/src/lib.rs", ""),
        Source::new("a/src/two/mod.rs", test),
        Source::new(
            "a/src/two/tests.rs",
            "#[tokio::test(x)]\nasync fn five() {}\n",
        ),
        Source::new("a/b/tests/trees/main.rs", "#[test]\nfn six() {}\n"),
        Source::new("a/b/tests/trees/seven.rs", "#[test]\nfn eight() {}\n"),
    ];
    let packages = [("a", "a"), ("b", "a/b")].map(|(name, at)| (name.to_owned(), at.to_owned()));
    let tests = Tests::of(&sources, &packages);
    let has = |package, filter| tests.has(&of(package, filter));
    assert!(has(None, "two::the_three") && has(Some("a"), "two::tests::five"));
    assert!(has(Some("b"), "seven::eight") && has(None, "six"));
    assert!(!has(None, "four") && !has(None, "two::five"));
    assert!(!has(Some("b"), "the_"), "it is of the other package");
    assert!(
        !has(None, "trees") && !has(None, "src"),
        "no module is called so"
    );
}
