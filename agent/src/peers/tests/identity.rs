//! Fleets with identity: members talk, nobody else does, and no member speaks in another's name.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kerf_api::peer::v1;
use kerf_api::peer::v1::peer_client::PeerClient;
use kerf_scheduler::Liveness;
use kerf_types::HostId;
use tokio::net::UdpSocket;
use tonic::Code;
use tonic::transport::Endpoint;

use super::{Event, Host, host_with, join, me, message, settings, until, wire};
use crate::cluster::{Cluster, ClusterError, JoinError, Member};
use crate::peers::Peer;
use crate::peers::link::bytes_of;

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A host that listens, with its place in a cluster. It is in none yet.
async fn listening(number: u128, folder: &Path) -> (Host, Arc<Cluster>) {
    let state = folder.join(number.to_string());
    let cluster = Cluster::open(&state, me(number, 1).host, DAY).expect("nothing is there");
    let mut settings = settings(Vec::new());
    settings.insecure_dev = false;
    settings.membership = Some(cluster.watch());
    let host = host_with(me(number, 1), settings, join::system()).await;
    (host, cluster)
}

/// A cluster of this many hosts, which see each other.
pub(super) async fn cluster(count: u128, folder: &Path) -> Vec<Host> {
    let (first, place) = listening(1, folder).await;
    let made = place.init("lab".parse().expect("a name")).await;
    made.expect("a new cluster");
    until("it speaks", || first.peers.member().is_some()).await;
    let mut hosts = vec![first];
    for number in 2..=count {
        let (next, place) = listening(number, folder).await;
        enter(&hosts[0], &place).await.expect("it comes in");
        hosts.push(next);
    }
    for one in &hosts {
        for other in hosts.iter().filter(|other| other.me != one.me) {
            one.sees_alive(other).await;
        }
    }
    hosts
}

fn member(host: &Host) -> &Arc<Member> {
    host.peers.member().expect("it is a member")
}

async fn enter(first: &Host, place: &Cluster) -> Result<Arc<Member>, ClusterError> {
    until("it signs", || first.peers.member().is_some()).await;
    let issuer = member(first).issuer().expect("it has the CA's key");
    let (token, _) = issuer.create_token(60).await.expect("a token");
    place.join(&first.address().to_string(), &token).await
}

