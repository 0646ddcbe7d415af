//! A temporary folder with a short path, gone again when its owner is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::world::{leftovers, sweep};

/// Keeps the folders of failed tests for reading when it is set.
pub const KEEP_ENV: &str = "KERF_KEEP";

/// A folder directly under `/tmp`.
///
/// `TMPDIR` is not asked: the path of a unix socket may have 107 bytes, and build servers like
/// temporary folders with long names.
#[derive(Debug)]
pub struct Scratch {
    folder: Option<tempfile::TempDir>,
    path: PathBuf,
}

impl Scratch {
    /// Makes `/tmp/<tag>-XXXXXX`, which its owner alone may write. The first one of a process removes what
    /// earlier test processes left that were killed.
    ///
    /// # Errors
    /// When `/tmp` takes no folder.
    pub fn new(tag: &str) -> Result<Self> {
        sweep::once();
        let folder = tempfile::Builder::new()
            .prefix(&format!("{tag}-"))
            .tempdir_in("/tmp")
            .context("cannot make a folder in /tmp")?;
        let path = folder.path().to_path_buf();
        std::fs::write(path.join(sweep::MARK), sweep::mark(std::process::id()))
            .with_context(|| format!("cannot write into {}", path.display()))?;
        Ok(Self {
            folder: Some(folder),
            path,
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path inside.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a folder inside, with its parents.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, name: impl AsRef<Path>) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A mount that stays would make the removal fail, or worse, reach into what is mounted.
        drop(leftovers::unmount_below(&self.path));
        let Some(folder) = self.folder.take() else {
            return;
        };
        if std::env::var_os(KEEP_ENV).is_some() {
            let kept = folder.keep();
            // Without a mark no later test process removes it.
            drop(std::fs::remove_file(kept.join(sweep::MARK)));
        }
    }
}

#[cfg(test)]
mod tests;
