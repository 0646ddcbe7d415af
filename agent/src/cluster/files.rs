//! `STATE/cluster/`: files for root alone, each replaced as a whole.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use zeroize::Zeroizing;

use super::ClusterError;

/// Name of the folder in the state folder.
pub(super) const FOLDER: &str = "cluster";

/// What a member keeps of itself.
pub(super) const MEMBER: &str = "member.json";
/// The list of revoked hosts.
pub(super) const REVOKED: &str = "revoked";
/// The CA's key.
pub(super) const CA_KEY: &str = "ca.key";
/// What is kept of tokens.
pub(super) const TOKENS: &str = "tokens.json";
/// Who holds a certificate.
pub(super) const HOLDERS: &str = "holders.json";

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The one in a state folder.
    pub fn of(state_dir: &Path) -> Self {
        Self(state_dir.join(FOLDER))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether a keyring lies there.
    pub fn has_keyring(&self) -> bool {
        self.has("keyring.json")
    }

    /// Whether a file lies there.
    pub fn has(&self, name: &str) -> bool {
        self.0.join(name).exists()
    }

    /// Removes a file that has no meaning any more.
    pub fn remove(&self, name: &str) {
        let path = self.0.join(name);
        if let Err(error) = crate::files::remove(&path) {
            tracing::warn!(%error, path = %path.display(), "file not removed");
        }
    }

    /// The state folder that it lies in.
    pub fn state_dir(&self) -> &Path {
        self.0.parent().unwrap_or(Path::new("/"))
    }

    /// Reads a file of at most so many bytes; `None` where there is none. A link is not followed, what others may read
    /// is no secret and refused, and a pipe does not hold up the start.
    pub fn read(
        &self,
        name: &str,
        limit: usize,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, ClusterError> {
        let path = self.0.join(name);
        let failed = |source| ClusterError::Read {
            path: self.0.join(name),
            source,
        };
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&path);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let facts = file.metadata().map_err(failed)?;
        let mode = facts.mode() & 0o777;
        if !facts.is_file() || mode & 0o077 != 0 {
            return Err(ClusterError::Exposed { path, mode });
        }
        // With room for all, so that no shorter copy is left behind when it grows.
        let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
        let most = u64::try_from(limit + 1).unwrap_or(u64::MAX);
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Some(bytes))
    }

    /// Replaces a file, which is on the disk when this returns.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ClusterError> {
        let path = self.0.join(name);
        let written = crate::files::replace_secret(&path, bytes);
        written.map_err(|source| ClusterError::Write { path, source })
    }

    /// Something in a file that is not what it must be.
    pub fn wrong(
        &self,
        name: &str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> ClusterError {
        ClusterError::Document {
            path: self.0.join(name),
            source: Box::new(source),
        }
    }
}
