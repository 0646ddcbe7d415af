//! Putting a host out: the list is signed here, every living member is told, and then the keys of gossip are changed.

use std::sync::Arc;

use kerf_identity::{Revoked, RevokedError};
use kerf_seal::KeyId;
use kerf_types::{HostId, HostName};
use tokio::task::JoinSet;

use super::roster::Peer;
use super::shared::Shared;
use super::ways::Way;
use super::{Peers, rekey, upkeep};
use crate::cluster::{ClusterError, Member};

/// What became of a revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Version of the list.
    pub version: u64,
    /// Members that have it.
    pub told: Vec<HostName>,
    /// Living members that did not answer; they learn it from others.
    pub missed: Vec<HostName>,
    /// The key that gossip is sealed with from now on, or why the old one still is.
    pub key: Result<KeyId, String>,
}

impl Peers {
    /// This host as a member of a cluster; `None` where it is none.
    pub fn member(&self) -> Option<&Arc<Member>> {
        self.shared.member.get()
    }

    /// Puts a host out of the cluster for good. It goes on to its end also when nobody waits for it any more. Said again of
    /// a host that is out, it takes up what an earlier word was cut off in.
    pub async fn revoke(&self, host: HostId) -> Result<Revocation, ClusterError> {
        let shared = Arc::clone(&self.shared);
        let done = tokio::spawn(async move { revoke(&shared, host).await });
        done.await.map_err(|_| ClusterError::Thread)?
    }
}

async fn revoke(shared: &Arc<Shared>, host: HostId) -> Result<Revocation, ClusterError> {
    let member = shared.member.get().ok_or(ClusterError::NoMember)?;
    let issuer = member.issuer().ok_or(ClusterError::NotIssuer)?;
    if host == shared.me.host {
        return Err(ClusterError::Myself);
    }
    let _turn = shared.revoking.lock().await;
    let version = match issuer.revoke(host, member.gate()) {
        Ok(list) => put_out(shared, member, list).await?,
        Err(ClusterError::List(RevokedError::Already { .. }))
            if !member.exposed_keys().is_empty() =>
        {
            member.gate().version()
        }
        Err(error) => return Err(error),
    };
    tracing::warn!(peer.id = %host, version, "host revoked");
    Ok(tell_and_change(shared, member, version).await)
}

/// Hands the list out, and changes the keys once every living member has it: from one that has the new key and not the
/// list the host that is out would get that key. The caller holds `revoking`.
pub(super) async fn tell_and_change(
    shared: &Arc<Shared>,
    member: &Arc<Member>,
    version: u64,
) -> Revocation {
    let (told, missed) = tell_revoked(shared, member, version).await;
    Revocation {
        version,
        told,
        key: rekey::change(shared, member, &missed).await,
        missed,
    }
}

/// Puts the next list in force. Before it is, what the host that is out knows of keys is written down.
async fn put_out(
    shared: &Shared,
    member: &Arc<Member>,
    list: Revoked,
) -> Result<u64, ClusterError> {
    let version = list.version();
    if let Some(keys) = shared.keys.get() {
        member
            .expose_keys(keys.held().installed.into_iter().collect())
            .await?;
    }
    match member.take_revoked(list).await? {
        true => Ok(version),
        // Another word of this kind came in between, and this host is not on its list.
        false => Err(ClusterError::Outrun { version }),
    }
}

/// Hands the list to every living member at once.
async fn tell_revoked(
    shared: &Arc<Shared>,
    member: &Arc<Member>,
    version: u64,
) -> (Vec<HostName>, Vec<HostName>) {
    let living: Vec<Peer> = {
        let roster = shared.roster.borrow();
        let living = roster.iter().filter(|peer| peer.is_living());
        let known = living.filter(|peer| !member.gate().is_revoked(peer.identity.host));
        known.cloned().collect()
    };
    let turns = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut calls = JoinSet::new();
    for peer in living {
        let (shared, member) = (Arc::clone(shared), Arc::clone(member));
        let turns = Arc::clone(&turns);
        calls.spawn(async move {
            let _turn = turns.acquire_owned().await;
            let name = peer.identity.name.clone();
            let has = upkeep::sync(&shared, &member, &Way::Peer(peer), true).await;
            (name, has)
        });
    }
    let (mut told, mut missed) = (Vec::new(), Vec::new());
    for (name, has) in calls.join_all().await {
        match has {
            Ok(has) if has >= version => told.push(name),
            _ => missed.push(name),
        }
    }
    told.sort();
    missed.sort();
    (told, missed)
}

/// Members that are told at a time.
const AT_ONCE: usize = 32;
