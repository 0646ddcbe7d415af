//! A change of gossip's key that this host has missed, being away: nobody opens what it seals, and it opens nobody's.
//!
//! So a host that is alone, or hears what is sealed with keys that it does not know, asks members over TLS. It takes another
//! keyring only from one that sees more of the fleet than itself, so that two that were away do not take each other's old
//! keys; where both see as many, whoever signs is right.

use std::sync::Arc;
use std::time::Duration;

use kerf_api::peer::v1;
use kerf_seal::Keyring;
use zeroize::Zeroizing;

use super::keyring::Keys;
use super::shared::Shared;
use super::upkeep::{client, some_living, sync};
use super::ways::{self, Way};
use crate::cluster::Member;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Members that gossip has told of which are asked in one go.
const ASKED: usize = 3;

/// Looks until it is dropped.
pub(super) async fn always(shared: &Arc<Shared>, member: &Arc<Member>) {
    let mut before = unopened(shared);
    loop {
        tokio::time::sleep(LOOK).await;
        let count = unopened(shared);
        let is_deaf = count > before || !shared.has_company();
        before = count;
        if is_deaf {
            look(shared, member).await;
        }
    }
}

/// Datagrams that came so far and are sealed with a key that is not here.
fn unopened(shared: &Shared) -> u64 {
    shared.metrics.peer_drops.get(["unknown_key"])
}

async fn look(shared: &Arc<Shared>, member: &Arc<Member>) {
    for way in ways(shared, member) {
        match ask(shared, member, &way).await {
            Ok(true) => {
                tracing::info!(from = %way, "keys of gossip taken, which this host had missed");
                let text = "taken from another member: they were changed while this host was away";
                return shared.events.add("cluster", "keyring", text);
            }
            Ok(false) => {}
            Err(error) => tracing::debug!(from = %way, error, "keys of gossip not compared"),
        }
    }
}

/// First whoever signs, then others that were ever seen, then those that this host came in by.
fn ways(shared: &Shared, member: &Member) -> Vec<Way> {
    let issuer = member.contacts().issuer;
    let first = issuer.and_then(|host| shared.peer(host));
    let mut others = some_living(shared, ASKED);
    if others.is_empty() {
        others.extend(shared.roster.borrow().iter().take(ASKED).cloned());
    }
    others.retain(|peer| Some(peer.identity.host) != issuer);
    let peers = first.into_iter().chain(others).map(Way::Peer);
    peers.chain(ways::seeds(shared)).collect()
}

/// Whether this member had other keys, which are in force now.
async fn ask(shared: &Arc<Shared>, member: &Arc<Member>, way: &Way) -> Result<bool, String> {
    let keys = shared.keys.get().ok_or("this host has none")?;
    // The list first: whoever has the new key must not hand it to the host that it was changed for.
    sync(shared, member, way, false).await?;
    let request = v1::FetchKeyringRequest { version: 1 };
    let mut client = client(shared, way)?;
    let answer = tokio::time::timeout(DEADLINE, client.fetch_keyring(request)).await;
    let answer = answer.map_err(|_| "no answer in time")?;
    let answer = answer.map_err(|status| status.message().to_owned())?;
    let answer = answer.into_inner();
    let keyring = Zeroizing::new(answer.keyring);
    let theirs = Keyring::from_bytes(&keyring).map_err(|error| error.to_string())?;
    let sight = (answer.living, answer.signs);
    let own_sight = (
        u32::try_from(shared.living()).unwrap_or(u32::MAX),
        member.issuer().is_some(),
    );
    if sight <= own_sight || has(keys, &theirs) {
        return Ok(false);
    }
    let taken = keys.change(move |own| {
        *own = theirs;
        Ok(true)
    });
    taken.await.map_err(|error| crate::errors::chain(&error))
}

/// Whether this host opens what they seal.
fn has(keys: &Keys, theirs: &Keyring) -> bool {
    keys.held().installed.contains(&theirs.primary())
}
