//! What `nvidia-smi` prints, as data. Pure: text in, structs out.
//!
//! nvidia-smi promises no stable output, so a part that is not understood is an error that shows the
//! line; nothing is guessed. Golden input are captures of driver 590.48.01.

pub mod details;
pub mod links;
pub mod list;
pub mod mig;
pub mod query;
pub mod topology;

/// What nvidia-smi says about one fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// This.
    Value(&'a str),
    /// The GPU does not have or tell it.
    Nothing,
    /// nvidia-smi did not ask, or may not say: deprecated, no permission, an error.
    Withheld(&'a str),
}

impl<'a> Said<'a> {
    /// Reads a cell of a query or a value of `-q`.
    pub fn new(cell: &'a str) -> Self {
        let cell = cell.trim();
        let inner = cell
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        match inner.unwrap_or(cell) {
            "" | "N/A" | "Not Supported" => Self::Nothing,
            "Requested functionality has been deprecated" => {
                Self::Withheld("deprecated in nvidia-smi")
            }
            _ => inner.map_or(Self::Value(cell), Self::Withheld),
        }
    }
}

/// A text that is not what nvidia-smi is known to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotUnderstood {
    /// What was being read.
    pub what: &'static str,
    /// The line.
    pub line: String,
}

impl std::fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is not understood: {:?}", self.what, self.line)
    }
}

impl std::error::Error for NotUnderstood {}

fn not_understood(what: &'static str, line: &str) -> NotUnderstood {
    NotUnderstood {
        what,
        line: line.to_owned(),
    }
}

#[cfg(test)]
mod tests;
