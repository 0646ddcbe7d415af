//! What xtask says to the person who started it. The only place that prints.

use std::io::Write;

/// A line on standard output. Nobody is left to be told when it cannot be written.
pub fn line(text: &str) {
    writeln!(std::io::stdout(), "{text}").ok();
}

/// An error with one cause per line on standard error.
pub fn error(error: &anyhow::Error) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "error: {error}").ok();
    for cause in error.chain().skip(1) {
        writeln!(stderr, "  caused by: {cause}").ok();
    }
}
