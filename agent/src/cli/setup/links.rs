//! Reading and writing the link to the runtime, with the same care as the files of engines ([`super::files`]): it is made
//! under another name and renamed, and only if what it replaces still is what was read.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use super::files::{FilesError, Root};
use crate::setup::LinkEdit;
use crate::setup::link::Found;

impl Root {
    /// What is at the place of a link.
    pub fn link(&self, path: &Path) -> Result<Found, FilesError> {
        let real = self.below(path)?;
        let failed = |source| FilesError::Read {
            path: real.clone(),
            source,
        };
        let known = match fs::symlink_metadata(&real) {
            Ok(known) => known,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(failed(error)),
        };
        let is_trusted = known.uid() == 0 || known.uid() == nix::unistd::geteuid().as_raw();
        if !known.is_symlink() || !is_trusted {
            return Ok(Found::Other);
        }
        let target = fs::read_link(&real).map_err(failed)?;
        Ok(match target.is_absolute() {
            true => Found::Link(target),
            false => Found::Other,
        })
    }

    /// Makes the change of a link, if what it changes still is as it was read.
    pub fn write_link(&self, edit: &LinkEdit) -> Result<(), FilesError> {
        let real = self.below(&edit.path)?;
        let folder = real.parent().unwrap_or(Path::new("/")).to_owned();
        self.guard(&folder, edit.after.is_some())?;
        let before = edit.before.clone().map_or(Found::Nothing, Found::Link);
        if self.link(&edit.path)? != before {
            return Err(FilesError::Moved { path: real });
        }
        match &edit.after {
            None => fs::remove_file(&real),
            Some(target) => replace(&real, target),
        }
        .and_then(|()| File::open(&folder)?.sync_all())
        .map_err(|source| FilesError::Write { path: real, source })
    }
}

/// The link under the old name; kerf-runtime sees the old one or the new.
fn replace(path: &Path, target: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    symlink(target, &temporary)?;
    let renamed = fs::rename(&temporary, path);
    if renamed.is_err() {
        // The first error is the one that matters.
        drop(fs::remove_file(&temporary));
    }
    renamed
}
