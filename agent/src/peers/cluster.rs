//! Putting a host out: the list is signed here, every living member is told, and then the keys of gossip are changed.

use std::sync::Arc;

use kerf_seal::KeyId;
use kerf_types::{HostId, HostName};
use tokio::task::JoinSet;

use super::roster::Peer;
use super::{Peers, upkeep};
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

    /// Puts a host out of the cluster for good.
    pub async fn revoke(&self, host: HostId) -> Result<Revocation, ClusterError> {
        let member = self.member().ok_or(ClusterError::NoMember)?;
        let issuer = member.issuer().ok_or(ClusterError::NotIssuer)?;
        if host == self.shared.me.host {
            return Err(ClusterError::Myself);
        }
        let list = issuer.revoke(host, member.gate())?;
        let version = list.version();
        if !member.take_revoked(list).await? {
            // Another word of this kind came in between, and this host is not on its list.
            return Err(ClusterError::Outrun { version });
        }
        tracing::warn!(peer.id = %host, version, "host revoked");
        let (told, missed) = self.tell_revoked(member, version).await;
        let key = self.change_key().await;
        Ok(Revocation {
            version,
            told,
            missed,
            key,
        })
    }

    /// Hands the list to every living member at once.
    async fn tell_revoked(
        &self,
        member: &Arc<Member>,
        version: u64,
    ) -> (Vec<HostName>, Vec<HostName>) {
        let living: Vec<Peer> = {
            let roster = self.shared.roster.borrow();
            let living = roster.iter().filter(|peer| peer.is_living());
            let known = living.filter(|peer| !member.gate().is_revoked(peer.identity.host));
            known.cloned().collect()
        };
        let turns = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
        let mut calls = JoinSet::new();
        for peer in living {
            let (shared, member) = (Arc::clone(&self.shared), Arc::clone(member));
            let turns = Arc::clone(&turns);
            calls.spawn(async move {
                let _turn = turns.acquire_owned().await;
                let has = upkeep::sync(&shared, &member, &peer, true).await;
                (peer.identity.name, has)
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

    /// The host that is out still has the keys of gossip: all others get a new one, which it never sees.
    async fn change_key(&self) -> Result<KeyId, String> {
        let told = |error: super::keyring::KeysError| crate::errors::chain(&error);
        let old = self.keys().map(|keys| keys.held().primary);
        let (new, _) = self.install_key(None).await.map_err(told)?;
        self.use_key(new).await.map_err(told)?;
        if let Some(old) = old {
            self.remove_key(old).await.map_err(told)?;
        }
        Ok(new)
    }
}

/// Members that are told at a time.
const AT_ONCE: usize = 32;
