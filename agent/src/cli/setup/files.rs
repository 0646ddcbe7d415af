//! Reading and writing files of engines: below one folder, never through a symbolic link, and only what root, or whoever
//! runs this, alone may write.
//!
//! A file is written beside and renamed, with the owner and the mode of the one that it replaces, and only if that still
//! is what was read. A folder that others may write to would let them put a link in the way between the look and the
//! write, so every folder on the way down is looked at.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Component, Path, PathBuf};

use kerf_runtime::settings::PROGRAM_FOLDERS;

use crate::setup::{Edit, SetupError};

/// Longest file in bytes: a hundred times the longest that an engine writes by itself.
const LONGEST: u64 = 4 << 20;

/// Mode of a file that is made; everybody may read it, as the packages have it.
const MODE: u32 = 0o644;

/// The same of a folder.
const FOLDER_MODE: u32 = 0o755;

/// A file that was not read or not written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// What stands in the files does not allow it.
    #[error(transparent)]
    Refused(SetupError),
    /// A link is in the way.
    #[error("{} is a symbolic link, and kerf setup follows none", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Others may write there.
    #[error("{} belongs to user {uid} with mode {mode:o}; others than root could change what kerf setup writes", path.display())]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// It is no file, or too long.
    #[error("{} is not a file of at most {LONGEST} bytes", path.display())]
    NotPlain {
        /// What is there.
        path: PathBuf,
    },
    /// It holds something else than text.
    #[error("{} is not text in UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// Somebody has written it meanwhile.
    #[error("{} was changed by somebody else meanwhile, and is left as it is now", path.display())]
    Moved {
        /// The file.
        path: PathBuf,
    },
    /// A relative path, or one with `..`.
    #[error("{} is not an absolute path without ..", path.display())]
    Relative {
        /// The path.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl FilesError {
    /// Whether the command was wrong, and not what it met.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Relative { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Refused(error) => error.hint(),
            Self::Link { .. } => "name the file that it leads to: --config PATH".to_owned(),
            Self::Exposed { .. } => {
                "give it to root, and take others the right to write".to_owned()
            }
            Self::Moved { .. } => "run the command again".to_owned(),
            Self::Write { source, .. } | Self::Read { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                "run it as root".to_owned()
            }
            _ => return None,
        })
    }
}

/// The folder that stands for `/`.
#[derive(Debug)]
pub struct Root {
    folder: PathBuf,
}

impl Root {
    /// That folder.
    pub fn new(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self { folder }
    }

    /// Whether it is this machine's own.
    pub fn is_real(&self) -> bool {
        self.folder == Path::new("/")
    }

    /// Where a path of the machine is here.
    pub(super) fn below(&self, path: &Path) -> Result<PathBuf, FilesError> {
        let inner = path.strip_prefix("/").ok();
        let is_plain = |path: &&Path| {
            path.components()
                .all(|one| matches!(one, Component::Normal(_)))
        };
        let inner = inner.filter(is_plain).ok_or_else(|| FilesError::Relative {
            path: path.to_owned(),
        })?;
        Ok(self.folder.join(inner))
    }

    /// The text of a file; `None` where there is none.
    pub fn read(&self, path: &Path) -> Result<Option<String>, FilesError> {
        Ok(self.open(path)?.map(|(text, _)| text))
    }

