//! Marks in a file that belongs to somebody else: what kerf wrote there can be told from the rest, and taken away.
//!
//! ```text
//! [table]
//!   key = true # kerf setup: added            a line behind a header
//! # kerf setup: instead of:   key = false     the line as it was, to the byte
//!   key = true # kerf setup: changed
//! # kerf setup: begin                         a block at the end
//! # kerf setup: end
//! ```
//! [`strip`] undoes what [`apply`] did, whatever line breaks the file has and whether its last line has one.

use std::ops::Range;

/// Begins a block; a word behind it says what the file was like.
const BEGIN: &str = "# kerf setup: begin";
/// Behind [`BEGIN`], where the last line before had no line break.
const UNENDED: &str = ", behind a last line without an end";
/// Behind [`BEGIN`], where there was no file.
const NEW: &str = ", in a file that was not there";
/// Ends a block.
const END: &str = "# kerf setup: end";
/// Before a line that was changed.
const INSTEAD: &str = "# kerf setup: instead of: ";
/// Behind what stands there now.
const CHANGED: &str = " # kerf setup: changed";
/// Behind a line that was added.
const ADDED: &str = " # kerf setup: added";

/// Marks that are not as kerf writes them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarksError {
    /// A block without an end.
    #[error("line {line} begins a block of kerf's that does not end")]
    Unclosed {
        /// Line, counted from 1.
        line: usize,
    },
    /// The line that kerf changed is gone or was changed since.
    #[error(
        "line {line} keeps a line that kerf changed, and what stood there instead is not below it"
    )]
    Unchanged {
        /// Line, counted from 1.
        line: usize,
    },
    /// Taking away what would be written would not give back what is there.
    #[error("lines of the file itself look like kerf's marks")]
    Alike,
}

/// A change within a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A line behind the one that ends here.
    Line {
        /// The end of the line before, ahead of its line break.
        behind: usize,
        /// The new line.
        line: String,
    },
    /// Another value in a line.
    Value {
        /// The line, without its line break.
        line: Range<usize>,
        /// The value in it.
        value: Range<usize>,
        /// The new value.
        new: String,
    },
}

impl Change {
    fn at(&self) -> usize {
        match self {
            Self::Line { behind, .. } => *behind,
            Self::Value { line, .. } => line.start,
        }
    }
}

/// A text without what kerf wrote, and whether kerf made the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stripped {
    /// The rest.
    pub text: String,
    /// Whether the file was not there before kerf.
    pub is_new: bool,
}

/// The text with changes and, behind it, a block; `None` as text is a file that is not there.
pub fn apply(text: Option<&str>, changes: &[Change], block: &str) -> Result<String, MarksError> {
    let is_new = text.is_none();
    let original = text.unwrap_or_default();
    let mut changes: Vec<&Change> = changes.iter().collect();
    changes.sort_by_key(|change| change.at());
    let mut written = original.to_owned();
    for change in changes.into_iter().rev() {
        match change {
            Change::Line { behind, line } => {
                written.insert_str(*behind, &format!("\n{line}{ADDED}"));
            }
            Change::Value { line, value, new } => {
                let part = |range: Range<usize>| original.get(range).unwrap_or_default();
                let (old, before) = (part(line.clone()), part(line.start..value.start));
                let behind = part(value.end..line.end);
                let marked = format!("{INSTEAD}{old}\n{before}{new}{behind}{CHANGED}");
                written.replace_range(line.clone(), &marked);
            }
        }
    }
    if !block.is_empty() {
        let (gap, word) = match written.as_str() {
            _ if is_new => ("", NEW),
            "" => ("", ""),
            text if text.ends_with('\n') => ("", ""),
            _ => ("\n", UNENDED),
        };
        written.push_str(&format!("{gap}{BEGIN}{word}\n{block}{END}\n"));
    }
    let back = strip(&written)?;
    if back.text != original || (back.is_new != is_new && !block.is_empty()) {
        return Err(MarksError::Alike);
    }
    Ok(written)
}

/// The text without what kerf wrote.
pub fn strip(text: &str) -> Result<Stripped, MarksError> {
    let mut rest = String::with_capacity(text.len());
    let mut is_new = false;
    let mut lines = (1..).zip(text.split_inclusive('\n'));
    while let Some((number, line)) = lines.next() {
        let (bare, end) = split(line);
        if let Some(word) = bare.strip_prefix(BEGIN) {
            if word == UNENDED {
                rest.pop();
            }
            is_new |= word == NEW;
            let closes = |(_, line): (usize, &str)| split(line).0 == END;
            if !lines.any(closes) {
                return Err(MarksError::Unclosed { line: number });
            }
        } else if let Some(old) = bare.strip_prefix(INSTEAD) {
            let below = lines.next().map(|(_, line)| split(line));
            let Some((_, end)) = below.filter(|(now, _)| now.ends_with(CHANGED)) else {
                return Err(MarksError::Unchanged { line: number });
            };
            rest.push_str(old);
            rest.push_str(end);
        } else if bare.ends_with(ADDED) && rest.ends_with('\n') {
            rest.pop();
            rest.push_str(end);
        } else {
            rest.push_str(line);
        }
    }
    Ok(Stripped { text: rest, is_new })
}

/// A line and its line break.
fn split(line: &str) -> (&str, &str) {
    let bare = line.strip_suffix('\n').unwrap_or(line);
    let bare = bare.strip_suffix('\r').unwrap_or(bare);
    (bare, line.get(bare.len()..).unwrap_or_default())
}

/// What stands in kerf's blocks of a text.
pub fn blocks(text: &str) -> String {
    let mut inside = false;
    let mut found = String::new();
    for line in text.split_inclusive('\n') {
        let bare = split(line).0;
        if bare.starts_with(BEGIN) {
            inside = true;
        } else if bare == END {
            inside = false;
        } else if inside {
            found.push_str(line);
        }
    }
    found
}
