//! The keyring: a few keys, of which one seals and all open.
//!
//! ```text
//!            install                    use                       use of another
//! (unknown) ────────► installed: opens ─────► used: seals, opens ────────────────► installed
//!     ▲                   │ remove                                                     │
//!     └───────────────────┴────────────────────────────────────────────────────────────┘
//! ```
//! A rotation is three phases over the whole fleet: every host installs the new key, then every host uses it,
//! then the old one is removed everywhere. In each phase a host that is one step behind opens what the others
//! seal, and they open what it seals, so it never looks dead. When the next phase may begin is in [`crate::may_use`]
//! and [`crate::may_remove`].

use crate::{Key, KeyId};

/// Most keys in a keyring: one that is used, one that comes, one that goes, and one to spare.
pub const MAX_KEYS: usize = 4;

/// What a key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// It opens what others seal with it.
    Installed,
    /// It seals as well: it is the primary.
    Used,
}

/// A key as it may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub id: KeyId,
    /// What it is used for.
    pub state: Use,
}

/// A step that a keyring does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is no such key.
    #[error("key {id} is not in the keyring")]
    Unknown {
        /// The key.
        id: KeyId,
    },
    /// It is the one that seals.
    #[error("key {id} is the one that is used; use another one first")]
    Primary {
        /// The key.
        id: KeyId,
    },
    /// There are as many as may be.
    #[error("the keyring has {MAX_KEYS} keys already; remove one first")]
    Full,
    /// Another key has the same name, by one chance in four billion.
    #[error("another key is called {id} already; make a new one")]
    Taken {
        /// The name.
        id: KeyId,
    },
}

/// The keys of this host. There is always one that seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyring {
    /// In the order in which they were installed.
    keys: Vec<Key>,
    primary: KeyId,
}

impl Keyring {
    /// A keyring of one key.
    pub fn new(key: Key) -> Self {
        Self {
            primary: key.id(),
            keys: vec![key],
        }
    }

    /// The key that seals.
    pub fn primary(&self) -> KeyId {
        self.primary
    }

    /// A key by its name.
    pub fn get(&self, id: KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.id() == id)
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// All keys as they may be shown, in the order in which they were installed.
    pub fn list(&self) -> Vec<Listed> {
        let listed = |key: &Key| Listed {
            id: key.id(),
            state: match key.id() == self.primary {
                true => Use::Used,
                false => Use::Installed,
            },
        };
        self.keys.iter().map(listed).collect()
    }

    /// Takes a key in, which opens from now on. False if it is there already.
    pub fn install(&mut self, key: Key) -> Result<bool, KeyringError> {
        let id = key.id();
        match self.get(id) {
            Some(known) if *known == key => return Ok(false),
            Some(_) => return Err(KeyringError::Taken { id }),
            None if self.keys.len() >= MAX_KEYS => return Err(KeyringError::Full),
            None => {}
        }
        self.keys.push(key);
        Ok(true)
    }

    /// Seals with a key that is installed. False if it does so already.
    pub fn use_key(&mut self, id: KeyId) -> Result<bool, KeyringError> {
        if self.get(id).is_none() {
            return Err(KeyringError::Unknown { id });
        }
        let changed = self.primary != id;
        self.primary = id;
        Ok(changed)
    }

    /// Forgets a key: what is sealed with it is a stranger's from now on. False if it is not there.
    pub fn remove(&mut self, id: KeyId) -> Result<bool, KeyringError> {
        if self.primary == id {
            return Err(KeyringError::Primary { id });
        }
        let before = self.keys.len();
        self.keys.retain(|key| key.id() != id);
        Ok(self.keys.len() < before)
    }
}
