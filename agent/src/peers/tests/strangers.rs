//! What a member spends on those who have not shown who they are: little, for a short time, and at nobody's cost.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kerf_api::peer::v1;
use kerf_api::peer::v1::peer_client::PeerClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Endpoint;

use super::identity::{DAY, again, call_as, cluster, member};
use super::until;
use crate::cluster::tests::{as_nobody, made_at};
use crate::cluster::{ClusterError, now_s};
use crate::peers::connection::{FROM_ONE, accept};
use crate::peers::secure::{HANDSHAKES_OF_ONE, NOBODY, incoming, lazily};

/// A connection from another address of this machine.
async fn from_elsewhere(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let local = "127.0.0.2:0".parse().expect("loopback");
    socket.bind(local).expect("loopback has it");
    socket.connect(to).await.expect("it listens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_say_nothing_hold_up_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = cluster(2, folder.path()).await;
    let mut silent = Vec::new();
    for _ in 0..FROM_ONE {
        silent.push(from_elsewhere(hosts[0].address()).await);
    }
    let refused = &hosts[0].metrics.peer_connections_refused;
    let most = u64::try_from(FROM_ONE - HANDSHAKES_OF_ONE).expect("few");
    until("they are refused", || refused.get(["busy"]) >= most).await;
    let own = hosts[1].me.host;
    assert_eq!(call_as(&hosts[1], &hosts[0], own).await, Ok(1));
    until("the others end", || refused.get(["silent"]) > 0).await;
}

#[tokio::test]
async fn whoever_has_no_certificate_is_served_for_half_a_minute() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = cluster(1, folder.path()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let arriving = accept(listener, CancellationToken::new());
    let mut secured = incoming(arriving, Arc::clone(&hosts[0].peers.shared));
    let mut client = as_nobody(address, member(&hosts[0])).await;
    let served = secured.recv().await.expect("it takes connections");
    let mut served = served.expect("a connection");
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    // Never silent for long.
    tokio::spawn(async move {
        while client.write_all(b".").await.is_ok() && client.flush().await.is_ok() {
            tokio::time::sleep(NOBODY / 3).await;
        }
    });
    let mut end = None;
    for _ in 0..10 {
        if let Err(error) = served.read(&mut [0; 16]).await {
            end = Some(error.kind());
            break;
        }
    }
    assert_eq!(end, Some(ErrorKind::TimedOut), "it is served on and on");
    let apart = begun.elapsed().abs_diff(NOBODY);
    assert!(apart < Duration::from_secs(5), "{apart:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_away_for_days_gets_its_next_certificate_by_itself_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = cluster(1, folder.path()).await;
    let first = folder.path().join("1");
    let made_s = now_s() - 4 * DAY.as_secs();
    let late = made_at(&first, &folder.path().join("9"), 9, made_s);
    assert!(late.outlook().not_after_s < now_s());
    // It listens, as after a start, and knows where it came in.
    let (back, _) = again(9, folder.path(), vec![hosts[0].address().to_string()]).await;
    until("it speaks", || back.peers.member().is_some()).await;
    let own = back.peers.member().expect("it is one");
    until("it has the next one", || {
        own.outlook().not_after_s > now_s()
    })
    .await;
    assert_eq!(call_as(&back, &hosts[0], back.me.host).await, Ok(1));
}

#[tokio::test]
async fn whoever_joined_anew_is_not_renewed_by_its_old_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = cluster(1, folder.path()).await;
    let (issuer, gate) = (
        member(&hosts[0]).issuer().expect("it signs"),
        member(&hosts[0]).gate(),
    );
    let first = folder.path().join("1");
    let made_s = now_s() - 4 * DAY.as_secs();
    let late = made_at(&first, &folder.path().join("9"), 9, made_s);
    // To renew is all that it is good for.
    let endpoint = Endpoint::from_static("http://peer.kerf.internal");
    let to = (hosts[0].me.host, hosts[0].address());
    let channel = lazily(&late, to.0, to.1, None, &endpoint);
    let mut client = PeerClient::new(channel);
    let asked = client.list_keys(v1::ListKeysRequest { head: None }).await;
    let refused = asked.expect_err("its certificate has ended");
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    let renew = async |is_late| {
        let (key, proof) = late.next_key().expect("a key");
        let (host, key) = (late.host(), key.public());
        issuer.renew(host, key, &proof, gate, is_late).await
    };
    renew(true).await.expect("nobody else has its name");
    let other = renew(true).await;
    assert!(matches!(other, Err(ClusterError::Holder(_))), "{other:?}");
    renew(false)
        .await
        .expect("it has shown the one that is good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_has_ended_is_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = cluster(1, folder.path()).await;
    let first = folder.path().join("1");
    let long_ago_s = now_s() - 60 * DAY.as_secs();
    let late = made_at(&first, &folder.path().join("9"), 9, long_ago_s);
    let stream = late.dial(hosts[0].me.host, hosts[0].address(), None).await;
    // The refusal comes behind the caller's part of the handshake.
    if let Ok(mut stream) = stream {
        stream.read(&mut [0; 1]).await.expect_err("it is refused");
    }
    let refused = &hosts[0].metrics.peer_connections_refused;
    until("it is counted", || refused.get(["clock"]) > 0).await;
    let told = hosts[0].peers.problems();
    let said = |text| told.iter().any(|(_, what)| what.why.contains(text));
    assert!(said("the certificate of 127.0.0.1 is refused"), "{told:?}");
    assert!(said("it was good until second"), "{told:?}");
}
