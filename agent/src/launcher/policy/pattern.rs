//! Patterns for the names of images.

use std::fmt;
use std::str::FromStr;

use kerf_types::ParseError;

/// Longest pattern: longer than any image's name.
const PATTERN_LIMIT: usize = 512;

/// A pattern for full image names; `*` stands for any text, slashes included.
///
/// Nothing else is special, so that a list can be read without a manual: `nvcr.io/nvidia/*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImagePattern(String);

impl ImagePattern {
    /// The pattern that allows every image.
    pub fn any() -> Self {
        Self("*".to_owned())
    }

    /// Whether a name fits.
    pub fn matches(&self, name: &str) -> bool {
        kerf_types::pattern::matches(&self.0, name)
    }
}

impl FromStr for ImagePattern {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let clean = |c: char| c.is_ascii_alphanumeric() || "._/:@-*".contains(c);
        if text.is_empty() || text.len() > PATTERN_LIMIT || !text.chars().all(clean) {
            let hint = "a name like nvcr.io/nvidia/pytorch:25.01, or nvcr.io/nvidia/*";
            return Err(ParseError::new("a pattern for images", text, hint));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
