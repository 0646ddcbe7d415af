//! Other people's parsers of our text: promtool, and Python's prometheus_client.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs a program with a text on its standard input.
pub fn feed(program: &Path, arguments: &[&str], text: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let text = text.to_owned();
    // A thread of its own: the program may write before it has read everything. It may also end early,
    // and then what it says counts, not our broken pipe.
    let writer = std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let output = child.wait_with_output().expect("the program's output");
    writer.join().expect("the writer");
    output
}
