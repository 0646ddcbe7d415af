//! Somebody who is told of each write of the host's owner, on both sides of it: drills that stop kerfd there.
//! It sees that something is written and never what.

use std::fmt;

use super::{Store, StoreError};

/// A side of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Nothing of it is in the store yet.
    Before,
    /// It is committed, or has failed.
    After,
}

/// Who is told; nobody, unless somebody asked for it.
#[derive(Default)]
pub(super) struct Watch(Option<Box<dyn FnMut(Side) + Send>>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.0.is_some()).finish()
    }
}

impl Watch {
    fn tell(&mut self, side: Side) {
        if let Some(told) = &mut self.0 {
            told(side);
        }
    }
}

impl Store {
    /// Has `told` called on both sides of each write, by the thread that writes. It may stop that thread for good
    /// by unwinding: the write before which it does so never happens.
    pub fn watch(&mut self, told: impl FnMut(Side) + Send + 'static) {
        self.watch = Watch(Some(Box::new(told)));
    }

    /// Writes, and tells who watches.
    pub(crate) fn write<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.watch.tell(Side::Before);
        let outcome = operation(self);
        self.watch.tell(Side::After);
        outcome
    }
}
