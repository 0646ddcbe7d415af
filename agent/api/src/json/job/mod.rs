//! The description of a job as a document, `kerf.v1.JobSpec`, its canonical form and its hash.
//!
//! The hash is part of a job's identity for ever, on every host of a fleet. So the canonical form is fixed:
//! every field is there, in the order of [`JobSpecDocument`], maps are sorted by key in byte order, numbers are
//! integers below 2^53, there is no white space, and strings escape `"`, `\` and control characters alone, as
//! serde_json does. A field that comes later must be left out of it while it has its default.

mod amount;
mod check;
mod document;
mod from;
mod into;
#[cfg(test)]
pub(crate) mod tests;
mod words;

use kerf_types::job::JobSpec;
use sha2::{Digest, Sha256};

pub use amount::Amount;
pub use check::{
    ARGUMENT_LIMIT, GRACE_LIMIT_SECONDS, LIST_LIMIT, MEMBER_LIMIT, NUMBER_LIMIT, STRING_LIMIT,
};
pub use document::{
    AffinityDocument, CostLimitDocument, DataInputDocument, JobSpecDocument, JobSpecSchema,
    SelectorDocument, VolumeDocument,
};
pub use words::{CommunicationWord, JobKindWord, NetworkWord, OnPartitionWord, RestartWord};

use crate::convert::{ConvertError, Fault};

/// Most bytes of a document, as it comes and in canonical form. It bounds what a job costs in the store and on
/// the wire; the longest command line that Linux takes by default is 2 MiB, real ones are some KiB.
pub const DOCUMENT_LIMIT: usize = 256 << 10;

/// What the hash begins with, so that it can never be that of another kind of document.
const HASH_PREFIX: &str = "kerf.v1.JobSpec\n";

/// A text that is no description of a job.
#[derive(Debug, thiserror::Error)]
pub enum JobSpecError {
    /// It is too long to be read at all.
    #[error("the document has {bytes} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// [`DOCUMENT_LIMIT`].
        limit: usize,
    },
    /// It is no JSON, or has fields that are not in the format.
    #[error("not a kerf.v1.JobSpec document")]
    Syntax(#[source] serde_json::Error),
    /// A field has a value that it cannot have.
    #[error(transparent)]
    Field(#[from] ConvertError),
}

/// Reads and checks a JSON document.
pub fn parse(json: &str) -> Result<JobSpec, JobSpecError> {
    Ok(read(json)?.try_into()?)
}

/// Reads a JSON document and leaves its values unchecked.
pub fn read(json: &str) -> Result<JobSpecDocument, JobSpecError> {
    let (bytes, limit) = (json.len(), DOCUMENT_LIMIT);
    if bytes > limit {
        return Err(JobSpecError::TooLarge { bytes, limit });
    }
    serde_json::from_str(json).map_err(JobSpecError::Syntax)
}

/// Checks a description that was not read from a document.
pub fn validate(spec: &JobSpec) -> Result<(), ConvertError> {
    JobSpec::try_from(JobSpecDocument::from(spec)).map(drop)
}

/// The canonical form: one line of JSON, which [`parse`] reads back.
pub fn canonical_json(spec: &JobSpec) -> String {
    canonical(&JobSpecDocument::from(spec))
}

/// SHA-256 over `kerf.v1.JobSpec`, a line feed and the canonical form.
pub fn spec_hash(spec: &JobSpec) -> [u8; 32] {
    let hash = Sha256::new()
        .chain_update(HASH_PREFIX)
        .chain_update(canonical_json(spec));
    hash.finalize().into()
}

/// A hash as the API writes it: 64 lower-case hex digits.
pub fn hash_text(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn canonical(document: &JobSpecDocument) -> String {
    match serde_json::to_string(document) {
        Ok(json) => json,
        Err(error) => unreachable!("strings, integers and string-keyed maps always write: {error}"),
    }
}

/// Refuses what would be too large in canonical form, whatever format it came in.
fn check_size(document: &JobSpecDocument) -> Result<(), ConvertError> {
    let (bytes, limit) = (canonical(document).len(), DOCUMENT_LIMIT);
    if bytes > limit {
        return Err(ConvertError::new(
            "the document",
            Fault::TooLong { bytes, limit },
        ));
    }
    Ok(())
}
