//! What is written without waiting for the disk, and when the journal is brought in.
//!
//! A commit without a flush is in the kernel's hands: it outlives kerfd, however that ends, and a power cut or a crash of
//! the kernel may take it, always the last commits first and never a half. So it serves what such an end does away with
//! itself: a lease lasts no longer than its boot. Intents, fences, layouts and everything of jobs are flushed. Each look at the
//! host flushes the rest, so that a power cut takes the accounts of a few seconds at most. There is one writer at a time: a
//! commit of this kind waits for one of a job's that is being flushed.

use super::{Doing, Store, StoreError};

impl Store {
    /// Writes without a flush of the disk: by the connection that flushes nothing.
    pub(super) fn without_flush<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        std::mem::swap(&mut self.connection, &mut self.quick);
        let outcome = operation(self);
        std::mem::swap(&mut self.connection, &mut self.quick);
        self.is_unflushed = true;
        outcome
    }

    /// Whether there are commits that nothing has flushed yet, as far as this part of the store knows.
    pub fn is_unflushed(&self) -> bool {
        self.is_unflushed
    }

    /// Flushes them, and brings what can be brought of the journal into the one file, while nobody waits for a commit.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.checkpoint_by("PASSIVE")
    }

    /// Brings what was written into the one file, so that a store at rest is whole without its journal. Nothing
    /// depends on it: the journal is read at the next start in any case.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.checkpoint_by("TRUNCATE")
    }

    fn checkpoint_by(&mut self, how: &str) -> Result<(), StoreError> {
        self.connection
            .query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(()))
            .doing("bring its journal in")?;
        self.is_unflushed = false;
        Ok(())
    }
}
