//! What is left out of a chain of errors.

use super::chain;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(String, #[source] Option<Box<Told>>);

#[track_caller]
fn check(texts: &[&str], expected: &str) {
    let effects = texts.iter().rev();
    let whole = effects.fold(None, |cause, text| {
        Some(Box::new(Told((*text).to_owned(), cause)))
    });
    assert_eq!(chain(&*whole.expect("a text")), expected);
}

#[test]
fn what_was_told_last_is_not_told_again() {
    check(&["a failed", "no room"], "a failed: no room");
    check(&["a failed: no room", "no room"], "a failed: no room");
    let step = "step 1 of 2 failed (cut GPU 0)";
    check(&[step, "cut GPU 0: no room"], &format!("{step}: no room"));
    check(&["cut GPU 0", "cut GPU 0: no", "no: b"], "cut GPU 0: no: b");
}

#[test]
fn what_was_told_of_something_else_is_told() {
    let step = "step 1 of 2 failed (cut GPU 10)";
    check(
        &[step, "GPU 0: no room"],
        &format!("{step}: GPU 0: no room"),
    );
    check(&[step, "0: no room"], &format!("{step}: 0: no room"));
    // What has become of others stands between the step and why it failed.
    let step = "step 1 of 2 failed (cut a); step 1 of 1 failed (cut b): no room";
    check(&[step, "cut a: in use"], &format!("{step}: cut a: in use"));
}
