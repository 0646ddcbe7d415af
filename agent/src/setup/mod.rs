//! How container engines come to know kerf-runtime: `kerf setup`. Pure: the texts of their files in, the new texts out.
//!
//! Every other byte of a file stays. What kerf adds stands in a file of its own, where the engine reads such files, or
//! between marks ([`marks`]) in the engine's file, or, where a file takes no comments, in one form that nothing else has
//! ([`docker`]). So there is no record to keep beside: taking away is a function of the text alone, and what was written
//! and taken away again is what was there, to the byte. Nothing here reads or writes files, and nothing restarts an
//! engine.

pub mod containerd;
pub mod crio;
pub mod docker;
mod dropin;
pub mod error;
mod json;
pub mod link;
pub mod marks;
pub mod podman;
pub mod runtime;
#[cfg(test)]
mod tests;
pub mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use error::SetupError;
pub use link::LinkEdit;

/// An engine whose files are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// containerd 1.x and 2.x, and its CRI plugin.
    Containerd,
    /// podman 4 and later.
    Podman,
    /// Docker's daemon.
    Docker,
    /// CRI-O.
    Crio,
}

impl Engine {
    /// Its word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::Podman => "podman",
            Self::Docker => "docker",
            Self::Crio => "crio",
        }
    }

    /// What makes it read its files anew; none where each call of it does.
    pub fn restart(self) -> Option<&'static str> {
        match self {
            // Shims go on, and with them the containers.
            Self::Containerd => Some("systemctl restart containerd"),
            Self::Podman => None,
            // The daemon takes runtimes up without a restart (its manual, "runtimes" among what a reload changes).
            Self::Docker => Some("systemctl reload docker"),
            Self::Crio => Some("systemctl restart crio"),
        }
    }
}

/// The name under which an engine knows kerf-runtime. It is also the handler of a RuntimeClass, so it has the form of a
/// DNS label (Kubernetes refuses others there), and it needs no quotes in TOML and JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handler(String);

/// Most letters of a DNS label (RFC 1123).
const LONGEST_HANDLER: usize = 63;

impl Handler {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Handler {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let ends = text.starts_with('-') || text.ends_with('-');
        if text.is_empty() || text.len() > LONGEST_HANDLER || ends || !text.chars().all(is_fine) {
            let most = LONGEST_HANDLER;
            return Err(format!(
                "{text:?} is no name of a handler: at most {most} of a-z, 0-9 and -, no - at an end"
            ));
        }
        if matches!(text, "runc" | "crun") {
            return Err(format!("{text:?} is the name of the runtime below kerf's"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The handlers that kerf has in an engine's files: for each its program.
pub type Handlers = BTreeMap<String, String>;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The handler's name.
    pub handler: Handler,
    /// kerf-runtime's absolute path as the engine is to start it.
    pub program: String,
    /// Whether it comes or goes.
    pub action: Action,
}

/// Whether a handler comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is to be there.
    Add,
    /// It is to be gone.
    Remove,
}

impl Wish {
    /// The handlers that there are to be, where there were these.
    fn applied(&self, mut handlers: Handlers) -> Handlers {
        match self.action {
            Action::Add => {
                handlers.insert(self.handler.to_string(), self.program.clone());
            }
            Action::Remove => {
                handlers.remove(self.handler.as_str());
            }
        }
        handlers
    }
}

/// A file and what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its path.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}

/// A file before and after; where both are the same nothing is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Its path.
    pub path: PathBuf,
    /// What stands in it; `None` for a file that is not there.
    pub before: Option<String>,
    /// What is to stand in it; `None` for a file that goes.
    pub after: Option<String>,
}

impl Edit {
    /// Whether something is to be done.
    pub fn is_change(&self) -> bool {
        self.before != self.after
    }
}

/// What is to be done, and what is good to know beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Files that change, and none that does not.
    pub edits: Vec<Edit>,
    /// The link to the runtime below, where it comes, goes or leads elsewhere.
    pub link: Option<LinkEdit>,
    /// What kerf leaves as it is although it matters, each a sentence.
    pub notes: Vec<String>,
    /// Whether the engine has a handler of kerf's then.
    pub is_set_up: bool,
}

impl Outcome {
    fn of(edits: impl IntoIterator<Item = Edit>, notes: Vec<String>) -> Self {
        let edits = edits.into_iter().filter(Edit::is_change).collect();
        Self {
            edits,
            link: None,
            notes,
            is_set_up: false,
        }
    }

    fn set_up(self, is_set_up: bool) -> Self {
        Self { is_set_up, ..self }
    }
}
