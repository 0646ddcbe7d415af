//! Why a container is not guarded.

use std::io;
use std::path::PathBuf;

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
    /// It has ended instead.
    #[error("the guard does not stand: {said}")]
    Refused {
        /// What it said.
        said: String,
    },
}
