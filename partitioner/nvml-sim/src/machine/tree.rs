//! Writes files, folders and links under one root. Owns the errors of doing so; what is written
//! is for its callers to say.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::CreateError;

/// A folder that stands for `/`.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The tree below `root`.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where `path`, which is relative, lies on the real machine.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// A folder with its parents.
    pub fn folder(&self, path: impl AsRef<Path>) -> Result<(), CreateError> {
        let path = self.path(path);
        fs::create_dir_all(&path).map_err(|error| failed("create", &path, error))
    }

    /// Removes a folder with what is in it; nothing where none is.
    pub fn remove(&self, path: impl AsRef<Path>) -> Result<(), CreateError> {
        let path = self.path(path);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &path, error))
            }
            _ => Ok(()),
        }
    }

    /// A file with that content; its folder exists.
    pub fn bytes(&self, path: impl AsRef<Path>, content: &[u8]) -> Result<(), CreateError> {
        let path = self.path(path);
        fs::write(&path, content).map_err(|error| failed("write", &path, error))
    }

    /// A file with a line of text, or with text that ends its own lines.
    pub fn text(&self, path: impl AsRef<Path>, text: impl AsRef<str>) -> Result<(), CreateError> {
        let text = text.as_ref();
        let end = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        self.bytes(path, format!("{text}{end}").as_bytes())
    }

    /// Several one-line files in one folder, which is created.
    pub fn attributes(
        &self,
        folder: impl AsRef<Path>,
        attributes: &[(&str, String)],
    ) -> Result<(), CreateError> {
        self.folder(&folder)?;
        for (name, text) in attributes {
            self.text(folder.as_ref().join(name), text)?;
        }
        Ok(())
    }

    /// A relative symbolic link from `path` to `target`, both relative to the root. The folder of
    /// the link is created.
    pub fn link(
        &self,
        path: impl AsRef<Path>,
        target: impl AsRef<Path>,
    ) -> Result<(), CreateError> {
        let folder = path.as_ref().parent().unwrap_or(Path::new(""));
        self.folder(folder)?;
        let mut relative = PathBuf::new();
        let shared = folder
            .components()
            .zip(target.as_ref().components())
            .take_while(|(a, b)| a == b)
            .count();
        relative.extend(folder.components().skip(shared).map(|_| ".."));
        relative.extend(target.as_ref().components().skip(shared));
        let path = self.path(path);
        symlink(relative, &path).map_err(|error| failed("link", &path, error))
    }

    /// The permission bits of a file.
    pub fn mode(&self, path: impl AsRef<Path>, mode: u32) -> Result<(), CreateError> {
        let path = self.path(path);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .map_err(|error| failed("set the mode of", &path, error))
    }
}

/// Writes attributes of which many are alike, such as those of CPUs: what was written before with the same content is
/// that file under one more name. A machine has ten thousand of them, and an inode for each would cost a second on a
/// busy disk. Only for files that nobody changes: they are replaced, if at all, never written over.
#[derive(Debug)]
pub struct Alike<'a> {
    tree: &'a Tree,
    written: BTreeMap<String, PathBuf>,
}

impl<'a> Alike<'a> {
    /// Writes into this tree.
    pub fn new(tree: &'a Tree) -> Self {
        let written = BTreeMap::new();
        Self { tree, written }
    }

    /// As [`Tree::attributes`].
    pub fn attributes(
        &mut self,
        folder: impl AsRef<Path>,
        attributes: &[(&str, String)],
    ) -> Result<(), CreateError> {
        self.tree.folder(&folder)?;
        for (name, text) in attributes {
            let path = folder.as_ref().join(name);
            let Some(same) = self.written.get(text) else {
                self.tree.text(&path, text)?;
                self.written.insert(text.clone(), self.tree.path(path));
                continue;
            };
            let path = self.tree.path(path);
            fs::hard_link(same, &path).map_err(|error| failed("link", &path, error))?;
        }
        Ok(())
    }
}

/// An error of the system with what was tried.
pub fn failed(operation: &'static str, path: &Path, source: io::Error) -> CreateError {
    CreateError::Io {
        operation,
        path: path.to_owned(),
        source,
    }
}
