//! A folder that stands for `/`: what writes the files of a generated machine.
//!
//! Owns the writing alone; what a machine has is said by a module per part of it ([`crate::processors`], [`crate::buses`]).

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The folder.
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// A tree in a folder that exists.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Writes a file with a line break after its text, as the kernel does.
    pub fn file(&self, path: &str, text: impl std::fmt::Display) -> io::Result<()> {
        fs::write(self.place(path)?, format!("{text}\n"))
    }

    /// Writes a file of these bytes.
    pub fn bytes(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        fs::write(self.place(path)?, bytes)
    }

    /// Makes a link to another place of the tree as the kernel makes them: it climbs from its own folder.
    pub fn link(&self, path: &str, target: &str) -> io::Result<()> {
        let climb = "../".repeat(path.matches('/').count());
        symlink(format!("{climb}{target}"), self.place(path)?)
    }

    fn place(&self, path: &str) -> io::Result<PathBuf> {
        let place = self.root.join(path);
        fs::create_dir_all(place.parent().unwrap_or(&self.root))?;
        Ok(place)
    }
}
