//! What a verb prints with `-o json` when it fails.

use serde::Serialize;

use super::schema_tag;

schema_tag!(ErrorSchema, "kerf.v1.Error");

/// A failure, from what was tried down to its first cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Error {
    /// Names this document.
    pub schema: ErrorSchema,
    /// What failed.
    pub message: String,
    /// Why, each the cause of the one before.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Error {
    /// The chain of an error.
    pub fn new(error: &dyn std::error::Error, hint: Option<String>) -> Self {
        let chain = std::iter::successors(error.source(), |cause| cause.source());
        Self {
            schema: ErrorSchema::V1,
            message: error.to_string(),
            causes: chain.map(ToString::to_string).collect(),
            hint,
        }
    }
}
