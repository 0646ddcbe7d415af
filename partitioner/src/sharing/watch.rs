//! Somebody who is told of each thing that is done outside of kerfd, before and after it: drills that stop kerfd there. It
//! sees what is done and never what came of it.

use std::fmt;
use std::sync::Arc;

use super::Tools;

/// A side of something that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Nothing of it is done yet.
    Before,
    /// It is done, or has failed.
    After,
}

type Told = dyn Fn(&str, Side) + Send + Sync;

/// Who is told; nobody, unless somebody asked for it.
#[derive(Clone, Default)]
pub(super) struct Watch(Option<Arc<Told>>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.0.is_some()).finish()
    }
}

impl Tools {
    /// Has `told` called on both sides of everything that is done, by the thread that does it, with the words of what it
    /// is. It may stop that thread for good by unwinding: what it does so before is never done.
    pub fn watch(&mut self, told: impl Fn(&str, Side) + Send + Sync + 'static) {
        self.watch = Watch(Some(Arc::new(told)));
    }

    /// Does something, and tells who watches.
    pub fn around<T>(&self, what: &str, does: impl FnOnce() -> T) -> T {
        let Watch(Some(told)) = &self.watch else {
            return does();
        };
        told(what, Side::Before);
        let done = does();
        told(what, Side::After);
        done
    }
}