    fn open(&self, path: &Path) -> Result<Option<(String, Metadata)>, FilesError> {
        let real = self.below(path)?;
        let failed = |source| FilesError::Read {
            path: real.clone(),
            source,
        };
        let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits())
            .open(&real);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(nix::libc::ELOOP) => {
                return Err(FilesError::Link { path: real });
            }
            Err(error) => return Err(failed(error)),
        };
        let known = file.metadata().map_err(failed)?;
        let mut bytes = Vec::new();
        if known.is_file() {
            file.take(LONGEST + 1)
                .read_to_end(&mut bytes)
                .map_err(failed)?;
        }
        if !known.is_file() || u64::try_from(bytes.len()).map_or(true, |length| length > LONGEST) {
            return Err(FilesError::NotPlain { path: real });
        }
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| FilesError::NotText { path: real.clone() })?;
        Ok(Some((text, known)))
    }

    /// The files of a pattern whose last part may have `*`, as paths of the machine, in order of their names.
    pub fn matching(&self, pattern: &Path) -> Vec<PathBuf> {
        let name = pattern.file_name().and_then(|name| name.to_str());
        let (Some(folder), Some(name)) = (pattern.parent(), name) else {
            return Vec::new();
        };
        let Ok(real) = self.below(folder) else {
            return Vec::new();
        };
        let entries = fs::read_dir(real).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let fits = |found: &String| crate::setup::containerd::matches(name, found);
        let mut paths: Vec<PathBuf> = names.filter(fits).map(|name| folder.join(name)).collect();
        paths.sort();
        paths
    }

    /// The first of these programs that is installed.
    pub fn program(&self, names: &[&str]) -> Option<String> {
        let paths = names.iter().flat_map(|name| {
            PROGRAM_FOLDERS
                .iter()
                .map(move |folder| format!("{folder}/{name}"))
        });
        paths.into_iter().find(|path| self.has_program(path))
    }

    /// Whether there is a program at a path. One that is a link to it serves as well.
    pub fn has_program(&self, path: &str) -> bool {
        let Ok(path) = self.below(Path::new(path)) else {
            return false;
        };
        fs::metadata(path).is_ok_and(|known| known.is_file() && known.mode() & 0o111 != 0)
    }

    /// Makes a change, if what it changes still is as it was read.
    pub fn write(&self, edit: &Edit) -> Result<(), FilesError> {
        let real = self.below(&edit.path)?;
        let folder = real.parent().unwrap_or(&self.folder).to_owned();
        let failed = |source| FilesError::Write {
            path: real.clone(),
            source,
        };
        self.guard(&folder, edit.after.is_some())?;
        let known = self.open(&edit.path)?;
        let owner = match &known {
            Some((_, known)) => {
                refuse_exposed(&real, known)?;
                Some(known)
            }
            None => None,
        };
        if known.as_ref().map(|(text, _)| text) != edit.before.as_ref() {
            return Err(FilesError::Moved { path: real });
        }
        match &edit.after {
            None => fs::remove_file(&real),
            Some(text) => replace(&real, text, owner),
        }
        .and_then(|()| File::open(&folder)?.sync_all())
        .map_err(failed)
    }

    /// Looks at each folder from the root down, and makes those that are not there where something is to be written.
    pub(super) fn guard(&self, folder: &Path, makes: bool) -> Result<(), FilesError> {
        let inner = folder.strip_prefix(&self.folder).unwrap_or(Path::new(""));
        let mut at = self.folder.clone();
        for part in std::iter::once(Component::CurDir).chain(inner.components()) {
            at.push(part);
            let mut known = fs::symlink_metadata(&at);
            if makes
                && known
                    .as_ref()
                    .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
            {
                let made = fs::DirBuilder::new().mode(FOLDER_MODE).create(&at);
                made.map_err(|source| FilesError::Write {
                    path: at.clone(),
                    source,
                })?;
                known = fs::symlink_metadata(&at);
            }
            let known = known.map_err(|source| FilesError::Read {
                path: at.clone(),
                source,
            })?;
            if known.is_symlink() {
                return Err(FilesError::Link { path: at });
            }
            refuse_exposed(&at, &known)?;
        }
        Ok(())
    }
}

/// Refuses what others than root and whoever runs this may write.
fn refuse_exposed(path: &Path, known: &Metadata) -> Result<(), FilesError> {
    let (uid, mode) = (known.uid(), known.mode() & 0o7777);
    let is_trusted = uid == 0 || uid == nix::unistd::geteuid().as_raw();
    if is_trusted && mode & 0o022 == 0 {
        return Ok(());
    }
    Err(FilesError::Exposed {
        path: path.to_owned(),
        uid,
        mode,
    })
}

/// The new content under the old name, owner and mode; a reader sees the old or the new.
fn replace(path: &Path, text: &str, known: Option<&Metadata>) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // No engine reads a file of such a name.
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(text.as_bytes())?;
        if let Some(known) = known {
            fchown(&file, Some(known.uid()), Some(known.gid()))?;
        }
        let mode = known.map_or(MODE, |known| known.mode() & 0o7777);
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    let outcome = written();
    if outcome
        .as_ref()
        .is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists)
    {
        // The first error is the one that matters.
        drop(fs::remove_file(&temporary));
    }
    outcome
}
