//! What a member does by itself to stay one: the next certificate in time, and the newest list of revoked hosts.
//!
//! How long a revocation takes: the host that signs it tells every living member at once. One that was not reached then
//! learns it from a random member that it asks every [`SYNC`], so in a fleet of a thousand hosts from the second round on
//! almost surely; a host that was away asks as soon as it has company. A round is one call of some 100 bytes for each host.

use std::sync::Arc;
use std::time::Duration;

use kerf_api::peer::v1;
use kerf_api::peer::v1::enrolment_client::EnrolmentClient;
use kerf_identity::{Issued, REVOKED_LIMIT, Revoked, SecretKey};
use kerf_seal::Statement;
use kerf_types::HostId;
use tonic::transport::Channel;

use super::link::bytes_of;
use super::missed;
use super::rekey;
use super::roster::Peer;
use super::shared::{Shared, lock};
use super::ways::{self, Way};
use crate::cluster::{ClusterError, Member, now_s};
use crate::host::now;

/// Time between two questions for the list of revoked hosts.
const SYNC: Duration = Duration::from_secs(10);

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Longest answer.
const ANSWER_LIMIT: usize = REVOKED_LIMIT + 1_024;

/// Members that are asked for a certificate in one try, beside the one that signed the last: the CA's key may have been
/// put on another host meanwhile, and in a fleet of hundreds none of so few by chance has it.
const ASKED: usize = 16;

/// Longest wait before a failed renewal is tried again.
const LONGEST_PAUSE_S: u64 = 60;

/// Looks after this host's membership until it ends.
pub(super) async fn run(shared: Arc<Shared>, member: Arc<Member>) {
    let stop = shared.stop.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = renew_always(&shared, &member) => {}
        () = sync_always(&shared, &member) => {}
        () = missed::always(&shared, &member) => {}
        () = rekey::always(&shared, &member), if member.issuer().is_some() => {}
    }
}

async fn renew_always(shared: &Arc<Shared>, member: &Arc<Member>) {
    let mut next = None;
    loop {
        let outlook = member.outlook();
        let now_s = now_s();
        // One that has not begun was made when the clock was ahead: no peer takes it, however long it lasts.
        if (outlook.begins_s..outlook.renew_at_s).contains(&now_s) {
            // The clock may be set meanwhile, so no sleep is long.
            let wait = (outlook.renew_at_s - now_s).min(LONGEST_PAUSE_S);
            tokio::time::sleep(Duration::from_secs(wait)).await;
            continue;
        }
        match renew(shared, member, &mut next).await {
            Ok(()) => {
                *lock(&shared.not_renewed) = None;
                shared.republish();
                let until_s = member.outlook().not_after_s;
                tracing::info!(until_s, "certificate of this host renewed");
                shared.events.add("cluster", "certificate", "renewed");
            }
            Err(why) => {
                note_failure(shared, why);
                // Before its end ever more often, behind it ever more seldom.
                let apart_s = outlook.not_after_s.abs_diff(now_s);
                let pause_s = (apart_s / 10).clamp(1, LONGEST_PAUSE_S);
                tokio::time::sleep(Duration::from_secs(pause_s)).await;
            }
        }
    }
}

fn note_failure(shared: &Shared, why: String) {
    let mut last = lock(&shared.not_renewed);
    if last.is_none() {
        tracing::warn!(error = why, "certificate of this host not renewed");
        let text = format!("not renewed: {why}");
        shared.events.add("cluster", "certificate", &text);
    }
    let since = last.as_ref().map_or_else(now, |(_, since)| *since);
    *last = Some((why, since));
}

/// The key that the next certificate is asked for, with its proof. It is the same in every try: an answer that was lost
/// has made it the key of this host, and the host that signs gives a late one no certificate for another.
type NextKey = Option<(SecretKey, Vec<u8>)>;

/// By this host itself, where it signs, else by the first member that does.
async fn renew(
    shared: &Arc<Shared>,
    member: &Arc<Member>,
    next: &mut NextKey,
) -> Result<(), String> {
    let told = |error: ClusterError| crate::errors::chain(&error);
    let me = shared.me.host;
    let (key, proof) = match next.take() {
        Some(next) => next,
        None => member.next_key().map_err(told)?,
    };
    let public = key.public();
    if let Some(issuer) = member.issuer() {
        let gate = member.gate();
        let issued = issuer.renew(me, public, &proof, gate, false).await;
        let renewed = member.renew(key, issued.map_err(told)?, Some(me)).await;
        return renewed.map_err(told);
    }
    let request = v1::RenewRequest {
        version: 1,
        host: bytes_of(me),
        public_key: public.to_vec(),
        proof: proof.clone(),
    };
    *next = Some((key, proof));
    let mut why = "no living member is known".to_owned();
    for way in ways_to_renew(shared, member) {
        match ask(shared, &way, request.clone()).await {
            Ok(issued) => {
                let Some((key, _)) = next.take() else {
                    return Err("its key is gone".to_owned());
                };
                return member.renew(key, issued, way.host()).await.map_err(told);
            }
            Err(error) => why = format!("{way}: {error}"),
        }
    }
    Err(why)
}