fn from(event: Event) -> Option<(HostId, u32)> {
    match event {
        Event::Message { from, message } => Some((from, message.tag.member)),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_meet_talk_and_change_their_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut hosts = cluster(3, folder.path()).await;
    hosts[1].publish(1);
    let signed = |peer: &Peer| peer.record.is_some();
    hosts[2].sees("a signed record", &hosts[1].me, signed).await;
    let [one, two] = [hosts[0].me.host, hosts[1].me.host];
    hosts[0].peers.send(two, message(5));
    assert_eq!(hosts[1].hears("a message", from).await, (one, 5));
    let (key, round) = hosts[1].peers.install_key(None).await.expect("TLS");
    assert!(
        round.others.iter().all(|answer| answer.keys.is_ok()),
        "{round:?}"
    );
    hosts[1].peers.use_key(key).await.expect("all have it");
    for host in &hosts {
        assert!(
            host.peers.problems().is_empty(),
            "{:?}",
            host.peers.problems()
        );
        assert_eq!(host.peers.keys().expect("sealed").held().primary, key);
    }
}

/// A call of this host to another that says that it is of `said`.
async fn call_as(caller: &Host, callee: &Host, said: HostId) -> Result<u32, Code> {
    let shared = &caller.peers.shared;
    let channel = shared.connect(callee.me.host, callee.address());
    let mut client = PeerClient::new(channel.expect("an address"));
    let request = v1::ExchangeRequest {
        version: v1::ProtocolVersion::ProtocolVersion1.into(),
        from: bytes_of(said),
        reads: 1,
        to: bytes_of(callee.me.host),
        messages: vec![wire(1)],
    };
    let answer = client.exchange(request).await;
    answer
        .map(|answer| answer.get_ref().taken)
        .map_err(|status| status.code())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_member_speaks_in_anothers_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = cluster(3, folder.path()).await;
    let (own, third) = (hosts[1].me.host, hosts[2].me.host);
    assert_eq!(call_as(&hosts[1], &hosts[0], own).await, Ok(1));
    let forged = call_as(&hosts[1], &hosts[0], third).await;
    assert_eq!(forged, Err(Code::PermissionDenied));
    // Nor does one answer in another's name: the certificate at that address is another host's.
    let (shared, at) = (&hosts[1].peers.shared, hosts[0].address());
    let channel = shared.connect(third, at).expect("an address");
    let request = v1::ListKeysRequest { head: None };
    let answered = PeerClient::new(channel).list_keys(request).await;
    assert_eq!(
        answered.expect_err("it is another host").code(),
        Code::Unavailable
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_refused_whatever_he_speaks() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = cluster(2, folder.path()).await;
    let abroad = folder.path().join("abroad");
    let theirs = cluster(1, &abroad).await;
    let own = theirs[0].me.host;
    // A certificate of another CA.
    let foreign = call_as(&theirs[0], &hosts[0], own).await;
    assert!(foreign.is_err(), "{foreign:?}");
    let refused = &hosts[0].metrics.peer_connections_refused;
    until("it is counted", || refused.get(["tls"]) > 0).await;
    // No TLS.
    let plain = Endpoint::from_shared(format!("http://{}", hosts[0].address()));
    let channel = plain.expect("an address").connect_lazy();
    let request = v1::ListKeysRequest { head: None };
    let answered = PeerClient::new(channel).list_keys(request).await;
    answered.expect_err("nothing is answered in plain");
    until("it is counted", || refused.get(["plain"]) > 0).await;
    let told = hosts[0].peers.problems();
    assert!(
        told.iter()
            .any(|(_, what)| what.why.contains("speaks without TLS")),
        "{told:?}"
    );
    // Gossip without a key, in the name of a member.
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
    for length in [0, 60, 1_400] {
        let noise = vec![1; length];
        socket
            .send_to(&noise, hosts[0].address())
            .await
            .expect("sent");
    }
    let drops = &hosts[0].metrics.peer_drops;
    until("it is dropped", || drops.get(["not_gossip"]) > 0).await;
    hosts[0].sees_alive(&hosts[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_in_is_narrow() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, place) = listening(1, folder.path()).await;
    let (second, other_place) = listening(2, folder.path()).await;
    let at = first.address().to_string();
    // Nobody is at home before there is a cluster.
    let elsewhere = cluster(1, &folder.path().join("abroad")).await;
    let issuer = member(&elsewhere[0]).issuer().expect("it signs");
    let (abroad, _) = issuer.create_token(60).await.expect("a token");
    let early = other_place.join(&at, &abroad).await;
    assert!(
        matches!(early, Err(ClusterError::Join(JoinError::NoMember { .. }))),
        "{early:?}"
    );
    place
        .init("lab".parse().expect("a name"))
        .await
        .expect("a new cluster");
    until("it speaks", || first.peers.member().is_some()).await;
    // A token of another cluster, by the hash of its CA.
    let wrong = other_place.join(&at, &abroad).await;
    assert!(
        matches!(
            wrong,
            Err(ClusterError::Join(JoinError::OtherCluster { .. }))
        ),
        "{wrong:?}"
    );
    let again = place.init("lab".parse().expect("a name")).await;
    assert!(
        matches!(again, Err(ClusterError::Already { .. })),
        "{again:?}"
    );
    // One token, two hosts.
    let issuer = member(&first).issuer().expect("it signs");
    let (token, _) = issuer.create_token(60).await.expect("a token");
    other_place.join(&at, &token).await.expect("it comes in");
    let (_third, third_place) = listening(3, folder.path()).await;
    let used = third_place
        .join(&at, &token)
        .await
        .expect_err("it was used");
    let said = used.to_string();
    assert!(
        said.contains(&format!("was used by host {}", second.me.host)),
        "{said}"
    );
    assert!(!used.hint().is_empty());
    // Somebody copies a state folder's id: no certificate in the name of a host that has one.
    let (copied, place) = listening(2, &folder.path().join("copy")).await;
    let said = enter(&first, &place)
        .await
        .expect_err("that host is there")
        .to_string();
    assert!(said.contains("holds a certificate until"), "{said}");
    assert!(copied.peers.member().is_none());
    first.sees_alive(&second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_host_is_out_everywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut hosts = cluster(3, folder.path()).await;
    let out = hosts[2].me.clone();
    let myself = hosts[0].peers.revoke(hosts[0].me.host).await;
    assert!(matches!(myself, Err(ClusterError::Myself)), "{myself:?}");
    let elsewhere = hosts[1].peers.revoke(out.host).await;
    assert!(
        matches!(elsewhere, Err(ClusterError::NotIssuer)),
        "{elsewhere:?}"
    );
    let before = hosts[0].peers.keys().expect("sealed").held().primary;
    let done = hosts[0].peers.revoke(out.host).await.expect("it signs");
    assert_eq!(
        (done.version, done.told.len(), done.missed.len()),
        (1, 1, 0),
        "{done:?}"
    );
    assert_ne!(done.key, Ok(before), "{done:?}");
    for host in &mut hosts[..2] {
        let down = |event| match event {
            Event::Presence { host, liveness } if host == out.host => {
                (liveness == Liveness::Down).then_some(())
            }
            _ => None,
        };
        host.hears("that it is down", down).await;
        let keys = host.peers.keys().expect("sealed").held();
        assert_eq!(Ok(keys.primary), done.key);
        let list = host.peers.watch();
        until("it is off the list", || {
            list.borrow()
                .iter()
                .all(|peer| peer.identity.host != out.host)
        })
        .await;
    }
    assert_eq!(
        hosts[2].peers.keys().expect("its own").held().primary,
        before
    );
    let refused = call_as(&hosts[2], &hosts[1], out.host).await;
    assert!(refused.is_err(), "{refused:?}");
    let told = &hosts[1].metrics.peer_connections_refused;
    until("its connections are refused", || told.get(["tls"]) > 0).await;
    let drops = &hosts[1].metrics.peer_drops;
    until("its gossip is dropped", || drops.get(["revoked"]) > 0).await;
    until("it knows", || {
        let problems = hosts[2].peers.problems();
        problems
            .iter()
            .any(|(_, what)| what.why.contains("this host was revoked"))
    })
    .await;
    let again = hosts[0].peers.revoke(out.host).await;
    assert!(matches!(again, Err(ClusterError::List(_))), "{again:?}");
}
