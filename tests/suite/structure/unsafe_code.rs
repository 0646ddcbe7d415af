//! Unsafe code stands in `ffi.rs` and `sys.rs` alone, and pure packages forbid it to themselves.

use std::path::Path;

use super::{PURE, Source, assert_holds_everywhere, assert_none, on_example, source, tokens};

/// The word `unsafe` in any place: blocks, functions, impls, extern blocks, attributes, macros.
fn outside_its_files(source: &Source) -> Vec<String> {
    if may_be_unsafe(&source.path) {
        return Vec::new();
    }
    let words = tokens::flat(source)
        .into_iter()
        .filter(|token| token.text == "unsafe");
    words
        .map(|token| source.at(token.line, "unsafe outside of ffi.rs and sys.rs"))
        .collect()
}

fn may_be_unsafe(path: &str) -> bool {
    let path = Path::new(path);
    let named = path
        .file_stem()
        .is_some_and(|stem| stem == "ffi" || stem == "sys");
    let folder = path.parent().unwrap_or(path);
    named || folder.iter().any(|part| part == "ffi" || part == "sys")
}

/// The root of a pure package carries `#![forbid(unsafe_code)]`.
fn not_forbidden(root: &Source) -> Vec<String> {
    let forbids = |attribute: &Vec<tokens::Token>| {
        let words: Vec<&str> = attribute.iter().map(|token| token.text.as_str()).collect();
        words == ["forbid", "(", "unsafe_code", ")"]
    };
    let found = tokens::attributes(root).iter().any(forbids);
    if found {
        Vec::new()
    } else {
        vec![root.at(1, "a pure package forbids unsafe_code")]
    }
}

#[test]
fn unsafe_code_stands_in_its_own_files() {
    assert_holds_everywhere(outside_its_files);
}

#[test]
fn pure_packages_forbid_unsafe_code() {
    let roots = PURE.map(|(_, folder)| format!("{folder}/src/lib.rs"));
    let sources = source::workspace();
    let roots: Vec<&Source> = sources.iter().filter(|s| roots.contains(&s.path)).collect();
    assert_eq!(roots.len(), PURE.len());
    assert_none(roots.into_iter().flat_map(not_forbidden).collect());
}

#[test]
fn an_unsafe_block_is_caught_wherever_it_hides() {
    let text = "// unsafe in a comment\nconst A: &str = \"unsafe\";\nm! { unsafe { f() } }\n";
    let found = on_example(outside_its_files, "agent/src/lib.rs", text);
    assert_eq!(found, ["3: unsafe outside of ffi.rs and sys.rs"]);
    assert!(on_example(outside_its_files, "agent/src/x/sys.rs", text).is_empty());
    assert!(on_example(outside_its_files, "agent/src/ffi/call.rs", text).is_empty());
}

#[test]
fn a_pure_root_without_the_attribute_is_caught() {
    assert_eq!(
        on_example(not_forbidden, "a/src/lib.rs", "#![warn(unsafe_code)]").len(),
        1
    );
    assert!(on_example(not_forbidden, "a/src/lib.rs", "#![forbid(unsafe_code)]").is_empty());
}
