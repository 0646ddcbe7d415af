//! States of jobs, which stand on the wire as words.

use kerf_types::ParseError;
use kerf_types::job::JobState;

use super::{At, ConvertError};

/// Reads the word that [`JobState::as_str`] writes.
pub fn job_state(word: &str) -> Result<JobState, ConvertError> {
    let hint = "pending, starting, running, succeeded, failed, cancelled or lost";
    JobState::ALL
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| ParseError::new("a job state", word, hint))
        .at("state")
}
