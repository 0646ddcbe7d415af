//! The pages of the manual that are made from the grammars.

use std::collections::BTreeMap;

use crate::cli::manual::pages;

#[test]
fn every_verb_has_a_page_and_no_page_is_of_a_hidden_one() {
    let pages: BTreeMap<String, Vec<u8>> = pages().expect("pages").into_iter().collect();
    for name in [
        "kerf.1",
        "kerf-run.1",
        "kerf-lease.1",
        "kerf-lease-create.1",
        "kerf-sim-fault.1",
        "kerf-config-check.1",
        "kerfd.8",
    ] {
        let page = pages.get(name).unwrap_or_else(|| panic!("no {name}"));
        let text = String::from_utf8_lossy(page);
        assert!(text.contains(".SH SYNOPSIS"), "{name}: {text}");
    }
    assert!(!pages.contains_key("kerf-manual.1"));
    assert!(
        pages.keys().all(|name| !name.contains("help")),
        "{:?}",
        pages.keys()
    );
    let head = String::from_utf8_lossy(&pages["kerf-run.1"]);
    let version = env!("CARGO_PKG_VERSION");
    let title = format!(".TH kerf-run 1  \"kerf {version}\" \"User Commands\"");
    assert!(head.contains(&title), "{head}");
}
