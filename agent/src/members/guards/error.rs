//! Why a container is not guarded.

use std::io;
use std::path::PathBuf;

use kerf_partitioner::process;

use crate::process::workers::{ActError, ProcessError};

/// A fence that does not stand. It may at the next try.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The file with its deadline cannot be written.
    #[error("the guard's file {} cannot be written", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The program cannot be started.
    #[error("{} cannot be started as guard", program.display())]
    Program {
        /// kerf-runtime.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It has not said in time that it stands.
    #[error("the guard does not come to stand in time")]
    Slow,
    /// The worker that starts it did not do its part.
    #[error("the guard cannot be started")]
    Worker(#[source] ProcessError),
    /// It has ended instead.
    #[error("the guard does not stand: {said}")]
    Refused {
        /// What it said.
        said: String,
    },
}

impl GuardError {
    /// Why the worker started none.
    pub(super) fn of(error: ActError<process::guard::GuardError>) -> Self {
        match error {
            ActError::Act(process::guard::GuardError { program, source }) => {
                Self::Program { program, source }
            }
            ActError::Worker(ProcessError::Deadline { .. }) => Self::Slow,
            ActError::Worker(error) => Self::Worker(error),
        }
    }
}
