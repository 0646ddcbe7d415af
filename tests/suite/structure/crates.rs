//! The ten crates that kerf is built on do real work: each is a dependency of a shipped package
//! and used in its code.

use super::assert_none;
use super::metadata::{self, Edge};
use super::source::{self, Source};
use super::tokens::mentions;

/// Crates that were chosen for kerf by those who asked for it.
const FIXED: [&str; 10] = [
    "caps",
    "containerd-client",
    "libc",
    "nix",
    "nvml-wrapper",
    "procfs",
    "prometheus",
    "serde",
    "tokio",
    "tonic",
];

/// Packages that are not shipped.
const DEVELOPMENT: [&str; 4] = ["kerf-fuzz", "kerf-tap-switch", "kerf-tests", "xtask"];

/// Names of packages with the sources of each.
type Packages<'a> = [(String, Vec<&'a Source>)];

fn unused(edges: &[Edge], packages: &Packages) -> Vec<String> {
    let users = |name: &str| {
        let depends = |package: &str| {
            edges
                .iter()
                .any(|edge| edge.is_shipped() && edge.from == package && edge.to == name)
        };
        let uses = |sources: &[&Source]| sources.iter().any(|source| mentions_crate(source, name));
        let shipped = packages
            .iter()
            .filter(|(package, _)| !DEVELOPMENT.contains(&package.as_str()));
        shipped
            .filter(|(package, sources)| depends(package) && uses(sources))
            .count()
    };
    let unused = FIXED.into_iter().filter(|name| users(name) == 0);
    unused
        .map(|name| format!("no shipped package depends on {name} and uses it"))
        .collect()
}

/// The crate's name starts a path of two parts or more in code that is no test; `use x as _` and
/// `extern crate x` alone are no use of it.
fn mentions_crate(source: &Source, name: &str) -> bool {
    let name = name.replace('-', "_");
    let found = mentions(source);
    found
        .iter()
        .any(|mention| mention.path.len() > 1 && mention.path.first() == Some(&name))
}

#[test]
fn the_ten_crates_do_real_work() {
    let sources = source::workspace();
    let of_package = |folder: &str| sources.iter().filter(|s| s.is_in_package(folder)).collect();
    let folders = metadata::folders().into_iter();
    let packages: Vec<_> = folders
        .map(|(name, folder)| (name, of_package(&folder)))
        .collect();
    assert_none(unused(&metadata::edges(), &packages));
}

#[test]
fn a_crate_that_is_declared_and_not_used_is_caught() {
    use cargo_metadata::DependencyKind::{Development, Normal};
    let all = FIXED
        .map(|name| format!("use {}::a;\n", name.replace('-', "_")))
        .concat();
    let without = all.replace(
        "use caps::a;\n",
        "use caps as _;\n#[cfg(test)]\nuse caps::b;\n",
    );
    let edges = FIXED.map(|name| Edge::new("kerf-agent", name, Normal));
    let check = |edges: &[Edge], text: &str| {
        let source = Source::new("agent/src/lib.rs", text);
        unused(edges, &[("kerf-agent".to_owned(), vec![&source])])
    };
    assert!(check(&edges, &all).is_empty());
    let caps = ["no shipped package depends on caps and uses it"];
    assert_eq!(check(&edges, &without), caps);
    let only_tests = edges.clone().map(|edge| {
        let kind = if edge.to == "caps" {
            Development
        } else {
            Normal
        };
        Edge { kind, ..edge }
    });
    assert_eq!(check(&only_tests, &all), caps);
}
