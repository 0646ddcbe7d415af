//! Files and folders that somebody has open, and what was shown of them.
//!
//! As in sysfs a value is made when it is read from its beginning, and a reader that goes on gets the rest of that
//! one: it never sees the halves of two.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fuser::{FileHandle, FileType, INodeNo};

/// A name in a folder.
#[derive(Debug, Clone)]
pub struct Name {
    /// The number of what it names.
    pub number: INodeNo,
    /// What that is.
    pub kind: FileType,
    /// The name.
    pub name: String,
}

/// Something that is open.
#[derive(Debug)]
pub enum Open {
    /// A file below `/sys`.
    Value(Shown<u8>),
    /// A file of the folder.
    Plain(File),
    /// A folder.
    Folder(Shown<Name>),
}

/// A path, and what was last shown of it from its beginning.
#[derive(Debug)]
pub struct Shown<T> {
    /// The path below the root.
    pub path: String,
    last: Mutex<Option<Arc<Vec<T>>>>,
}

impl<T> Shown<T> {
    /// A path of which nothing was shown.
    pub fn new(path: String) -> Self {
        let last = Mutex::new(None);
        Self { path, last }
    }

    /// What to show from `offset` on: made anew at the beginning.
    pub fn at<E>(
        &self,
        offset: u64,
        make: impl FnOnce() -> Result<Vec<T>, E>,
    ) -> Result<Arc<Vec<T>>, E> {
        if offset > 0
            && let Some(last) = locked(&self.last).as_ref()
        {
            return Ok(Arc::clone(last));
        }
        // Not under the lock: making it may hang, and whoever closes the file must not.
        let made = Arc::new(make()?);
        *locked(&self.last) = Some(Arc::clone(&made));
        Ok(made)
    }
}

/// All that is open, by the handles that the system was given.
#[derive(Debug, Default)]
pub struct Opened {
    known: HashMap<u64, Arc<Open>>,
    last: u64,
}

impl Opened {
    /// Gives a handle.
    pub fn add(&mut self, open: Open) -> FileHandle {
        self.last += 1;
        self.known.insert(self.last, Arc::new(open));
        FileHandle(self.last)
    }

    /// What a handle is of.
    pub fn get(&self, handle: FileHandle) -> Option<Arc<Open>> {
        self.known.get(&handle.0).map(Arc::clone)
    }

    /// Closes it.
    pub fn remove(&mut self, handle: FileHandle) {
        self.known.remove(&handle.0);
    }
}

/// Locks; a thread that panicked has left nothing half done in what is locked here.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
