//! The change of gossip's key after somebody was put out, who knows the one before: to its end, whatever cuts it off.
//!
//! The keys that the host knows are written down with the revocation (`exposed` in `STATE/cluster`). Until none of them is in
//! the keyring any more the change is begun again: by the next word of the same kind, and by this host itself, also after a
//! restart. Each of its three phases may be repeated without harm.

use std::sync::Arc;
use std::time::Duration;

use kerf_seal::{KeyId, MAX_KEYS};
use kerf_types::HostName;

use super::cluster::tell_and_change;
use super::keyring::{KeysError, rounds};
use super::shared::{Shared, lock};
use crate::cluster::Member;
use crate::host::now;

/// Time between two looks whether there is something to be changed.
const LOOK: Duration = Duration::from_secs(5);

/// How long a host that has just started waits for its fleet: alone it would change the key for itself, and be alone.
const ALONE_MS: u64 = 60_000;

/// Takes up what was cut off, on a host that signs.
pub(super) async fn always(shared: &Arc<Shared>, member: &Arc<Member>) {
    let mut had_company = false;
    loop {
        tokio::time::sleep(LOOK).await;
        let has_company = shared.has_company();
        // From one look to the next all others are known that one of them knows.
        let is_settled = match has_company {
            true => had_company,
            false => now().0.saturating_sub(shared.started.0) > ALONE_MS,
        };
        had_company = has_company;
        if is_settled {
            resume(shared, member).await;
        }
    }
}

async fn resume(shared: &Arc<Shared>, member: &Arc<Member>) {
    let _turn = shared.revoking.lock().await;
    if member.exposed_keys().is_empty() {
        return;
    }
    let version = member.gate().version();
    match tell_and_change(shared, member, version).await.key {
        Ok(key) => {
            tracing::info!(%key, "key of gossip changed, which a revoked host knows");
            shared.events.add(
                "cluster",
                "keyring",
                "changed, as a revoked host knows the key before",
            );
        }
        Err(why) => tracing::debug!(error = why, "key of gossip not changed yet"),
    }
}

/// Gives all others a key that the host which is out never sees, and takes away those that it knows; not while living
/// members lack the list. The caller holds `revoking`.
pub(super) async fn change(
    shared: &Arc<Shared>,
    member: &Arc<Member>,
    lacking: &[HostName],
) -> Result<KeyId, String> {
    let changed = match lacking {
        [] => {
            let changed = change_all(shared, member).await;
            changed.map_err(|error| crate::errors::chain(&error))
        }
        some => {
            let names: Vec<&str> = some.iter().map(HostName::as_str).collect();
            Err(format!(
                "these do not have the list yet: {}",
                names.join(", ")
            ))
        }
    };
    let mut last = lock(&shared.not_rekeyed);
    *last = match &changed {
        Ok(_) => None,
        Err(why) => {
            let since = last.as_ref().map_or_else(now, |(_, since)| *since);
            Some((why.clone(), since))
        }
    };
    changed
}

async fn change_all(shared: &Arc<Shared>, member: &Arc<Member>) -> Result<KeyId, KeysError> {
    let keys = shared.keys.get().ok_or(KeysError::None)?;
    let exposed = member.exposed_keys();
    let held = keys.held();
    let mut safe = held.installed.iter().filter(|id| !exposed.contains(id));
    // One that an earlier try has made.
    let safe = safe.next().copied();
    let spare = held.installed.iter().find(|id| **id != held.primary);
    if safe.is_none()
        && held.installed.len() >= MAX_KEYS
        && let Some(spare) = spare
    {
        rounds::remove(shared, *spare).await?;
    }
    let (new, _) = rounds::install(shared, safe).await?;
    rounds::turn_to(shared, new).await?;
    for old in keys.held().installed {
        if exposed.contains(&old) {
            rounds::remove(shared, old).await?;
        }
    }
    member.keys_are_changed();
    Ok(new)
}
