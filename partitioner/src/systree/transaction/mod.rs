//! Several values in several files, all or none.
//!
//! ```text
//!            already right ──────────────────────────┐
//! next change ── expected value? ── write ── verify ──┴── next … ── Done
//!                     │ no            │ no     │ no
//!                     └───────────────┴────────┴── undo in reverse ── Undone
//!                                                        └ some fail ── Stuck
//! ```
//! Owns the order and the verdict; a vendor's backend says what is written, how it is verified and how it is
//! undone. It believes what it reads back and no answer to a write: a write that failed may have changed
//! something, and one that succeeded nothing. It keeps nothing: after a crash at any point the same changes are
//! given again, those that hold are not written again, and the rest follows. It never retries a write that was
//! refused, and waits only as long as its [`Patience`] lets it.

mod run;
#[cfg(test)]
mod tests;
mod wait;

use std::fmt;

use super::{SysTree, TreeError};

pub use run::run;
pub use wait::{Patience, Polls};

/// One value to write, and everything that there is to know about it.
#[derive(Debug)]
pub struct Change<'a> {
    /// The file.
    pub path: String,
    /// The value, as it is written.
    pub value: String,
    /// What must stand there before, where somebody else may have been faster.
    pub before: Before,
    /// When it is done.
    pub done: Done<'a>,
    /// How it is taken back.
    pub undo: Undo<'a>,
}

/// What a file must hold before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Anything.
    Any,
    /// This value, without white space around it.
    Is(String),
}

/// When a change is done. One that is done already is not written.
#[derive(Debug)]
pub enum Done<'a> {
    /// The file reads as the value.
    ReadsBack,
    /// The file reads as the value, and what follows from that has happened too.
    ReadsBackAnd(Box<dyn Condition + 'a>),
    /// This holds; the file itself need not be readable.
    Holds(Box<dyn Condition + 'a>),
    /// The kernel has taken it: there is nothing to be read. It is written each time.
    Accepted,
}

/// How a change is taken back.
#[derive(Debug)]
pub enum Undo<'a> {
    /// What the file held before is written again, and must be read back.
    Restore,
    /// The same, and this must hold then.
    RestoreAnd(Box<dyn Condition + 'a>),
    /// Another value, maybe into another file, after which this must hold.
    Write {
        /// The file.
        path: String,
        /// The value.
        value: String,
        /// What must hold then.
        done: Box<dyn Condition + 'a>,
    },
    /// It cannot be: should it have to be, it is listed as stuck.
    Impossible,
}

/// Something that a tree shows or does not show.
pub trait Condition: fmt::Debug {
    /// Whether it does now.
    ///
    /// # Errors
    /// Where the tree does not tell; while waiting, that counts as "not yet".
    fn holds(&self, tree: &dyn SysTree) -> Result<bool, TreeError>;

    /// What it is, for errors: `8 KFD nodes of 0000:0f:00.0`.
    fn words(&self) -> String;
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything holds, and this many values were written for it.
    Done {
        /// Values written.
        written: usize,
    },
    /// Everything is as it was before. A value that an earlier attempt wrote, and of which what follows never
    /// came, stands as it stood then.
    Undone {
        /// Why.
        reason: Refusal,
    },
    /// Some of it holds and could not be taken back.
    Stuck {
        /// Why it was not carried out.
        reason: Refusal,
        /// What is left, in the order in which it was tried to be undone.
        left: Vec<Left>,
    },
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The file could not be read before.
    #[error("look at {path} before it is changed")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        #[source]
        cause: TreeError,
    },
    /// It is not what the change was planned for.
    #[error("{path} holds {found:?} and not {expected:?}")]
    Conflict {
        /// The file.
        path: String,
        /// What it holds.
        found: String,
        /// What it should have held.
        expected: String,
    },
    /// The kernel refused it.
    #[error("set {path} to {value}")]
    Write {
        /// The file.
        path: String,
        /// The value.
        value: String,
        /// Its refusal.
        #[source]
        cause: TreeError,
    },
    /// The kernel took it, and it did not come about in time.
    #[error("{path} took {value}, and still there is no {missing}")]
    NotDone {
        /// The file.
        path: String,
        /// The value.
        value: String,
        /// What is missing.
        missing: String,
    },
}

impl Refusal {
    /// The kernel's word, where it is one.
    pub fn errno(&self) -> Option<nix::errno::Errno> {
        match self {
            Self::Unreadable { cause, .. } | Self::Write { cause, .. } => cause.errno(),
            Self::Conflict { .. } | Self::NotDone { .. } => None,
        }
    }
}

/// A change that could not be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The file that was changed.
    pub path: String,
    /// Why it could not be.
    pub why: String,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.why)
    }
}
