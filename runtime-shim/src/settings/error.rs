//! Why the settings cannot be used.

use std::io;
use std::path::PathBuf;

use super::{FILE_LIMIT, FILE_NAME};

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file exists and cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than root may write the file.
    #[error("{} belongs to user {uid} with mode {mode:o}; root alone may write it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Owner.
        uid: u32,
        /// Permission bits.
        mode: u32,
    },
    /// The file is not a regular file, or too long.
    #[error("{} is not a regular file of at most {FILE_LIMIT} bytes", path.display())]
    NotPlain {
        /// The file.
        path: PathBuf,
    },
    /// The file is not TOML, has an unknown key or a value of a wrong type.
    #[error("{} is wrong", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and cause.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value is out of its range.
    #[error("{}: {key} must be {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The link does not say which program.
    #[error("{} is not a symbolic link of root's with an absolute path in it", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// The link and the file name different runtimes.
    #[error("{} leads to {}, and {FILE_NAME} beside it names {}", path.display(), target.display(), runtime.display())]
    TwoRuntimes {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
        /// What the file names.
        runtime: PathBuf,
    },
    /// No such program.
    #[error("the OCI runtime {} is not there or not executable", name.display())]
    NoRuntime {
        /// The program as configured.
        name: PathBuf,
    },
    /// The configured runtime is this program itself.
    #[error("the OCI runtime {} is kerf-runtime itself", name.display())]
    Circular {
        /// The program as configured.
        name: PathBuf,
    },
}
