//! System programs are found outside `PATH` too, and only when they can be executed.

use std::ffi::OsStr;

use super::{existing, find_in};

#[test]
fn folders_for_administrators_are_searched_after_path() {
    assert!(find_in("sh", OsStr::new("/bin")).is_some_and(|path| path.starts_with("/bin")));
    assert!(find_in("ldconfig", OsStr::new("")).is_some());
}

#[test]
fn a_plain_file_is_no_program() {
    assert_eq!(
        find_in("passwd", OsStr::new("/etc")).filter(|p| p.starts_with("/etc")),
        None
    );
}

#[test]
fn what_is_missing_is_named_with_the_command_that_makes_it() {
    let error = existing("/nowhere/kerfd".into(), "cargo build --workspace");
    let text = error.expect_err("nothing lies there").to_string();
    assert_eq!(
        text,
        "/nowhere/kerfd does not exist (made by: cargo build --workspace)"
    );
}
