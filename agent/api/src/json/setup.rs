//! `kerf setup`: what of an engine's files changes, and what is to be done then.

use serde::Serialize;

use super::schema_tag;

schema_tag!(SetupSchema, "kerf.v1.Setup");

/// What is to be done for an engine, or was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setup {
    /// Names this document.
    pub schema: SetupSchema,
    /// `containerd`, `podman`, `docker` or `crio`.
    pub engine: String,
    /// The name of kerf-runtime there.
    pub handler: String,
    /// Whether the handler goes.
    pub undo: bool,
    /// Whether the files were written; what would be written is shown else.
    pub written: bool,
    /// The files that change; none where everything is as it should be.
    pub changes: Vec<SetupChange>,
    /// What was left as it is although it matters, each a sentence.
    pub notes: Vec<String>,
    /// The command after which the engine knows of it; null where nothing changes, or where no command is needed.
    pub restart: Option<String>,
}

/// A file that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetupChange {
    /// Its path, below the folder that stands for `/`.
    pub path: String,
    /// What becomes of it.
    pub kind: SetupKind,
    /// The change as a unified diff.
    pub diff: String,
}

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SetupKind {
    /// It is made.
    Create,
    /// Something in it changes.
    Change,
    /// It goes.
    Remove,
}
