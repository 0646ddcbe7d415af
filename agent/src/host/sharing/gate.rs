//! The gate of a daemon's place: one tool at a time works on the daemon, and whoever comes in late finds out whether the
//! place is still to have one. The same before the settings of a GPU: who comes in late finds out whether others were
//! asked meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// No life of a place, and no setting, has this number.
const NOBODY: u64 = 0;

/// One place's gate; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    work: Arc<Mutex<()>>,
    life: Arc<AtomicU64>,
}

/// Held while a tool works on the daemon, by whoever waits for the tool: also where nobody waits for them any more.
pub type Held = OwnedMutexGuard<()>;

impl Gate {
    /// Waits until no other tool is at work.
    pub async fn enter(&self) -> Held {
        Arc::clone(&self.work).lock_owned().await
    }

    /// Enters, unless a tool is at work.
    pub fn try_enter(&self) -> Option<Held> {
        Arc::clone(&self.work).try_lock_owned().ok()
    }

    /// From now on the place is to have a daemon, in this life.
    pub fn open(&self, life: u64) {
        self.life.store(life, Ordering::SeqCst);
    }

    /// The place is given up: who waits to start a daemon there does not.
    pub fn close(&self) {
        self.open(NOBODY);
    }

    /// Whether this life of the place is to have a daemon.
    pub fn serves(&self, life: u64) -> bool {
        self.life.load(Ordering::SeqCst) == life
    }
}
