//! Files that are no layouts, of every size: refused in words, and never more than that.

use std::io::Write;

use kerf_types::layout::Layout;
use proptest::prelude::*;

use super::{PARTED, gpus, layout};
use crate::cli::input::Source;
use crate::cli::layout::{DOCUMENT_LIMIT, Read, read};

const GOOD: [(&str, &str); 3] = [
    (
        "a.yaml",
        "rules:\n- gpus: [0, 'label:x']\n  at_least: {1g.10gb: 2}\n  fill: [2g.20gb]\n- gpus: [7]\n  mig: false\n",
    ),
    (
        "a.toml",
        "[[rules]]\ngpus = [0]\nslices = {\"3g.40gb\" = 1}\ntogether = true\n",
    ),
    (
        "a.json",
        r#"{"rules":[{"gpus":["all"],"amd":{"compute":"cpx"}},{"gpus":[1],"mig":false,"sharing":{"mps":{"clients":4}}}]}"#,
    ),
];

/// A text is a layout that is written as it was read, or is refused in words.
fn is_read_or_refused(name: &str, text: &str) {
    let selected = [None, Some("balanced")].map(|select| layout(name, text, select));
    for read in selected {
        match read {
            Ok(layout) => {
                let wire = kerf_api::v1::Layout::from(&layout);
                assert_eq!(Layout::try_from(wire).as_ref(), Ok(&layout), "{text}");
            }
            Err(error) => {
                let words = error.to_string();
                let names = [name, "configuration"];
                let is_told = names.iter().any(|name| words.contains(name));
                assert!(is_told && words.len() < 4_000, "{words}");
            }
        }
    }
}

#[test]
fn a_megabyte_of_nonsense_is_refused() {
    let bytes = DOCUMENT_LIMIT - 1;
    let repeated = |text: &str| text.repeat(bytes / text.len());
    for text in [
        "[",
        "{a: ",
        "- ",
        "{\"rules\":[",
        "a: &a [*a, ",
        "\u{0}",
        "rules:\n",
        "[[rules]]\n",
        "🙃",
    ] {
        for name in ["a.yaml", "a.toml", "a.json"] {
            let refused = layout(name, &repeated(text), None).expect_err("no layout");
            let words = refused.to_string();
            assert!(
                words.contains(name) && words.len() < 1_000,
                "{name} {text:?}: {words}"
            );
        }
    }
}

#[test]
fn a_file_beyond_the_limit_is_refused_by_its_size() {
    let mut file = tempfile::Builder::new()
        .suffix(".yaml")
        .tempfile()
        .expect("a file");
    let comment = "#".repeat(DOCUMENT_LIMIT);
    writeln!(file, "{comment}\nrules:\n- gpus: [0]\n  mig: false").expect("written");
    let read = Source::read(file.path()).expect("kerf reads longer files of other kinds");
    let refused = read
        .within(DOCUMENT_LIMIT)
        .map(drop)
        .expect_err("too large");
    let words = refused.to_string();
    assert!(words.ends_with("is larger than 1048576 bytes"), "{words}");
}

#[test]
fn gpus_of_a_mig_parted_file_that_are_not_here_are_named() {
    let absent = |select: &str| {
        let source = Source::from_text("a.yaml", PARTED);
        match read(&source, Some(select)).expect("it reads") {
            Read::MigParted(config) => Vec::from_iter(config.absent(&gpus())),
            Read::Layout(_) => panic!("a file of mig-parted"),
        }
    };
    assert_eq!(absent("far"), ["9"]);
    assert_eq!(absent("farther"), ["8", "9"]);
    assert_eq!(absent("mixed"), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}", kind in 0..3_usize) {
        is_read_or_refused(GOOD[kind].0, &text);
    }

    #[test]
    fn a_layout_with_wrong_characters_is_read_or_refused(
        kind in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (name, good) = GOOD.get(kind).copied().unwrap_or(("a.yaml", PARTED));
        let mut text: Vec<char> = good.chars().collect();
        for (at, other) in changes {
            let at = at.index(text.len());
            text[at] = other;
        }
        let (begin, end) = text.split_at(cut.index(text.len()));
        for part in [&text[..], begin, end] {
            is_read_or_refused(name, &String::from_iter(part));
        }
    }
}
