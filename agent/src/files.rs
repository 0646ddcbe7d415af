//! Files that others read while we write them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Whether a file must be on the disk when a call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It survives a power cut.
    Synced,
    /// It lives in a folder that a reboot empties.
    Volatile,
}

/// Replaces a file's content by writing a temporary one beside it and renaming that: a reader sees the old
/// content or the new. The temporary name has no extension that a reader of the folder would take up.
pub fn replace(path: &Path, content: &[u8], durability: Durability) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let temporary = folder.join(temporary_name(path.file_name().unwrap_or_default()));
    let written = match write(&temporary, content, durability) {
        // The folder is there but the first time.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            write(&temporary, content, durability)
        }
        written => written,
    };
    let result = written.and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        // What matters is the first error; a temporary file that cannot be removed harms nobody.
        drop(fs::remove_file(&temporary));
        return result;
    }
    if durability == Durability::Synced {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn temporary_name(name: &OsStr) -> OsString {
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    temporary
}

/// Of a temporary file the name that it would have got: a process that was killed while it wrote has left it.
pub fn unfinished(temporary: &OsStr) -> Option<&str> {
    let inner = temporary
        .to_str()?
        .strip_prefix('.')?
        .strip_suffix(".tmp")?;
    let (name, process) = inner.rsplit_once('.')?;
    process.parse::<u32>().is_ok().then_some(name)
}

fn write(path: &Path, content: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path)?;
    file.write_all(content)?;
    if durability == Durability::Synced {
        file.sync_all()?;
    }
    Ok(())
}

/// Removes a file; one that is gone already is no error.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A folder of copies in the run folder, one file each, which only root may read.
#[derive(Debug)]
pub struct CopyFolder {
    folder: PathBuf,
}

impl CopyFolder {
    /// The folder, which is made, without what an earlier kerfd was writing when it was killed. What is kept in it is
    /// somewhere else too, so a failure is told and no more.
    pub fn new(folder: PathBuf) -> Self {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        if let Err(error) = made {
            tracing::warn!(%error, path = %folder.display(), "no folder for copies");
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| unfinished(&entry.file_name()).is_some()) {
            // What stays is not read, see below.
            drop(fs::remove_file(entry.path()));
        }
        Self { folder }
    }

    /// Writes a copy.
    pub fn keep(&self, name: &Path, content: &[u8]) {
        let path = self.folder.join(name);
        if let Err(error) = replace(&path, content, Durability::Volatile) {
            tracing::warn!(%error, path = %path.display(), "copy not written");
        }
    }

    /// Takes a copy away.
    pub fn forget(&self, name: &Path) {
        let path = self.folder.join(name);
        if let Err(error) = remove(&path) {
            tracing::warn!(%error, path = %path.display(), "copy not removed");
        }
    }

    /// The content of every copy that can be read and was written to its end.
    pub fn read(&self) -> Vec<Vec<u8>> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries
            .filter(|entry| unfinished(&entry.file_name()).is_none())
            .filter_map(|entry| fs::read(entry.path()).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_file_tells_its_name_and_no_other_file_is_one() {
        let temporary = temporary_name(OsStr::new("kerf.dev-slice.json"));
        assert_eq!(unfinished(&temporary), Some("kerf.dev-slice.json"));
        for other in [
            "kerf.dev-slice.json",
            "kerf.dev-slice.json.17.tmp",
            ".kerf.dev-slice.json.tmp",
            ".x.y.tmp",
            ".tmp",
        ] {
            assert_eq!(unfinished(OsStr::new(other)), None, "{other}");
        }
    }

    #[test]
    fn a_copy_that_was_not_written_to_its_end_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let copies = CopyFolder::new(folder.path().to_owned());
        copies.keep(Path::new("whole"), b"whole");
        let half = folder.path().join(temporary_name(OsStr::new("half")));
        fs::write(half, "ha").expect("written");
        assert_eq!(copies.read(), [b"whole"]);
        drop(CopyFolder::new(folder.path().to_owned()));
        let left = fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(left, 1, "what was left of a copy goes with the next kerfd");
    }
}
