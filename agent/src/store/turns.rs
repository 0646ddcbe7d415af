//! Whose turn it is to write. SQLite has one writer at a time, and whoever comes second there sleeps for milliseconds between
//! two tries, however short the first one is: here it is woken when the first is done.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The turn of one store; clones share it. What is written without it waits in SQLite, as it did before.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<()>>);

impl Turns {
    /// Waits for the one who writes.
    pub fn take(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
