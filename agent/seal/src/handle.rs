//! One keyring for two: whoever rotates keys changes it, the sealer behind the membership core follows.
//!
//! A handle and not an input of the core: inputs are what a run is repeated from, so they are printed, kept and
//! compared, and no key may ever be among them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Keyring;

#[derive(Debug)]
struct Shared {
    keyring: Mutex<Arc<Keyring>>,
    /// Grows with each change: the sealer looks at it for each datagram, and at the keyring only after a change.
    changes: AtomicU64,
}

/// The keyring in force. Clones share it.
#[derive(Clone)]
pub struct KeyringHandle(Arc<Shared>);

impl KeyringHandle {
    /// A handle on this keyring.
    pub fn new(keyring: Keyring) -> Self {
        Self(Arc::new(Shared {
            keyring: Mutex::new(Arc::new(keyring)),
            changes: AtomicU64::new(0),
        }))
    }

    /// The keyring in force.
    pub fn get(&self) -> Arc<Keyring> {
        let keyring = self.0.keyring.lock();
        Arc::clone(&keyring.unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another one in force, for the next datagram in either direction.
    pub fn replace(&self, keyring: Keyring) {
        let mut place = self
            .0
            .keyring
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *place = Arc::new(keyring);
        self.0.changes.fetch_add(1, Ordering::Release);
    }

    /// How often it was replaced.
    pub(crate) fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }
}

impl fmt::Debug for KeyringHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyringHandle").field(&self.get()).finish()
    }
}
