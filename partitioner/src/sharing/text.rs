//! The texts of the vendor's tools, read and written. Pure.

use std::fmt;

/// A text that is not what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} expected, found {found:?}")]
pub struct TextError {
    /// What should have been there.
    pub what: &'static str,
    /// What is there, cut short.
    pub found: String,
}

/// How an MPS server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerStatus {
    /// It is being started.
    Initializing,
    /// It serves.
    Active,
    /// A client's fault is ending all of them; no new client is taken until they are gone.
    Fault,
}

impl fmt::Display for ServerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initializing => "INITIALIZING",
            Self::Active => "ACTIVE",
            Self::Fault => "FAULT",
        })
    }
}
