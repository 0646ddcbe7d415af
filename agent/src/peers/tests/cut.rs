//! Calls of an operator that are cut off somewhere, and what the next one finds.

use std::time::Duration;

use super::identity::{cluster, listening, member};
use super::until;
use crate::cluster::tests::asked_in_vain;

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
