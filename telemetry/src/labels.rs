//! Label sets as text, made once per entity and written before each of its values.
//!
//! Rendering labels anew for every series is what makes scrapes of the usual libraries slow; here a
//! slice's labels are escaped once and copied a dozen times.

use std::fmt::{self, Display, Write};

/// The inside of a pair of braces: `gpu_uuid="GPU-…",gi="1"`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Labels(String);

impl Labels {
    /// No labels.
    pub(crate) const fn none() -> Self {
        Self(String::new())
    }

    /// These labels and one more.
    pub(crate) fn with(&self, name: &str, value: impl Display) -> Self {
        let mut more = Self(String::with_capacity(self.0.len() + name.len() + 48));
        more.0.push_str(&self.0);
        more.push(name, value);
        more
    }

    /// These labels and one more, if there is a value for it: an absent label, not an empty one.
    pub(crate) fn with_some(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a label if there is a value for it.
    pub(crate) fn push_some(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }

    /// Adds a label. Its name is one of ours and needs no escaping.
    pub(crate) fn push(&mut self, name: &str, value: impl Display) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        // Writing to a String fails only if the value's own Display does, which then is its text.
        let written = write!(Escaped(&mut self.0), "{value}");
        debug_assert!(written.is_ok(), "a label value could not be formatted");
        self.0.push('"');
    }

    /// The text between the braces.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Escapes a label value as both formats ask: backslash, double quote and line feed.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '"', '\n']) {
            let (clean, special) = rest.split_at(at);
            self.0.push_str(clean);
            let mut special = special.chars();
            match special.next() {
                Some('\n') => self.0.push_str("\\n"),
                Some(other) => self.0.extend(['\\', other]),
                None => {}
            }
            rest = special.as_str();
        }
        self.0.push_str(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
