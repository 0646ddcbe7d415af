//! The fleet's keys on this host: in a file, in force, and in rotation.
//!
//! It owns the file and the handle that the sealer follows. A change is on the disk before it is in force, so a host
//! that starts again has at least the keys that it had. It never decides when a phase of a rotation may begin:
//! kerf-seal does, by what [`rounds`] has heard from the living hosts.

mod file;
pub(super) mod rounds;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use kerf_seal::{HostKeys, Key, KeyError, KeyId, Keyring, KeyringError, KeyringHandle};
use zeroize::Zeroizing;

pub use file::KeyringFileError;
pub use rounds::{HostAnswer, Round};

use super::shared::lock;

/// What can go wrong with keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// This host's gossip is not sealed.
    #[error(
        "this host has no keyring: what it says in gossip is neither encrypted nor authenticated"
    )]
    None,
    /// The file.
    #[error(transparent)]
    File(#[from] KeyringFileError),
    /// A step that a keyring does not take.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// Bytes that are no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A phase for which living hosts are not ready.
    #[error("{why}: {hosts}")]
    NotReady {
        /// Which phase, of which key.
        why: String,
        /// The hosts, each with what is missing.
        hosts: String,
    },
    /// A key would travel for everybody to read.
    #[error(
        "a key is not sent over connections that are neither encrypted nor authenticated; kerfd --insecure-dev allows it for experiments"
    )]
    Plain,
    /// The kernel has no random numbers.
    #[error("no random numbers")]
    Random(#[source] getrandom::Error),
    /// The thread that writes has ended.
    #[error("the keyring was not written: its thread ended")]
    Thread,
}

/// The keys of this host.
#[derive(Debug)]
pub struct Keys {
    path: PathBuf,
    handle: KeyringHandle,
    /// Held while the file changes.
    changing: Mutex<()>,
    /// Held through a phase that is begun here: two at a time would each see what the other is about to change.
    phase: tokio::sync::Mutex<()>,
}

impl Keys {
    /// The keys in a state folder; `None` where there are none.
    pub fn open(state_dir: &Path) -> Result<Option<Arc<Self>>, KeyringFileError> {
        let path = file::path(state_dir);
        let keyring = file::read(&path)?;
        Ok(keyring.map(|keyring| Arc::new(Self::of(path, keyring))))
    }

    /// Puts a keyring into a state folder, in place of whatever is there.
    pub fn create(state_dir: &Path, keyring: Keyring) -> Result<Arc<Self>, KeyringFileError> {
        let path = file::path(state_dir);
        file::write(&path, &keyring)?;
        Ok(Arc::new(Self::of(path, keyring)))
    }

    fn of(path: PathBuf, keyring: Keyring) -> Self {
        Self {
            path,
            handle: KeyringHandle::new(keyring),
            changing: Mutex::default(),
            phase: tokio::sync::Mutex::default(),
        }
    }

    /// A new key.
    pub fn random() -> Result<Key, KeysError> {
        let mut bytes = Zeroizing::new([0; kerf_seal::KEY_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(KeysError::Random)?;
        Ok(Key::new(*bytes))
    }

    /// What the sealer follows.
    pub fn handle(&self) -> KeyringHandle {
        self.handle.clone()
    }

    /// What this host has, as others are told.
    pub fn held(&self) -> HostKeys {
        let keyring = self.handle.get();
        HostKeys {
            installed: keyring.keys().map(Key::id).collect(),
            primary: keyring.primary(),
        }
    }

    /// A key of this host.
    pub(super) fn key(&self, id: KeyId) -> Result<Key, KeyringError> {
        let keyring = self.handle.get();
        keyring.get(id).cloned().ok_or(KeyringError::Unknown { id })
    }

    /// Takes what the file says now. True if that is something else than what was in force.
    pub fn reread(&self) -> Result<bool, KeysError> {
        let _held = lock(&self.changing);
        let keyring = file::read(&self.path)?.ok_or(KeysError::None)?;
        let changed = keyring != *self.handle.get();
        if changed {
            self.handle.replace(keyring);
        }
        Ok(changed)
    }

    /// Takes a step: on the disk first, then in force.
    pub(super) async fn change(
        self: &Arc<Self>,
        step: impl FnOnce(&mut Keyring) -> Result<bool, KeyringError> + Send + 'static,
    ) -> Result<bool, KeysError> {
        let keys = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let _held = lock(&keys.changing);
            let mut keyring = Keyring::clone(&keys.handle.get());
            let changed = step(&mut keyring)?;
            if changed {
                file::write(&keys.path, &keyring)?;
                keys.handle.replace(keyring);
            }
            Ok(changed)
        });
        done.await.map_err(|_| KeysError::Thread)?
    }
}
