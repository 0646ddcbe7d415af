//! The link that names the runtime.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::SettingsError;
use crate::sys;

/// Where the link at `path` leads, or nothing where there is none. What it leads to may be a link again, of which its
/// owner takes care (`/etc/alternatives`).
pub(super) fn read(path: &Path) -> Result<Option<PathBuf>, SettingsError> {
    let failed = |source| SettingsError::Read {
        path: path.to_owned(),
        source,
    };
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(failed)?,
    };
    let is_trusted = metadata.uid() == 0 || metadata.uid() == sys::effective_uid();
    let wrong = || SettingsError::Link {
        path: path.to_owned(),
    };
    if !metadata.is_symlink() || !is_trusted {
        return Err(wrong());
    }
    let target = fs::read_link(path).map_err(failed)?;
    match target.is_absolute() {
        true => Ok(Some(target)),
        false => Err(wrong()),
    }
}
