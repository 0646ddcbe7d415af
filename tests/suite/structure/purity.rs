//! Pure packages decide and never do, so they need nothing that does.
//!
//! Three looks: what is built into them, what their sources mention, and (in `clippy_bans`) what
//! clippy forbids them.

use super::metadata::{self, Edge};
use super::source::Source;
use super::tokens::{Mention, mentions};
use super::{PURE, assert_none, on_example, source};

/// Crates that do things: nowhere below a pure package.
const DOING: [&str; 12] = [
    "containerd-client",
    "libc",
    "mio",
    "nix",
    "nvml-wrapper",
    "nvml-wrapper-sys",
    "procfs",
    "rusqlite",
    "rustix",
    "socket2",
    "tokio",
    "tonic",
];

/// Crates that do things and are carried by one that does not. `ring` asks libc what the processor can do, on some
/// architectures, and has the system's randomness, which nobody here may draw: clippy forbids it by name.
const CARRIED: [(&str, &str); 2] = [("kerf-seal", "libc"), ("kerf-identity", "libc")];

/// Crates of wire and disk formats: the vocabulary has none, formats are structs of other packages.
const FORMATS: [&str; 6] = [
    "prost",
    "rusqlite",
    "schemars",
    "serde",
    "serde_json",
    "toml",
];

/// Parts of std that do things. `std::net` also holds addresses, which are plain data.
const MODULES: [&str; 5] = ["env", "fs", "net", "process", "thread"];
const CLOCKS: [&str; 2] = ["Instant", "SystemTime"];
const UNORDERED: [&str; 2] = ["HashMap", "HashSet"];
const ADDRESSES: [&str; 6] = [
    "IpAddr",
    "Ipv4Addr",
    "Ipv6Addr",
    "SocketAddr",
    "SocketAddrV4",
    "SocketAddrV6",
];

fn doing_crates(package: &str, closure: &[String]) -> Vec<String> {
    let carried = |name: &str| CARRIED.contains(&(package, name));
    let found = closure.iter().filter(|name| DOING.contains(&name.as_str()));
    found
        .filter(|name| !carried(name))
        .map(|name| format!("{package} is built from {name}"))
        .collect()
}

fn formats_in_types(edges: &[Edge]) -> Vec<String> {
    let wrong = |edge: &&Edge| {
        edge.from == "kerf-types" && edge.is_shipped() && FORMATS.contains(&edge.to.as_str())
    };
    edges
        .iter()
        .filter(wrong)
        .map(|edge| format!("kerf-types depends on {}", edge.to))
        .collect()
}

fn impure_mentions(source: &Source) -> Vec<String> {
    let found = mentions(source);
    let found = found.iter().filter(|mention| is_impure(mention));
    found
        .map(|mention| source.at(mention.line, &mention.path.join("::")))
        .collect()
}

fn is_impure(mention: &Mention) -> bool {
    let parts: Vec<&str> = mention.path.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["std", "net", rest, ..] => !ADDRESSES.contains(rest),
        ["std", module, ..] if MODULES.contains(module) => true,
        ["std", "os", ..] | ["std", "io", "stdin" | "stdout" | "stderr", ..] => true,
        ["std", "time", clock, ..] => CLOCKS.contains(clock),
        parts => parts
            .iter()
            .any(|part| UNORDERED.contains(part) || CLOCKS.contains(part)),
    }
}

#[test]
fn nothing_that_does_is_built_into_pure_packages() {
    let of_package = |(package, _): (&str, &str)| {
        doing_crates(package, &metadata::closure(package, "normal,no-proc-macro"))
    };
    assert_none(PURE.into_iter().flat_map(of_package).collect());
}

#[test]
fn the_vocabulary_has_no_formats() {
    assert_none(formats_in_types(&metadata::edges()));
}

#[test]
fn sources_of_pure_packages_mention_nothing_that_does() {
    let sources = source::workspace();
    let is_pure = |source: &&Source| PURE.iter().any(|(_, folder)| source.is_in_package(folder));
    assert_none(
        sources
            .iter()
            .filter(is_pure)
            .flat_map(impure_mentions)
            .collect(),
    );
}

#[test]
fn a_doing_crate_deep_below_is_caught() {
    let closure = ["kerf-planner", "uuid", "getrandom", "libc"].map(str::to_owned);
    assert_eq!(
        doing_crates("kerf-planner", &closure),
        ["kerf-planner is built from libc"]
    );
}

#[test]
fn a_format_in_the_vocabulary_is_caught() {
    use cargo_metadata::DependencyKind::{Development, Normal};
    let edges = [
        Edge::new("kerf-types", "serde", Normal),
        Edge::new("kerf-types", "serde_json", Development),
        Edge::new("kerf-api", "serde", Normal),
    ];
    assert_eq!(formats_in_types(&edges), ["kerf-types depends on serde"]);
}

#[test]
fn a_mention_of_something_that_does_is_caught() {
    let text = "use std::{fs::File, net::SocketAddr, time::{Duration, Instant}};\n\
                use std::collections::{BTreeMap, HashMap};\n\
                fn f() { std::thread::yield_now(); std::net::TcpListener::bind(0) }\n\
                #[cfg(test)]\nmod tests { use std::env; }\n";
    let found = on_example(impure_mentions, "partitioner/types/src/lib.rs", text);
    let expected = [
        "1: std::fs::File",
        "1: std::time::Instant",
        "2: std::collections::HashMap",
        "3: std::thread::yield_now",
        "3: std::net::TcpListener::bind",
    ];
    assert_eq!(found, expected);
}
