//! Lines of bounded length from a reader.

use std::io::{self, BufRead, BufReader, Read};

/// Most bytes of a line: sixteen GPUs, each with a grid of its own and full of instances, take a tenth of
/// it. A file without line ends must not fill the memory.
pub(super) const LINE_LIMIT: usize = 1 << 20;

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// All of it.
    Whole(Vec<u8>),
    /// It is longer than [`LINE_LIMIT`], and has been skipped.
    TooLong,
}

/// What is said about a line that is too long.
#[derive(Debug, thiserror::Error)]
#[error("the line is longer than {LINE_LIMIT} bytes")]
pub(super) struct TooLong;

impl Line {
    /// Whether there is nothing in it.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Whole(text) => text.trim_ascii().is_empty(),
            Self::TooLong => false,
        }
    }
}

/// The lines of a reader.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Line,
}

impl<R: Read> Lines<R> {
    pub fn new(reader: BufReader<R>) -> Self {
        Self {
            reader,
            line: Line::Whole(Vec::new()),
        }
    }

    /// Whether the next line is there already, so that it is read without waiting.
    pub fn has_next(&self) -> bool {
        self.reader.buffer().contains(&b'\n')
    }

    /// The next line, or `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<&Line>> {
        let mut text = match std::mem::replace(&mut self.line, Line::TooLong) {
            Line::Whole(text) => text,
            Line::TooLong => Vec::new(),
        };
        text.clear();
        let (mut is_long, mut is_end) = (false, true);
        loop {
            let part = match self.reader.fill_buf() {
                Ok(part) => part,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if part.is_empty() {
                break;
            }
            is_end = false;
            let end = part.iter().position(|byte| *byte == b'\n');
            let taken = part.get(..end.unwrap_or(part.len())).unwrap_or(part);
            is_long |= text.len() + taken.len() > LINE_LIMIT;
            if !is_long {
                text.extend_from_slice(taken);
            }
            let used = taken.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        if is_end {
            return Ok(None);
        }
        if !is_long {
            self.line = Line::Whole(text);
        }
        Ok(Some(&self.line))
    }
}
