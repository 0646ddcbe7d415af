//! Calls of an operator that are cut off somewhere, and what the next one finds.

use std::time::Duration;

use kerf_seal::KeyId;

use super::identity::{again, cluster, listening, member};
use super::{Host, until};
use crate::cluster::ClusterError;
use crate::cluster::tests::asked_in_vain;
use crate::peers::Peer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_whose_answer_was_lost_is_answered_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = cluster(1, folder.path()).await;
    let at = hosts[0].address().to_string();
    let issuer = member(&hosts[0]).issuer().expect("it signs");
    let (token, _) = issuer.create_token(60).await.expect("a token");
    let (_second, place) = listening(2, folder.path()).await;
    asked_in_vain(&place, &at, &token).await;
    place.join(&at, &token).await.expect("the same use");
    // With another token as well: the first may have ended by then, and the host holds a certificate of that key.
    let (_third, place) = listening(3, folder.path()).await;
    let (lost, _) = issuer.create_token(60).await.expect("a token");
    asked_in_vain(&place, &at, &lost).await;
    let (token, _) = issuer.create_token(60).await.expect("a token");
    place.join(&at, &token).await.expect("the same key");
    let key = folder.path().join("3/cluster/join.key");
    assert!(!key.exists(), "a key is kept that nobody needs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_goes_on_when_nobody_waits_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = cluster(1, folder.path()).await;
    let issuer = member(&hosts[0]).issuer().expect("it signs");
    let (token, _) = issuer.create_token(60).await.expect("a token");
    let (_second, place) = listening(2, folder.path()).await;
    let at = hosts[0].address().to_string();
    let call = tokio::time::timeout(Duration::ZERO, place.join(&at, &token)).await;
    assert!(call.is_err(), "it was not cut off");
    until("it is a member", || place.member().is_some()).await;
    let (_third, place) = listening(3, folder.path()).await;
    let name = "other".parse().expect("a name");
    let call = tokio::time::timeout(Duration::ZERO, place.init(name)).await;
    assert!(call.is_err(), "it was not cut off");
    until("it is a member", || place.member().is_some()).await;
}

/// Three hosts, and the word that puts the third out was cut off before the key of gossip was changed.
async fn cut_off(folder: &std::path::Path) -> (Vec<Host>, KeyId) {
    let hosts = cluster(3, folder).await;
    let first = member(&hosts[0]);
    let key = hosts[0].peers.keys().expect("sealed").held().primary;
    first.expose_keys(vec![key]).await.expect("written");
    let issuer = first.issuer().expect("it signs");
    let list = issuer.revoke(hosts[2].me.host, first.gate());
    let taken = first.take_revoked(list.expect("it signs")).await;
    assert!(taken.expect("it is newer"));
    (hosts, key)
}

fn primary(host: &Host) -> KeyId {
    host.peers.keys().expect("sealed").held().primary
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_was_cut_off_goes_on_with_the_next_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hosts, before) = cut_off(folder.path()).await;
    let out = hosts[2].me.host;
    let done = hosts[0].peers.revoke(out).await.expect("it goes on");
    assert_eq!((done.version, done.told.len()), (1, 1), "{done:?}");
    let key = done.key.expect("the other one answers");
    assert_ne!(key, before);
    for host in &hosts[..2] {
        assert_eq!(primary(host), key);
        let held = host.peers.keys().expect("sealed").held();
        assert_eq!(held.installed.len(), 1, "{held:?}");
    }
    assert_eq!(primary(&hosts[2]), before);
    let again = hosts[0].peers.revoke(out).await;
    assert!(matches!(again, Err(ClusterError::List(_))), "{again:?}");
    assert!(member(&hosts[0]).exposed_keys().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_was_cut_off_goes_on_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut hosts, before) = cut_off(folder.path()).await;
    // The host that signs starts again.
    let seeds = vec![hosts[1].address().to_string()];
    drop(hosts.remove(0));
    let (first, _) = again(1, folder.path(), seeds).await;
    until("it is a member", || first.peers.member().is_some()).await;
    assert_eq!(primary(&first), before);
    until("the key is changed", || {
        primary(&first) != before && primary(&hosts[0]) == primary(&first)
    })
    .await;
    until("that is written down", || {
        member(&first).exposed_keys().is_empty()
    })
    .await;
    assert!(!folder.path().join("1/cluster/exposed").exists());
    assert_eq!(primary(&hosts[1]), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_away_while_the_key_was_changed_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut hosts = cluster(3, folder.path()).await;
    let away = hosts.remove(2);
    away.peers.leave().await;
    let left = |peer: &Peer| !peer.is_living();
    for host in &hosts {
        host.sees("that it has left", &away.me, left).await;
    }
    let before = primary(&away);
    drop(away);
    let (key, _) = hosts[0].peers.install_key(None).await.expect("TLS");
    hosts[0].peers.use_key(key).await.expect("all have it");
    hosts[0]
        .peers
        .remove_key(before)
        .await
        .expect("nobody uses it");
    let (back, _) = again(3, folder.path(), Vec::new()).await;
    until("it speaks", || back.peers.member().is_some()).await;
    back.sees_alive(&hosts[1]).await;
    hosts[1].sees_alive(&back).await;
    assert_eq!(primary(&back), key);
}
