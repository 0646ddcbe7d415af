//! How many images are being imported, and for whom. Each takes disk, and a core to check it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::jobs::JobError;

/// Imports of one user at the same time: one that goes on and one that was begun by mistake.
const OF_USER: usize = 2;

/// Imports of all users at the same time. Each may take as much disk as the largest archive twice.
const OF_ALL: usize = 8;

/// How many of them admins alone can begin: other users must not keep them from it.
const OF_ADMINS: usize = 2;

/// The imports under way, by user and whether that is an admin; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Imports(Arc<Mutex<BTreeMap<User, usize>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct User {
    uid: u32,
    admin: bool,
}

/// One import under way; it ends when this is dropped.
#[derive(Debug)]
pub struct Import {
    imports: Imports,
    user: User,
}

impl Imports {
    /// Begins one, unless there are as many as may be.
    pub fn begin(&self, uid: u32, admin: bool) -> Result<Import, JobError> {
        let mut users = self.users();
        let all: usize = users.values().sum();
        let ordinary = users.iter().filter(|(user, _)| !user.admin);
        let ordinary: usize = ordinary.map(|(_, count)| count).sum();
        let user = User { uid, admin };
        let own = users.get(&user).copied().unwrap_or_default();
        let too_many = |under_way, of| JobError::TooManyImports { under_way, of };
        if own >= OF_USER {
            return Err(too_many(own, "of one user"));
        }
        if all >= OF_ALL {
            return Err(too_many(all, "of all users"));
        }
        if !admin && ordinary >= OF_ALL - OF_ADMINS {
            return Err(too_many(ordinary, "of users who are no admins"));
        }
        users.insert(user, own + 1);
        Ok(Import {
            imports: self.clone(),
            user,
        })
    }

    fn users(&self) -> MutexGuard<'_, BTreeMap<User, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        let mut users = self.imports.users();
        if let Some(count) = users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                users.remove(&self.user);
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
        let begin = |uid| imports.begin(uid, false);
        let first = [begin(1).expect("one"), begin(1).expect("two")];
        let refused = begin(1).expect_err("three").to_string();
        assert_eq!(
            refused,
            "2 images are being imported, which is the most at once of one user"
        );
        let others: Vec<_> = [2, 2, 3, 3]
            .into_iter()
            .map(|uid| begin(uid).expect("room"))
            .collect();
        let refused = begin(5).expect_err("seven").to_string();
        assert!(refused.ends_with("of users who are no admins"), "{refused}");
        let admins = [0, 0].map(|uid| imports.begin(uid, true).expect("places of admins"));
        let refused = imports.begin(9, true).expect_err("nine").to_string();
        assert!(refused.ends_with("of all users"), "{refused}");
        drop(first);
        drop(begin(5).expect("room again"));
        drop((others, admins));
        assert!(imports.users().is_empty());
    }
}
