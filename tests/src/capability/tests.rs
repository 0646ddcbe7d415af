//! The words of `KERF_REQUIRE`.

use super::{Capability, demanded};

#[test]
fn every_capability_is_named_by_its_word() {
    let list = Capability::ALL.map(Capability::word).join(", ");
    let all = demanded(&list).expect("every word is known");
    assert_eq!(all.len(), Capability::ALL.len());
}

#[test]
fn nothing_is_demanded_by_an_empty_list() {
    assert!(demanded(" ,").expect("no word is a wrong word").is_empty());
}

#[test]
fn a_misspelt_word_is_an_error() {
    let error = demanded("root,cgroups").expect_err("cgroups is no capability");
    assert_eq!(error.to_string(), "no capability is called \"cgroups\"");
}
