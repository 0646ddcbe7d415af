//! Every file opens with what it is: `//!` on its first line.

use super::{Source, assert_holds_everywhere, on_example};

fn without_doc(source: &Source) -> Vec<String> {
    let first = source.text.lines().next().unwrap_or_default();
    let said = first
        .strip_prefix("//!")
        .is_some_and(|text| text.trim().len() > 10);
    if said {
        Vec::new()
    } else {
        vec![source.at(1, "the file does not say what it is")]
    }
}

#[test]
fn every_file_says_what_it_is() {
    assert_holds_everywhere(without_doc);
}

#[test]
fn a_file_without_doc_is_caught() {
    let message = ["1: the file does not say what it is"];
    assert_eq!(
        on_example(without_doc, "a/src/lib.rs", "use std::fs;\n"),
        message
    );
    assert_eq!(
        on_example(without_doc, "a/src/lib.rs", "//!\nuse std::fs;\n"),
        message
    );
    assert_eq!(on_example(without_doc, "a/src/lib.rs", ""), message);
    assert!(on_example(without_doc, "a/src/lib.rs", "//! The lease table.\n").is_empty());
}
