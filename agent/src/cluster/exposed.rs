//! Keys of gossip that a host knows which was put out: written down before it is, so that no cut leaves them in force.
//!
//! `STATE/cluster/exposed` has one name of a key on each line, in eight hexadecimal digits. It is there from a revocation until
//! the fleet has changed all of them, on the host that signs and on no other.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use kerf_seal::KeyId;

use super::files::Folder;
use super::{ClusterError, Member};

/// The file.
const EXPOSED: &str = "exposed";

/// Longest file that is read: revocations one after the other, each with a full keyring.
const LIMIT: usize = 64 << 10;

/// A line that is no name of a key.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is not the name of a key")]
struct NoKey {
    /// From 1.
    line: usize,
}

/// What was written down.
pub(super) fn read(folder: &Folder) -> Result<BTreeSet<KeyId>, ClusterError> {
    let Some(bytes) = folder.read(EXPOSED, LIMIT)? else {
        return Ok(BTreeSet::new());
    };
    let text = std::str::from_utf8(&bytes).map_err(|e| folder.wrong(EXPOSED, e))?;
    let lines = text.lines().enumerate();
    let ids = lines.map(|(at, line)| match u32::from_str_radix(line, 16) {
        Ok(id) => Ok(KeyId(id)),
        Err(_) => Err(folder.wrong(EXPOSED, NoKey { line: at + 1 })),
    });
    ids.collect()
}

impl Member {
    /// Keys that somebody knows who was put out, as far as they are not changed yet.
    pub fn exposed_keys(&self) -> BTreeSet<KeyId> {
        let exposed = self.exposed.lock();
        exposed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes more of them. They are on the disk when this returns.
    pub async fn expose_keys(self: &Arc<Self>, keys: Vec<KeyId>) -> Result<(), ClusterError> {
        let mut all = self.exposed_keys();
        all.extend(keys);
        let text: String = all.iter().map(|id| format!("{id}\n")).collect();
        let member = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || {
            member.folder.write(EXPOSED, text.as_bytes())?;
            *member
                .exposed
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = all;
            Ok(())
        });
        written.await.map_err(|_| ClusterError::Thread)?
    }

    /// Notes that the fleet has changed them all.
    pub fn keys_are_changed(&self) {
        let mut exposed = self.exposed.lock().unwrap_or_else(PoisonError::into_inner);
        exposed.clear();
        self.folder.remove(EXPOSED);
    }
}
