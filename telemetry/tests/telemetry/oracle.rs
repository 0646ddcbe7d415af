//! Other people's parsers of our text: promtool, and Python's prometheus_client.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs a program with a text on its standard input; `None` if there is no such program.
pub fn feed(program: &str, arguments: &[&str], text: &str) -> Option<Output> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().expect("a pipe");
    let text = text.to_owned();
    // A thread of its own: the program may write before it has read everything. It may also end early,
    // and then what it says counts, not our broken pipe.
    let writer = std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let output = child.wait_with_output().expect("the program's output");
    writer.join().expect("the writer");
    Some(output)
}

/// Says in one line that a test cannot run here; fails it if `KERF_REQUIRE` names `word`.
pub fn skip(word: &str, why: &str) {
    let required = std::env::var("KERF_REQUIRE").unwrap_or_default();
    let demanded = required.split(',').any(|name| name.trim() == word);
    assert!(!demanded, "KERF_REQUIRE names {word}, but {why}");
    // Not println: the harness keeps that to itself when a test passes.
    writeln!(std::io::stderr(), "skipped: {why}").expect("standard error");
}

/// The Python interpreter to ask.
pub fn python() -> String {
    std::env::var("KERF_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}
