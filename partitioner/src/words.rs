//! Errors in words, for messages that cross a process boundary and for logs.

use std::error::Error;

/// An error and everything that caused it, in one line.
pub fn in_words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
