//! The `clippy.toml` of each pure package bans what does, and repeats the rules of the root.
//!
//! A nested file replaces the root's, it is not merged with it.

use kerf_tests::tree;
use toml::{Table, Value};

use super::{PURE, assert_none};

/// Functions that a pure package may not call.
const METHODS: [&str; 10] = [
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::env::var",
    "std::env::var_os",
    "std::thread::spawn",
    "std::thread::sleep",
    "std::fs::read",
    "std::fs::write",
    "std::fs::File::open",
    "std::fs::File::create",
];

/// Types that a pure package may not have.
const TYPES: [&str; 4] = [
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::net::TcpStream",
    "std::net::UdpSocket",
];

fn missing_bans(file: &Table) -> Vec<String> {
    let lists = [
        ("disallowed-methods", METHODS.as_slice()),
        ("disallowed-types", &TYPES),
    ];
    let missing = lists.into_iter().flat_map(|(key, wanted)| {
        let banned = banned_paths(file.get(key));
        wanted
            .iter()
            .filter(move |path| !banned.contains(&(**path).to_owned()))
    });
    missing
        .map(|path| format!("{path} is not banned"))
        .collect()
}

/// An entry is a path, or a table with a path.
fn banned_paths(list: Option<&Value>) -> Vec<String> {
    let entries = list.and_then(Value::as_array).into_iter().flatten();
    let path = |entry: &Value| {
        entry
            .get("path")
            .unwrap_or(entry)
            .as_str()
            .map(str::to_owned)
    };
    entries.filter_map(path).collect()
}

fn missing_root_rules(root: &Table, file: &Table) -> Vec<String> {
    let missing = root
        .iter()
        .filter(|(key, value)| file.get(*key) != Some(*value));
    missing
        .map(|(key, _)| format!("{key} is not as in the root"))
        .collect()
}

fn read(folder: &str) -> Table {
    let path = tree::workspace_root().join(folder).join("clippy.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    text.parse()
        .unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

#[test]
fn pure_packages_ban_what_does() {
    let of_package = |(package, folder)| {
        let named = move |finding| format!("{package}: {finding}");
        missing_bans(&read(folder)).into_iter().map(named)
    };
    assert_none(PURE.into_iter().flat_map(of_package).collect());
}

#[test]
fn pure_packages_keep_the_rules_of_the_root() {
    let root = read(".");
    let files = PURE.into_iter().map(|(_, folder)| read(folder));
    assert_none(
        files
            .flat_map(|file| missing_root_rules(&root, &file))
            .collect(),
    );
}

#[test]
fn a_missing_ban_is_caught() {
    let text = "disallowed-methods = [\"std::env::var\", { path = \"std::fs::read\" }]\n";
    let file: Table = text.parse().expect("it is TOML");
    let found = missing_bans(&file);
    assert_eq!(found.len(), METHODS.len() + TYPES.len() - 2);
    assert!(found.contains(&"std::time::Instant::now is not banned".to_owned()));
}

#[test]
fn a_rule_of_the_root_that_was_not_repeated_is_caught() {
    let root: Table = "a = true\nb = 70\n".parse().expect("it is TOML");
    let file: Table = "a = true\nb = 90\n".parse().expect("it is TOML");
    assert_eq!(
        missing_root_rules(&root, &file),
        ["b is not as in the root"]
    );
}
