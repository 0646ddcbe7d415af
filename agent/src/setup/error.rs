//! Why an engine's files cannot be changed. Nothing was written then.

use std::path::PathBuf;

use super::marks::MarksError;

/// A file that kerf leaves alone, and why.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file is not TOML.
    #[error("{}:{line}: it is not TOML, so nothing in it is changed", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong.
        #[source]
        source: Box<toml_edit::TomlError>,
    },
    /// A file is not JSON.
    #[error("{}:{}: it is not JSON, so nothing in it is changed", path.display(), source.line())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A value is of another kind than the engine takes.
    #[error("{}: {key} is not {expected}", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// Where.
        key: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A file of a version that is not known here.
    #[error("{} is of version {version}, and kerf knows versions 1 to 4", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// The name is taken by something that kerf did not put there.
    #[error("{}:{line}: there is a handler {handler} already, and it is not kerf-runtime's: {found}", path.display())]
    Conflict {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// The name.
        handler: String,
        /// What it starts.
        found: String,
    },
    /// A file of kerf's name was written by somebody else.
    #[error("{} is there already, and kerf setup did not write it", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// containerd 1.x takes the settings of a plugin from one file alone.
    #[error(
        "{} has settings of the CRI plugin too, and containerd 1.x takes those alone: a handler in {} would do nothing",
        by.display(), path.display()
    )]
    Overridden {
        /// The file that would be changed.
        path: PathBuf,
        /// The file that it imports.
        by: PathBuf,
    },
    /// A table is written so that nothing can be added behind it.
    #[error("{}: no handler can be added to its tables as they are written", path.display())]
    Closed {
        /// The file.
        path: PathBuf,
        /// What a reader of the result would say.
        #[source]
        source: Box<toml_edit::TomlError>,
    },
    /// The marks around what kerf wrote are not as kerf wrote them.
    #[error("{}: what kerf setup wrote there is not as it was", path.display())]
    Marks {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: MarksError,
    },
    /// The settings of kerf-runtime are wrong.
    #[error("kerf-runtime would not start")]
    Runtime(#[source] Box<kerf_runtime::settings::SettingsError>),
}

impl SetupError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Toml { .. } | Self::Json { .. } | Self::Kind { .. } => {
                "put it right first: the engine would not start with it either".to_owned()
            }
            Self::Version { .. } => {
                "is the file of a newer containerd than this kerf? see kerf's release notes"
                    .to_owned()
            }
            Self::Conflict { .. } => {
                "take another name with --handler, or take that one away".to_owned()
            }
            Self::Foreign { path } => format!(
                "move {} away, or name another file with --config",
                path.display()
            ),
            Self::Overridden { by, .. } => format!(
                "name the file that counts: --config {}, or move its settings into the first",
                by.display()
            ),
            Self::Closed { .. } => {
                "write the inline tables around the runtimes as [tables] of their own".to_owned()
            }
            Self::Marks { .. } => {
                "put the lines with `# kerf setup` right, or take them away by hand".to_owned()
            }
            Self::Runtime(_) => "put kerf-runtime.toml right".to_owned(),
        }
    }
}
