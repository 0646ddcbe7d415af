//! Escaping of label values.

use super::Labels;

#[test]
fn values_are_escaped() {
    let labels = Labels::none()
        .with("a", "back\\slash")
        .with("b", "say \"hi\"\n")
        .with("c", "plain ünï")
        .with("d", 7);
    insta::assert_snapshot!(
        labels.as_str(),
        @r#"a="back\\slash",b="say \"hi\"\n",c="plain ünï",d="7""#
    );
}

#[test]
fn an_absent_value_is_no_label() {
    let labels = Labels::none()
        .with_some("numa_node", None::<u32>)
        .with_some("minor", Some(3));
    assert_eq!(labels.as_str(), r#"minor="3""#);
}

#[test]
fn different_values_stay_different() {
    let tricky = ["\\n", "\n", "\\\\n", "\\\n", "\"", "\\\""];
    let texts: std::collections::BTreeSet<String> = tricky
        .iter()
        .map(|value| Labels::none().with("x", value).as_str().to_owned())
        .collect();
    assert_eq!(texts.len(), tricky.len());
}
