//! One dense line for each event, where somebody wants them: nothing is put into words otherwise.

use std::fmt::Write as _;

use crate::world::Micros;

/// The lines of a run.
#[derive(Debug, Default)]
pub struct Trace {
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace that is kept, or one that is not.
    pub fn new(kept: bool) -> Self {
        Self {
            lines: kept.then(Vec::new),
        }
    }

    /// Adds a line. `what` is called only where it is kept.
    pub fn add(&mut self, at: Micros, what: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let mut line = String::new();
            let (seconds, micros) = (at / 1_000_000, at % 1_000_000);
            write!(line, "{seconds:>4}.{micros:06} {}", what()).unwrap_or_default();
            lines.push(line);
        }
    }

    /// All lines.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
