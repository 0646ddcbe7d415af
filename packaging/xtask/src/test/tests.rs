//! What is run for which options.

use std::path::Path;

use clap::Parser;
use kerf_tests::process;

use super::{Options, listed};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn command(words: &[&str]) -> (bool, String) {
    let words = std::iter::once("test").chain(words.iter().copied());
    let line = Line::try_parse_from(words).expect("a command line");
    let mut command = super::tests(&line.options, Path::new("/r"));
    command.env_remove("CARGO");
    let text = process::shell_line(&command);
    let arguments = text.split_once(' ').expect("arguments").1.to_owned();
    (line.options.is_part(), arguments)
}

#[test]
fn a_filter_and_packages_say_which_tests_run() {
    let all = "test --no-fail-fast --workspace --".to_owned();
    assert_eq!(command(&[]), (false, all));
    let some = "test --no-fail-fast --workspace -- isolation".to_owned();
    assert_eq!(command(&["isolation"]), (true, some));
    let of_two = "test --no-fail-fast --package a --package b --".to_owned();
    assert_eq!(command(&["-p", "a", "-p", "b"]), (true, of_two));
}

#[test]
fn tests_are_counted_and_nothing_else() {
    let list = "host::cdi::two: test\nhost::cdi::three: test\n\n2 tests, 0 benchmarks\n";
    assert_eq!(listed(list), 2);
    assert_eq!(listed("0 tests, 0 benchmarks\n"), 0);
}
