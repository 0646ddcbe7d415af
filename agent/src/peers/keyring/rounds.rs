//! The phases of a rotation over the fleet: this host asks every living one, and begins a phase when all have
//! acknowledged the one before.
//!
//! A host is asked, or told, over a call of its own with a deadline. One that does not answer stops a phase before it
//! begins; one that fails within a phase is one step behind, which harms nobody, and the phase is repeated for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kerf_api::peer::v1;
use kerf_api::peer::v1::peer_client::PeerClient;
use kerf_seal::{HostKeys, Key, KeyId, RotationError, may_remove, may_use};
use kerf_types::{HostId, HostName};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::{Keys, KeysError};
use crate::peers::link::bytes_of;
use crate::peers::shared::Shared;
use crate::peers::{Peer, Peers};

/// How long a host may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Hosts that are asked at a time.
const AT_ONCE: usize = 32;

/// What one living host said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAnswer {
    /// Its id.
    pub host: HostId,
    /// Its name.
    pub name: HostName,
    /// Its keys, or why they are not known.
    pub keys: Result<HostKeys, String>,
}

/// What this host has, and what every other living host said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// This host's keys.
    pub own: HostKeys,
    /// The others, in the order of ids.
    pub others: Vec<HostAnswer>,
}

/// What a host is told.
#[derive(Debug, Clone)]
enum Order {
    Show,
    Install(Key),
    Use(KeyId),
    Remove(KeyId),
}

impl Peers {
    /// The keys of this host; `None` where gossip is not sealed.
    pub fn keys(&self) -> Option<&Arc<Keys>> {
        self.shared.keys.get()
    }

    /// The keys of every living host.
    pub async fn keyring(&self) -> Result<Round, KeysError> {
        let keys = own_keys(&self.shared)?;
        let others = tell_all(&self.shared, &Order::Show).await;
        let own = keys.held();
        Ok(Round { own, others })
    }

    /// First phase: every host gets a key, which opens from then on. Without `id` a new one; with it, one that this
    /// host has, for hosts that missed it.
    pub async fn install_key(&self, id: Option<KeyId>) -> Result<(KeyId, Round), KeysError> {
        install(&self.shared, id).await
    }

    /// Second phase: every host seals with a key that all have acknowledged.
    pub async fn use_key(&self, id: KeyId) -> Result<Round, KeysError> {
        turn_to(&self.shared, id).await
    }

    /// Third phase: every host forgets a key that none seals with any more.
    pub async fn remove_key(&self, id: KeyId) -> Result<Round, KeysError> {
        remove(&self.shared, id).await
    }
}

fn own_keys(shared: &Shared) -> Result<&Arc<Keys>, KeysError> {
    shared.keys.get().ok_or(KeysError::None)
}

/// See [`Peers::install_key`].
pub(in crate::peers) async fn install(
    shared: &Arc<Shared>,
    id: Option<KeyId>,
) -> Result<(KeyId, Round), KeysError> {
    let keys = own_keys(shared)?;
    let _turn = keys.phase.lock().await;
    if !shared.keys_may_travel() {
        return Err(KeysError::Plain);
    }
    let key = match id {
        Some(id) => keys.key(id)?,
        None => Keys::random()?,
    };
    let id = key.id();
    let own = key.clone();
    keys.change(move |keyring| keyring.install(own)).await?;
    let others = tell_all(shared, &Order::Install(key)).await;
    tracing::info!(key = %id, "key of gossip installed");
    let own = keys.held();
    Ok((id, Round { own, others }))
}

/// See [`Peers::use_key`].
pub(in crate::peers) async fn turn_to(shared: &Arc<Shared>, id: KeyId) -> Result<Round, KeysError> {
    let keys = own_keys(shared)?;
    let _turn = keys.phase.lock().await;
    keys.key(id)?;
    let asked = tell_all(shared, &Order::Show).await;
    let (living, answers) = sorted(&asked);
    may_use(id, &living, &answers).map_err(|error| not_ready(&error, &asked))?;
    let others = tell_all(shared, &Order::Use(id)).await;
    keys.change(move |keyring| keyring.use_key(id)).await?;
    tracing::info!(key = %id, "key of gossip used");
    let own = keys.held();
    Ok(Round { own, others })
}

