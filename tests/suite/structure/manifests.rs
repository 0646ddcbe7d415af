//! Members are named one by one, and what they share is declared once.

use std::collections::BTreeSet;

use kerf_tests::tree;
use toml::{Table, Value};

use super::source::{self, Source};
use super::{assert_none, on_example};

/// Tables of a manifest that hold dependencies.
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Keys of `[package]` that are the same for all, and the lints.
const SHARED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

fn parse(manifest: &Source) -> Table {
    manifest
        .text
        .parse()
        .unwrap_or_else(|error| panic!("{}: {error}", manifest.path))
}

/// The member list names each manifest that is there, and has no pattern in it.
fn wrong_members(root: &Table, manifests: &[&str]) -> Vec<String> {
    let list = root.get("workspace").and_then(|table| table.get("members"));
    let names: BTreeSet<&str> = list
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let globs = names.iter().filter(|name| name.contains(['*', '?', '[']));
    let folders = manifests
        .iter()
        .filter_map(|path| path.strip_suffix("/Cargo.toml"));
    let strays = folders.filter(|folder| !names.contains(folder));
    let globs = globs.map(|name| format!("{name} is a pattern"));
    globs
        .chain(strays.map(|folder| format!("{folder} is not a member")))
        .collect()
}

/// Dependencies and shared keys come from the workspace.
fn declared_twice(manifest: &Source) -> Vec<String> {
    let table = parse(manifest);
    let own = dependencies(&table).filter(|(_, value)| !is_inherited(value));
    let own = own.map(|(name, _)| manifest.at(1, &format!("{name} is not from the workspace")));
    let package = |key: &&str| table.get("package").and_then(|package| package.get(*key));
    let keys = SHARED
        .iter()
        .filter(|key| !package(key).is_some_and(is_inherited));
    let keys = keys.map(|key| manifest.at(1, &format!("{key} is not from the workspace")));
    let lints = table.get("lints").filter(|lints| is_inherited(lints));
    let lints = lints
        .is_none()
        .then(|| manifest.at(1, "the lints are not from the workspace"));
    own.chain(keys).chain(lints).collect()
}

/// `workspace.dependencies` holds nothing that no member has.
fn unused(root: &Table, members: &[Table]) -> Vec<String> {
    let used: BTreeSet<&str> = members
        .iter()
        .flat_map(dependencies)
        .map(|(name, _)| name)
        .collect();
    let shared = root
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"));
    let names = shared
        .and_then(Value::as_table)
        .into_iter()
        .flat_map(Table::keys);
    let unused = names.filter(|name| !used.contains(name.as_str()));
    unused
        .map(|name| format!("{name} is declared and used by nobody"))
        .collect()
}

/// Names and values of all dependencies, also of those for one target only.
fn dependencies(manifest: &Table) -> impl Iterator<Item = (&str, &Value)> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter();
    let targets = targets.flat_map(Table::values).filter_map(Value::as_table);
    let tables = std::iter::once(manifest).chain(targets);
    let lists = tables.flat_map(|table| DEPENDENCIES.iter().filter_map(|key| table.get(*key)));
    let lists = lists.filter_map(Value::as_table).flatten();
    lists.map(|(name, value)| (name.as_str(), value))
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

fn root() -> Table {
    let path = tree::workspace_root().join("Cargo.toml");
    let text = std::fs::read_to_string(path).expect("the workspace has a manifest");
    text.parse().expect("it is TOML")
}

/// Every manifest below the root that is not of a workspace of its own, which the root names.
fn members() -> Vec<Source> {
    let root = root();
    let others = root.get("workspace").and_then(|table| table.get("exclude"));
    let others: BTreeSet<&str> = others
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut manifests = source::manifests();
    manifests.retain(|manifest| {
        let folder = manifest.path.strip_suffix("/Cargo.toml");
        folder.is_some_and(|folder| !others.contains(folder))
    });
    manifests
}

#[test]
fn members_are_named_one_by_one() {
    let members = members();
    let paths: Vec<&str> = members.iter().map(|member| member.path.as_str()).collect();
    assert_none(wrong_members(&root(), &paths));
}

#[test]
fn what_members_share_is_declared_once() {
    assert_none(members().iter().flat_map(declared_twice).collect());
}

#[test]
fn what_is_declared_is_used() {
    let members: Vec<Table> = members().iter().map(parse).collect();
    assert_none(unused(&root(), &members));
}

#[test]
fn patterns_and_strays_are_caught() {
    let root: Table = "[workspace]\nmembers = [\"agent\", \"x/*\"]\n"
        .parse()
        .expect("it is TOML");
    let found = wrong_members(&root, &["agent/Cargo.toml", "x/a/Cargo.toml"]);
    assert_eq!(found, ["x/* is a pattern", "x/a is not a member"]);
}

#[test]
fn a_version_of_ones_own_is_caught() {
    let text = "[package]\nversion = \"1\"\nedition.workspace = true\nrust-version.workspace = true\n\
                license.workspace = true\npublish.workspace = true\n[lints]\nworkspace = true\n\
                [dev-dependencies]\na = \"1\"\nb.workspace = true\n\
                [target.'cfg(unix)'.dependencies]\nc = { version = \"1\" }\n";
    let found = on_example(declared_twice, "a/Cargo.toml", text);
    let expected = ["a", "c", "version"].map(|name| format!("1: {name} is not from the workspace"));
    assert_eq!(found, expected);
}

#[test]
fn a_declaration_without_a_user_is_caught() {
    let root: Table = "[workspace.dependencies]\na = \"1\"\nb = \"1\"\n"
        .parse()
        .expect("TOML");
    let member: Table = "[build-dependencies]\na.workspace = true\n"
        .parse()
        .expect("TOML");
    assert_eq!(
        unused(&root, &[member]),
        ["b is declared and used by nobody"]
    );
}
