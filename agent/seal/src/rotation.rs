//! When the next phase of a rotation may begin: by what the living members have, as they said themselves.
//!
//! A host that is down is not waited for, or one broken machine would keep a lost key in use for ever. It comes
//! back with the keys that it had; if the one that is used is not among them, it must be given the keyring again.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::HostId;

use crate::KeyId;

/// What a host said of its keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeys {
    /// All its keys, the one that seals included.
    pub installed: BTreeSet<KeyId>,
    /// The one that seals.
    pub primary: KeyId,
}

/// A phase that would cut hosts off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    /// Living members do not have the key, or have not said so.
    #[error("key {id} cannot be used yet: {} of the living hosts have not acknowledged it", hosts.len())]
    NotInstalled {
        /// The key.
        id: KeyId,
        /// The hosts.
        hosts: Vec<HostId>,
    },
    /// Living members seal with the key, or have not said that they do not.
    #[error("key {id} cannot be removed yet: {} of the living hosts use it or have not answered", hosts.len())]
    StillUsed {
        /// The key.
        id: KeyId,
        /// The hosts.
        hosts: Vec<HostId>,
    },
}

impl RotationError {
    /// The hosts that are waited for.
    pub fn hosts(&self) -> &[HostId] {
        let (Self::NotInstalled { hosts, .. } | Self::StillUsed { hosts, .. }) = self;
        hosts
    }
}

/// Whether every living member opens what is sealed with this key. `answers` is what they said; who did not
/// answer is taken not to have it.
pub fn may_use(
    id: KeyId,
    living: &BTreeSet<HostId>,
    answers: &BTreeMap<HostId, HostKeys>,
) -> Result<(), RotationError> {
    let has = |keys: &HostKeys| keys.installed.contains(&id);
    let hosts = without(living, answers, has);
    match hosts.is_empty() {
        true => Ok(()),
        false => Err(RotationError::NotInstalled { id, hosts }),
    }
}

/// Whether no living member seals with this key any more.
pub fn may_remove(
    id: KeyId,
    living: &BTreeSet<HostId>,
    answers: &BTreeMap<HostId, HostKeys>,
) -> Result<(), RotationError> {
    let hosts = without(living, answers, |keys| keys.primary != id);
    match hosts.is_empty() {
        true => Ok(()),
        false => Err(RotationError::StillUsed { id, hosts }),
    }
}

fn without(
    living: &BTreeSet<HostId>,
    answers: &BTreeMap<HostId, HostKeys>,
    holds: impl Fn(&HostKeys) -> bool,
) -> Vec<HostId> {
    let lacks = |host: &&HostId| !answers.get(host).is_some_and(&holds);
    living.iter().filter(lacks).copied().collect()
}