/// See [`Peers::remove_key`].
pub(in crate::peers) async fn remove(shared: &Arc<Shared>, id: KeyId) -> Result<Round, KeysError> {
    let keys = own_keys(shared)?;
    let _turn = keys.phase.lock().await;
    if keys.held().primary == id {
        return Err(kerf_seal::KeyringError::Primary { id }.into());
    }
    let asked = tell_all(shared, &Order::Show).await;
    let (living, answers) = sorted(&asked);
    may_remove(id, &living, &answers).map_err(|error| not_ready(&error, &asked))?;
    let others = tell_all(shared, &Order::Remove(id)).await;
    keys.change(move |keyring| keyring.remove(id)).await?;
    tracing::info!(key = %id, "key of gossip removed");
    let own = keys.held();
    Ok(Round { own, others })
}

type Answers = BTreeMap<HostId, HostKeys>;

fn sorted(asked: &[HostAnswer]) -> (BTreeSet<HostId>, Answers) {
    let living = asked.iter().map(|answer| answer.host).collect();
    let said = |answer: &HostAnswer| Some((answer.host, answer.keys.clone().ok()?));
    (living, asked.iter().filter_map(said).collect())
}

/// The phase that cannot begin, with the names of those whom it waits for.
fn not_ready(error: &RotationError, asked: &[HostAnswer]) -> KeysError {
    let lacks = match error {
        RotationError::NotInstalled { .. } => "does not have it",
        RotationError::StillUsed { .. } => "uses it",
    };
    let waits = asked
        .iter()
        .filter(|answer| error.hosts().contains(&answer.host));
    let named: Vec<String> = waits
        .map(|answer| {
            let why = answer.keys.as_ref().err();
            format!("{} ({})", answer.name, why.map_or(lacks, |why| why))
        })
        .collect();
    KeysError::NotReady {
        why: error.to_string(),
        hosts: named.join(", "),
    }
}

/// Tells every living host, a few at a time, and waits for all.
async fn tell_all(shared: &Arc<Shared>, order: &Order) -> Vec<HostAnswer> {
    let living: Vec<Peer> = {
        let roster = shared.roster.borrow();
        let living = roster.iter().filter(|p| p.is_living());
        // A host that was put out a moment ago may still be listed, and never gets a key.
        let known = living.filter(|p| !shared.is_revoked(p.identity.host));
        known.cloned().collect()
    };
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut calls = JoinSet::new();
    for peer in living {
        let (shared, order, turns) = (Arc::clone(shared), order.clone(), Arc::clone(&turns));
        calls.spawn(async move {
            let _turn = turns.acquire_owned().await;
            let (host, api) = (peer.identity.host, peer.identity.api);
            let told = tokio::time::timeout(DEADLINE, tell(&shared, host, api, order)).await;
            let keys = told.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            HostAnswer {
                host,
                name: peer.identity.name,
                keys,
            }
        });
    }
    let mut answers = calls.join_all().await;
    answers.sort_unstable_by_key(|answer| answer.host);
    answers
}

async fn tell(
    shared: &Arc<Shared>,
    host: HostId,
    api: SocketAddr,
    order: Order,
) -> Result<HostKeys, String> {
    let channel: Channel = shared
        .connect(host, api)
        .map_err(|error| error.to_string())?;
    let mut client = PeerClient::new(channel);
    let head = v1::KeysHead {
        version: shared.versions.for_reader(0),
        reads: shared.versions.newest,
        from: bytes_of(shared.me.host),
        to: bytes_of(host),
    };
    let head = Some(head);
    let answer = match order {
        Order::Show => client.list_keys(v1::ListKeysRequest { head }).await,
        Order::Install(key) => {
            let key = key.secret_bytes().to_vec();
            let request = v1::InstallKeyRequest { head, key };
            client.install_key(request).await
        }
        Order::Use(id) => client.use_key(v1::KeyRequest { head, id: id.0 }).await,
        Order::Remove(id) => client.remove_key(v1::KeyRequest { head, id: id.0 }).await,
    };
    let answer = answer.map_err(|status| status.message().to_owned())?;
    let keys = answer.into_inner();
    Ok(HostKeys {
        installed: keys.installed.into_iter().map(KeyId).collect(),
        primary: KeyId(keys.primary),
    })
}
