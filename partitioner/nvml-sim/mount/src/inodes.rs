//! The numbers by which the system knows places of the tree.
//!
//! A number means a path and what kind of thing is there, and means it for ever: a device that is listed anew at the
//! same path is the same number, and a folder where a file was is another. So nothing has to be forgotten; a machine
//! has some thousand paths, however often they come and go.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use fuser::{FileType, INodeNo};

/// A path below the root, without the leading `/`, and what was there.
pub type Place = (String, FileType);

/// Numbers of places.
#[derive(Debug)]
pub struct Inodes {
    /// By number: the first has number 1, which is the root's.
    places: Vec<Place>,
    numbers: HashMap<Place, INodeNo>,
}

impl Inodes {
    /// With the root alone.
    pub fn new() -> Self {
        let root = (String::new(), FileType::Directory);
        Self {
            places: vec![root.clone()],
            numbers: HashMap::from([(root, INodeNo::ROOT)]),
        }
    }

    /// The number of a place, the same each time.
    pub fn number(&mut self, path: &str, kind: FileType) -> INodeNo {
        match self.numbers.entry((path.to_owned(), kind)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.places.push(new.key().clone());
                // A usize has no more than 64 bits on any system that Linux runs on.
                *new.insert(INodeNo(
                    u64::try_from(self.places.len()).unwrap_or(u64::MAX),
                ))
            }
        }
    }

    /// The place of a number.
    pub fn place(&self, number: INodeNo) -> Option<&Place> {
        let index = usize::try_from(number.0.checked_sub(1)?).ok()?;
        self.places.get(index)
    }
}

#[cfg(test)]
mod tests;
