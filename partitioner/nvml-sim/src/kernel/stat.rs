//! What is at a path, without a look at it: for a file system that has to know before anybody opens something.

use super::{Entry, Errno, Kernel};

/// What the kernel shows at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stat {
    /// A file with its permission bits.
    File {
        /// Read and write bits.
        mode: u32,
    },
    /// A link with its text.
    Link(String),
    /// A folder.
    Folder,
}

impl Kernel {
    /// What follows from the state at a path without links. `None` where nothing does: what does not change lies
    /// in the machine's tree. No fault befalls this, and it counts as no look.
    ///
    /// # Errors
    /// EIO where the machine's state cannot be read.
    pub fn stat(&self, path: &str) -> Result<Option<Stat>, Errno> {
        let seen = self.seen()?;
        let entry = seen.view.get(path.trim_start_matches('/'));
        Ok(entry.map(|entry| match entry {
            Entry::File(_, mode) => Stat::File { mode: *mode },
            Entry::Link(target) => Stat::Link(target.clone()),
            Entry::Folder => Stat::Folder,
        }))
    }
}
