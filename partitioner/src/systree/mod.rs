//! The seam through which kerf partitions accelerators that have no library: a tree of files under a root.
//!
//! Owns the four operations and what their failures say. [`RealTree`] carries them out on files; [`SimTree`]
//! is the kernel of a simulated machine; [`transaction`] changes several files so that a failure leaves
//! nothing half done. Knows no vendor's files: those are their backends'.

mod real;
mod sim;
#[cfg(test)]
mod tests;
pub mod transaction;

pub use real::RealTree;
pub use sim::SimTree;

use nix::errno::Errno;

/// Most bytes that one file may have: an attribute has a page, a PCI configuration space 4 KiB, and the longest
/// lists that a driver prints some tens of pages.
pub const READ_LIMIT: usize = 256 << 10;

/// Files that a kernel shows. Paths begin with `/` and are beneath the root that the tree was opened at.
pub trait SysTree {
    /// The bytes of a file.
    ///
    /// # Errors
    /// With the errno where it cannot be opened or read; `TooLarge` beyond [`READ_LIMIT`].
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError>;

    /// Names in a folder, sorted.
    ///
    /// # Errors
    /// With the errno where it cannot be listed; `TooLarge` where it has no end.
    fn list(&self, path: &str) -> Result<Vec<String>, TreeError>;

    /// Gives one value to a file: one open, one write, one close. A kernel may refuse at each of them.
    ///
    /// # Errors
    /// With the errno and what failed; `Short` where the kernel took a part. An error does not say that nothing
    /// has changed.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TreeError>;

    /// Where a symbolic link leads, as it is written in the link.
    ///
    /// # Errors
    /// With the errno; EINVAL where it is no link.
    fn link(&self, path: &str) -> Result<String, TreeError>;
}

/// What was tried when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Opening for reading, or reading.
    Read,
    /// Listing a folder.
    List,
    /// Reading a link.
    Link,
    /// Opening for writing: nothing was written.
    OpenToWrite,
    /// The write itself.
    Write,
    /// The close after it, when some drivers only begin.
    Close,
}

impl Operation {
    fn words(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Link => "read the link",
            Self::OpenToWrite => "open for writing",
            Self::Write => "write",
            Self::Close => "close after writing",
        }
    }
}

/// Why an operation on a tree failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The kernel refused.
    #[error("{} {path}", operation.words())]
    Refused {
        /// What was tried.
        operation: Operation,
        /// On which file.
        path: String,
        /// Its word.
        #[source]
        errno: Errno,
    },
    /// The kernel took a part of the value.
    #[error("{path} took {written} of {length} bytes")]
    Short {
        /// The file.
        path: String,
        /// Bytes taken.
        written: usize,
        /// Bytes of the value.
        length: usize,
    },
    /// A vendor's tool that stands for the write has failed.
    #[error("{command}: {said}")]
    Tool {
        /// Its command line.
        command: Box<str>,
        /// What it said, cut to a bound.
        said: Box<str>,
    },
    /// A file or folder is larger than anything that a kernel shows there.
    #[error("{path} has more than {limit} bytes or entries")]
    TooLarge {
        /// Its path.
        path: String,
        /// The limit.
        limit: usize,
    },
}

impl TreeError {
    /// The kernel's word, where it is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::Short { .. } | Self::Tool { .. } | Self::TooLarge { .. } => None,
        }
    }

    /// Whether there is nothing of that name.
    pub fn is_absent(&self) -> bool {
        matches!(
            self.errno(),
            Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ENODEV | Errno::ENXIO)
        )
    }
}

/// Longest name that a driver gives to something, in bytes, which is NVML's own limit. kerfd takes no message with a
/// much longer one.
const LABEL_LIMIT: usize = 96;

/// A name or a number that a driver prints, so that it may be shown on a terminal; `None` for an empty one.
pub fn label(text: &str) -> Option<String> {
    let clean = text.trim().chars().map(|one| match one.is_control() {
        true => '?',
        false => one,
    });
    let mut label = String::new();
    for one in clean {
        if label.len() + one.len_utf8() > LABEL_LIMIT {
            break;
        }
        label.push(one);
    }
    (!label.is_empty()).then_some(label)
}

/// The text of a file without white space around it; `None` where it is not known: absent, unreadable at this
/// moment, or no text. For single facts, which are never zero instead.
pub fn fact(tree: &dyn SysTree, path: &str) -> Option<String> {
    match tree.read(path) {
        Ok(bytes) => Some(String::from_utf8(bytes).ok()?.trim().to_owned()),
        Err(error) => {
            tracing::debug!(
                path,
                error = &error as &dyn std::error::Error,
                "fact not readable"
            );
            None
        }
    }
}
