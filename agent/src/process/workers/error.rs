//! Why something about processes was not done, or is not known.

use std::io;
use std::path::PathBuf;

/// A worker that did not do its part. What it was told to change may be half done.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started or used.
    #[error("the process worker {} failed", program.display())]
    Worker {
        /// Its program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It did not answer in time, and was killed.
    #[error("{operation} did not return within {deadline_ms} ms")]
    Deadline {
        /// The call.
        operation: &'static str,
        /// How long it had.
        deadline_ms: u128,
    },
    /// A killed one has not gone, and may change something yet.
    #[error(
        "{operation} waits for process worker {pid}, which was killed in {was_at} and has not gone"
    )]
    Stuck {
        /// The call.
        operation: &'static str,
        /// The worker that is there.
        pid: u32,
        /// What that one was at.
        was_at: &'static str,
    },
    /// It does not do that.
    #[error("{operation} was refused by the process worker: {message}")]
    Refused {
        /// The call.
        operation: &'static str,
        /// Its words.
        message: String,
    },
    /// It answered with something else than was asked for.
    #[error("the process worker gave a wrong answer to {operation}")]
    Protocol {
        /// The call.
        operation: &'static str,
    },
}

impl ProcessError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        "see the log, and `journalctl -u 'kerf-process@*'`; what was begun is taken back, and looked at again"
    }
}

/// A change that was not made: it failed, or the worker did.
#[derive(Debug, thiserror::Error)]
pub enum ActError<E: std::error::Error + 'static> {
    /// It failed.
    #[error(transparent)]
    Act(E),
    /// The worker did.
    #[error(transparent)]
    Worker(#[from] ProcessError),
}
