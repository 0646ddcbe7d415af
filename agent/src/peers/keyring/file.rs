//! `keyring.json`: the fleet's keys on this host's disk, for root alone.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use kerf_seal::{DOCUMENT_LIMIT, DocumentError, Keyring};
use zeroize::Zeroizing;

/// Folder of what makes a host part of a fleet, in the state folder.
const FOLDER: &str = "cluster";

/// The file in it.
const FILE: &str = "keyring.json";

/// What can go wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum KeyringFileError {
    /// It is there and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others could have read it, so its keys are no secret.
    #[error("{} may be read by others than its owner (mode {mode:03o}): chmod 600, and rotate its keys", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The mode.
        mode: u32,
    },
    /// It is no plain file.
    #[error("{} is not a plain file", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// It is not a keyring.
    #[error("{} is not a keyring that is understood here", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Where, and what.
        #[source]
        source: DocumentError,
    },
    /// It could not be written; the keys that were in force stay so.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Where the file lies.
pub(super) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(FOLDER).join(FILE)
}

/// Reads the file; `None` where there is none. A link is not followed, and what is not plain is not opened for long:
/// a pipe would hold up the start.
pub(super) fn read(path: &Path) -> Result<Option<Keyring>, KeyringFileError> {
    let failed = |source| KeyringFileError::Read {
        path: path.to_owned(),
        source,
    };
    let flags = libc_flags();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let facts = file.metadata().map_err(failed)?;
    let path = || path.to_owned();
    if !facts.is_file() {
        return Err(KeyringFileError::Kind { path: path() });
    }
    let mode = facts.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyringFileError::Open { path: path(), mode });
    }
    // With room for all, so that no shorter copy is left behind when it grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(DOCUMENT_LIMIT + 1));
    let limit = u64::try_from(DOCUMENT_LIMIT + 1).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    let read = Keyring::from_bytes(&bytes);
    read.map(Some).map_err(|source| {
        let path = path();
        KeyringFileError::Document { path, source }
    })
}

fn libc_flags() -> i32 {
    use nix::fcntl::OFlag;
    (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits()
}

/// Replaces the file, which is on the disk when this returns: a host that sealed with a key and forgot it in a power
/// cut would look dead.
pub(super) fn write(path: &Path, keyring: &Keyring) -> Result<(), KeyringFileError> {
    crate::files::replace_secret(path, &keyring.to_bytes()).map_err(|source| {
        KeyringFileError::Write {
            path: path.to_owned(),
            source,
        }
    })
}
