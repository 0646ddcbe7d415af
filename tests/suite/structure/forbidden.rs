//! What a source must not hold: silenced lints without a reason, unfinished code, hidden tests.

use super::{Source, assert_holds_everywhere, on_example, tokens};

/// Macros that mark code as unfinished or forgotten.
const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// `#[allow(..)]` and `#[expect(..)]` without a reason, also inside of `cfg_attr`.
fn silenced_without_reason(source: &Source) -> Vec<String> {
    let silences = |attribute: &&Vec<tokens::Token>| {
        let pairs = attribute.windows(2);
        let mut pairs = pairs.filter_map(|pair| match pair {
            [word, bracket] if bracket.text == "(" => Some(word.text.as_str()),
            _ => None,
        });
        pairs.any(|word| word == "allow" || word == "expect")
            && !attribute.iter().any(|token| token.text == "reason")
    };
    let attributes = tokens::attributes(source);
    let found = attributes
        .iter()
        .filter(silences)
        .filter_map(|attribute| attribute.first());
    found
        .map(|token| source.at(token.line, "a lint is silenced without a reason"))
        .collect()
}

/// Calls of the macros above.
fn unfinished(source: &Source) -> Vec<String> {
    let tokens = tokens::flat(source);
    let calls = tokens.windows(2).filter_map(|pair| match pair {
        [word, mark] if mark.text == "!" && MACROS.contains(&word.text.as_str()) => Some(word),
        _ => None,
    });
    calls
        .map(|word| source.at(word.line, &format!("{}! is left in", word.text)))
        .collect()
}

/// `#[ignore]`: a test that cannot run here asks for a capability and says why it is skipped.
fn ignored(source: &Source) -> Vec<String> {
    let attributes = tokens::attributes(source);
    let is_ignore = |attribute: &&Vec<tokens::Token>| {
        let word = |place: usize| attribute.get(place).map(|token| token.text.as_str());
        let in_cfg_attr = word(0) == Some("cfg_attr")
            && attribute.windows(2).any(
                |pair| matches!(pair, [comma, name] if comma.text == "," && name.text == "ignore"),
            );
        word(0) == Some("ignore") || in_cfg_attr
    };
    let found = attributes
        .iter()
        .filter(is_ignore)
        .filter_map(|attribute| attribute.first());
    found
        .map(|token| source.at(token.line, "an ignored test"))
        .collect()
}

#[test]
fn lints_are_silenced_with_a_reason_only() {
    assert_holds_everywhere(silenced_without_reason);
}

#[test]
fn nothing_is_left_unfinished() {
    assert_holds_everywhere(unfinished);
}

#[test]
fn no_test_is_ignored() {
    assert_holds_everywhere(ignored);
}

#[test]
fn a_bare_allow_is_caught() {
    let text = "#![allow(dead_code)]\n#[expect(unused, reason = \"why\")]\n\
                #[cfg_attr(test, allow(unused))]\nfn allow(x: u8) { x.expect(\"y\") }\n";
    let found = on_example(silenced_without_reason, "a/src/lib.rs", text);
    let expected = ["1", "3"].map(|line| format!("{line}: a lint is silenced without a reason"));
    assert_eq!(found, expected);
}

#[test]
fn an_unfinished_function_is_caught() {
    let text = "// todo!()\nfn f() { todo!() }\nfn g() { vec![dbg!(1)]; todo(); }\n";
    let found = on_example(unfinished, "a/src/lib.rs", text);
    assert_eq!(found, ["2: todo! is left in", "3: dbg! is left in"]);
}

#[test]
fn an_ignored_test_is_caught() {
    let text = "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n#[cfg_attr(miri, ignore)]\nfn b() {}\n";
    let found = on_example(ignored, "a/src/lib.rs", text);
    assert_eq!(found, ["2: an ignored test", "4: an ignored test"]);
}