async fn ask(shared: &Arc<Shared>, way: &Way, request: v1::RenewRequest) -> Result<Issued, String> {
    let mut client = client(shared, way)?;
    let answer = tokio::time::timeout(DEADLINE, client.renew(request)).await;
    let answer = answer.map_err(|_| "no answer in time")?;
    let answer = answer
        .map_err(|status| status.message().to_owned())?
        .into_inner();
    let statement = Statement::from_bytes(&answer.statement);
    Ok(Issued {
        certificate: answer.certificate,
        statement: statement.map_err(|_| "its statement is none")?,
    })
}

async fn sync_always(shared: &Arc<Shared>, member: &Arc<Member>) {
    loop {
        // At first as soon as there is anybody to ask.
        let mut roster = shared.roster.subscribe();
        if roster.wait_for(|peers| !peers.is_empty()).await.is_err() {
            return;
        }
        if let Some(peer) = some_one(shared)
            && let Err(why) = sync(shared, member, &Way::Peer(peer.clone()), false).await
        {
            let name = &peer.identity.name;
            tracing::debug!(peer.name = %name, error = why, "list of revoked hosts not compared");
        }
        tokio::time::sleep(SYNC).await;
    }
}

/// Compares lists with a peer; with `push` this host's is handed over at once. Returns the version that the peer has.
pub(super) async fn sync(
    shared: &Arc<Shared>,
    member: &Arc<Member>,
    way: &Way,
    push: bool,
) -> Result<u64, String> {
    let own = member.gate().revoked();
    let request = v1::SyncRevokedRequest {
        version: 1,
        has: own.version(),
        list: if push { own.to_bytes() } else { Vec::new() },
    };
    let mut client = client(shared, way)?;
    let answer = tokio::time::timeout(DEADLINE, client.sync_revoked(request)).await;
    let answer = answer.map_err(|_| "no answer in time")?;
    let answer = answer
        .map_err(|status| status.message().to_owned())?
        .into_inner();
    if !answer.list.is_empty() {
        let list = Revoked::from_bytes(&answer.list, member.gate().ca());
        let list = list.map_err(|error| error.to_string())?;
        let taken = member.take_revoked(list).await;
        taken.map_err(|error| crate::errors::chain(&error))?;
    }
    Ok(answer.has)
}

pub(super) fn client(shared: &Shared, way: &Way) -> Result<EnrolmentClient<Channel>, String> {
    let channel = match way {
        Way::Peer(peer) => {
            let (host, api) = (peer.identity.host, peer.identity.api);
            let channel = shared.connect(host, api);
            channel.map_err(|error| error.to_string())?
        }
        Way::Address(address) => {
            let channel = shared.connect_any(address);
            channel.ok_or("this host is in no cluster")?
        }
    };
    let client = EnrolmentClient::new(channel);
    Ok(client.max_decoding_message_size(ANSWER_LIMIT))
}

/// A living member by chance. Where none is, one that was: a host that was put out hears nobody any more, and learns why
/// from whoever refuses it.
fn some_one(shared: &Shared) -> Option<Peer> {
    let living = some_living(shared, 1).pop();
    living.or_else(|| shared.roster.borrow().first().cloned())
}

/// Who is asked for the next certificate. Where gossip knows nobody any more the hosts are left that this one came in by.
fn ways_to_renew(shared: &Shared, member: &Member) -> Vec<Way> {
    let peers = asked_for_renewal(shared, member.contacts().issuer);
    let peers = peers.into_iter().map(Way::Peer);
    peers.chain(ways::seeds(shared)).collect()
}

/// First whoever signed the last, also if nobody hears of it at this moment.
fn asked_for_renewal(shared: &Shared, issuer: Option<HostId>) -> Vec<Peer> {
    let first = issuer.and_then(|host| shared.peer(host));
    let others = some_living(shared, ASKED).into_iter();
    let others = others.filter(|peer| Some(peer.identity.host) != issuer);
    first.into_iter().chain(others).collect()
}

/// Some living members by chance, so that no one of them is asked by all.
pub(super) fn some_living(shared: &Shared, most: usize) -> Vec<Peer> {
    let mut salt = [0; 16];
    // Without random numbers all ask the same ones, which works as well.
    if getrandom::fill(&mut salt).is_err() {
        tracing::debug!("no random numbers");
    }
    let salt = u128::from_le_bytes(salt);
    let roster = shared.roster.borrow();
    let living = roster.iter().filter(|peer| peer.is_living());
    let mut living: Vec<&Peer> = living.collect();
    // Ids are random, so mixed with a random number they are in a random order.
    living.sort_unstable_by_key(|peer| mixed(peer.identity.host, salt));
    living.into_iter().take(most).cloned().collect()
}

fn mixed(host: HostId, salt: u128) -> u128 {
    (host.bits() ^ salt).wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
}

#[cfg(test)]
mod tests;
