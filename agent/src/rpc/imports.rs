//! How many images are being imported, and for whom. Each takes disk, and a core to check it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::jobs::JobError;

/// Imports of one user at the same time: one that goes on and one that was begun by mistake.
const OF_USER: usize = 2;

/// Imports of all users at the same time. Each may take as much disk as the largest archive twice.
const OF_ALL: usize = 8;

/// The imports under way, by user; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Imports(Arc<Mutex<BTreeMap<u32, usize>>>);

/// One import under way; it ends when this is dropped.
#[derive(Debug)]
pub struct Import {
    imports: Imports,
    uid: u32,
}

impl Imports {
    /// Begins one, unless there are as many as may be.
    pub fn begin(&self, uid: u32) -> Result<Import, JobError> {
        let mut users = self.users();
        let all: usize = users.values().sum();
        let own = users.get(&uid).copied().unwrap_or_default();
        let too_many = |under_way, of| JobError::TooManyImports { under_way, of };
        if own >= OF_USER {
            return Err(too_many(own, "of one user"));
        }
        if all >= OF_ALL {
            return Err(too_many(all, "of all users"));
        }
        users.insert(uid, own + 1);
        Ok(Import {
            imports: self.clone(),
            uid,
        })
    }

    fn users(&self) -> MutexGuard<'_, BTreeMap<u32, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        let mut users = self.imports.users();
        if let Some(count) = users.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                users.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Imports;

    #[test]
    fn imports_are_bounded_for_each_user_and_for_all() {
        let imports = Imports::default();
        let begin = |uid| imports.begin(uid);
        let first = [begin(1).expect("one"), begin(1).expect("two")];
        let refused = begin(1).expect_err("three").to_string();
        assert_eq!(
            refused,
            "2 images are being imported, which is the most at once of one user"
        );
        let others: Vec<_> = [2, 2, 3, 3, 4, 4]
            .into_iter()
            .map(|uid| begin(uid).expect("room"))
            .collect();
        let refused = begin(5).expect_err("nine").to_string();
        assert!(refused.ends_with("of all users"), "{refused}");
        drop(first);
        drop(begin(5).expect("room again"));
        drop(others);
        assert!(imports.users().is_empty());
    }
}
