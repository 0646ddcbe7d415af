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
    replace_as(path, content, durability, Modes::PUBLIC)
}

/// The same for what nobody but its owner may read, also while it is written. It is on the disk when this returns.
pub fn replace_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    // One that a process of this number left when it was killed would keep the mode that it has.
    remove(&temporary_of(path))?;
    replace_as(path, content, Durability::Synced, Modes::SECRET)
}

/// Modes of what is made.
#[derive(Debug, Clone, Copy)]
struct Modes {
    file: u32,
    folder: u32,
}

impl Modes {
    const PUBLIC: Self = Self {
        file: 0o644,
        folder: 0o777,
    };
    const SECRET: Self = Self {
        file: 0o600,
        folder: 0o700,
    };
}

fn replace_as(path: &Path, content: &[u8], durability: Durability, modes: Modes) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let temporary = temporary_of(path);
    let written = match write(&temporary, content, durability, modes.file) {
        // The folder is there but the first time.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(modes.folder).create(folder)?;
            write(&temporary, content, durability, modes.file)
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

fn temporary_of(path: &Path) -> PathBuf {
    let mut temporary = OsString::from(".");
    temporary.push(path.file_name().unwrap_or_default());
    temporary.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(temporary)
}

/// Of a temporary file the name that it would have got: a process that was killed while it wrote has left it.
pub fn unfinished(temporary: &OsStr) -> Option<&str> {
    written_by(temporary).map(|(name, _)| name)
}

/// The same with the process that writes it.
fn written_by(temporary: &OsStr) -> Option<(&str, u32)> {
    let inner = temporary
        .to_str()?
        .strip_prefix('.')?
        .strip_suffix(".tmp")?;
    let (name, process) = inner.rsplit_once('.')?;
    Some((name, process.parse().ok()?))
}

/// Removes what processes that are gone were writing in a folder when they were killed: it may be a secret, and nothing
/// ever reads it. What cannot be removed stays for the next start.
pub fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let is_left = written_by(&name)
            .is_some_and(|(_, process)| !Path::new("/proc").join(process.to_string()).exists());
        if is_left && let Err(error) = remove(&entry.path()) {
            tracing::warn!(%error, path = %entry.path().display(), "unfinished file not removed");
        }
    }
}

fn write(path: &Path, content: &[u8], durability: Durability, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
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
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_temporary_file_tells_its_name_and_no_other_file_is_one() {
        let temporary = temporary_of(Path::new("kerf.dev-slice.json"));
        let name = temporary.file_name().expect("it has one");
        assert_eq!(unfinished(name), Some("kerf.dev-slice.json"));
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
    fn a_secret_is_nobody_elses_whatever_lay_there_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cluster/key");
        replace_secret(&path, b"one").expect("written");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!(mode(path.parent().expect("a folder")), 0o700);
        assert_eq!(mode(&path), 0o600);
        fs::write(temporary_of(&path), "left by one that was killed").expect("written");
        replace_secret(&path, b"two").expect("written");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read(&path).expect("it reads"), b"two");
    }

    #[test]
    fn what_the_dead_were_writing_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = temporary_of(&folder.path().join("key"));
        // The kernel gives no process a number this high.
        let dead = folder.path().join(".key.4194999.tmp");
        let other = folder.path().join("key");
        for path in [&own, &dead, &other] {
            fs::write(path, "secret").expect("written");
        }
        sweep(folder.path());
        assert!(own.exists() && other.exists());
        assert!(!dead.exists(), "a half-written secret stays");
        sweep(&folder.path().join("none"));
    }

    #[test]
    fn a_copy_that_was_not_written_to_its_end_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let copies = CopyFolder::new(folder.path().to_owned());
        copies.keep(Path::new("whole"), b"whole");
        let half = temporary_of(&folder.path().join("half"));
        fs::write(half, "ha").expect("written");
        assert_eq!(copies.read(), [b"whole"]);
        drop(CopyFolder::new(folder.path().to_owned()));
        let left = fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(left, 1, "what was left of a copy goes with the next kerfd");
    }
}
