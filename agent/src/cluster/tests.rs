//! What lies in the folder: for its owner alone, whole or not there, and of this host.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kerf_identity::{Authority, Contacts, Purpose, SKEW_S, SecretKey, Token, prove};
use kerf_types::HostId;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Cluster, ClusterError, JoinAsk, JoinError, Member, now_s};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn host(number: u128) -> HostId {
    HostId::from_bits(number)
}

fn open(folder: &Path, number: u128) -> Result<Arc<Cluster>, ClusterError> {
    Cluster::open(folder, host(number), DAY)
}

async fn made(folder: &Path) -> Arc<Member> {
    let cluster = open(folder, 1).expect("nothing is there");
    let name = "lab".parse().expect("a name");
    cluster.init(name).await.expect("a new cluster")
}

#[tokio::test]
async fn a_member_is_the_same_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = made(folder.path()).await;
    for name in [
        "member.json",
        "revoked",
        "keyring.json",
        "ca.key",
        "tokens.json",
        "holders.json",
    ] {
        let path = folder.path().join("cluster").join(name);
        let facts = std::fs::metadata(&path).expect("it is there");
        assert_eq!(facts.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let facts = std::fs::metadata(folder.path().join("cluster")).expect("it is there");
    assert_eq!(facts.permissions().mode() & 0o777, 0o700);
    let again = open(folder.path(), 1)
        .expect("it reads")
        .member()
        .expect("a member");
    assert_eq!(again.gate().ca(), first.gate().ca());
    assert_eq!(again.outlook(), first.outlook());
    assert!(again.issuer().is_some());
    let outlook = first.outlook();
    assert_eq!(outlook.not_after_s - outlook.renew_at_s, DAY.as_secs() / 3);
}

#[tokio::test]
async fn what_is_not_whole_or_anothers_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    made(folder.path()).await;
    let cluster = folder.path().join("cluster");
    let refused = |expected: &str| {
        let error = open(folder.path(), 1).expect_err(expected);
        let text = crate::errors::chain(&error);
        assert!(text.contains(expected), "{text}");
        assert!(!error.hint().is_empty());
    };
    let other = open(folder.path(), 2).expect_err("another host's");
    assert!(matches!(other, ClusterError::OtherHost { .. }), "{other}");
    let member = cluster.join("member.json");
    let whole = std::fs::read(&member).expect("it is there");
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&member, mode).expect("it is ours");
    refused("is no plain file of its owner alone (mode 644)");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&member, mode).expect("it is ours");
    std::fs::write(&member, &whole[..whole.len() / 2]).expect("it is ours");
    refused("is not what it must be");
    std::fs::write(&member, &whole).expect("it is ours");
    open(folder.path(), 1).expect("it is whole again");
    for name in ["revoked", "keyring.json"] {
        let path = cluster.join(name);
        let kept = std::fs::read(&path).expect("it is there");
        std::fs::remove_file(&path).expect("it is ours");
        refused("is missing, and this host is a member of a cluster");
        crate::files::replace_secret(&path, &kept).expect("it is ours");
    }
    // Without the CA's key it is a member that does not sign.
    std::fs::remove_file(cluster.join("ca.key")).expect("it is ours");
    let member = open(folder.path(), 1)
        .expect("it reads")
        .member()
        .expect("a member");
    assert!(member.issuer().is_none());
    // What was cut off before the membership was written is no member.
    std::fs::remove_file(cluster.join("member.json")).expect("it is ours");
    let half = open(folder.path(), 1).expect("it reads");
    assert!(half.member().is_none());
    let again = half.init("lab".parse().expect("a name")).await;
    assert!(
        matches!(again, Err(ClusterError::Keyring { .. })),
        "{again:?}"
    );
    // Unless it is known to be of a try that was cut off.
    std::fs::write(cluster.join("entering"), "").expect("it is ours");
    let again = half.init("lab".parse().expect("a name")).await;
    again.expect("nothing of anybody is lost");
    for name in ["entering", "join.key"] {
        assert!(!cluster.join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn the_issuer_looks_at_clocks_proofs_and_who_is_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let member = made(folder.path()).await;
    let (issuer, gate) = (member.issuer().expect("it signs"), member.gate());
    let (token, _) = issuer.create_token(60).await.expect("a token");
    let key = SecretKey::from_seed(&[5; 32]).expect("a key");
    let hash = gate.ca().hash();
    let proof = prove(&key, &hash, host(5), Purpose::Join(token.id));
    let ask = |number, proof: &'static [u8], now_s| JoinAsk {
        token: token.id,
        secret: token.secret(),
        host: host(number),
        key: key.public(),
        proof,
        now_s,
    };
    let proof: &'static [u8] = proof.leak();
    let late = issuer
        .join(&ask(5, proof, now_s() - SKEW_S - 5), gate)
        .await;
    assert!(
        matches!(late, Err(ClusterError::Join(JoinError::Clock { .. }))),
        "{late:?}"
    );
    let other = issuer.join(&ask(6, proof, now_s()), gate).await;
    assert!(matches!(other, Err(ClusterError::Proof)), "{other:?}");
    let list = issuer.revoke(host(5), gate).expect("it signs");
    member.take_revoked(list).await.expect("it is newer");
    let out = issuer.join(&ask(5, proof, now_s()), gate).await;
    assert!(matches!(out, Err(ClusterError::Revoked { .. })), "{out:?}");
    let older = kerf_identity::Revoked::from_bytes(&gate.revoked().to_bytes(), gate.ca());
    let taken = member.take_revoked(older.expect("its own")).await;
    assert!(matches!(taken, Ok(false)), "{taken:?}");
    // What was written is in force after a restart as well.
    let again = open(folder.path(), 1)
        .expect("it reads")
        .member()
        .expect("a member");
    assert!(again.gate().is_revoked(host(5)));
}

#[tokio::test]
async fn a_renewal_replaces_key_and_certificate_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let member = made(folder.path()).await;
    let issuer = member.issuer().expect("it signs");
    let (key, proof) = member.next_key().expect("a key");
    let public = key.public();
    let issued = issuer
        .renew(host(1), public, &proof, member.gate(), false)
        .await;
    let issued = issued.expect("it signs");
    let certificate = issued.certificate.clone();
    member
        .renew(key, issued, Some(host(1)))
        .await
        .expect("it fits");
    let again = open(folder.path(), 1)
        .expect("it reads")
        .member()
        .expect("a member");
    assert!(again.gate().ca().is_for(&certificate, &public));
    assert_eq!(again.outlook(), member.outlook());
    let (other, _) = member.next_key().expect("a key");
    let (_, proof) = member.next_key().expect("a key");
    let forged = issuer
        .renew(host(1), other.public(), &proof, member.gate(), false)
        .await;
    assert!(matches!(forged, Err(ClusterError::Proof)), "{forged:?}");
}

#[tokio::test]
async fn a_certificate_of_a_clock_that_is_ahead_does_not_replace_a_good_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let member = made(folder.path()).await;
    let before = member.outlook();
    let text = std::fs::read_to_string(folder.path().join("cluster/ca.key")).expect("it signs");
    let key = SecretKey::from_text(&text).expect("a key");
    let authority = Authority::open(key, member.gate().ca().clone()).expect("its own");
    let apart_s = 2 * SKEW_S;
    for made_s in [now_s() + apart_s, now_s() - 2 * DAY.as_secs()] {
        let (key, _) = member.next_key().expect("a key");
        let issued = authority.issue(host(1), key.public(), made_s, DAY.as_secs(), [1; 16]);
        let refused = member.renew(key, issued.expect("it signs"), None).await;
        assert!(
            matches!(refused, Err(ClusterError::Join(JoinError::Clock { .. }))),
            "{refused:?}"
        );
        assert_eq!(member.outlook(), before);
    }
    let again = open(folder.path(), 1).expect("it reads");
    assert_eq!(again.member().expect("a member").outlook(), before);
}

/// A connection of somebody without a certificate, to a member.
pub(crate) async fn as_nobody(address: SocketAddr, member: &Member) -> TlsStream<TcpStream> {
    let (config, _) =
        super::pin::Pin::config(member.gate().ca().hash(), member.host()).expect("it is set up");
    let stream = TcpStream::connect(address).await.expect("it listens");
    let name = ServerName::try_from(super::tls::JOIN_NAME).expect("a name");
    let connected = TlsConnector::from(config).connect(name, stream).await;
    connected.expect("it takes anybody who asks to join")
}

/// A member of the cluster in the folder `first` whose certificate was made at this second for a day.
pub(crate) fn made_at(first: &Path, folder: &Path, number: u128, made_s: u64) -> Arc<Member> {
    let (member, authority) = authority_in(first);
    let key = SecretKey::from_seed(&[9; 32]).expect("a key");
    let issued = authority.issue(host(number), key.public(), made_s, DAY.as_secs(), [1; 16]);
    let parts = super::member::Parts {
        ca: authority.certificate().clone(),
        key,
        issued: issued.expect("it signs"),
        revoked: kerf_identity::Revoked::first(&authority),
        keyring: kerf_seal::Keyring::clone(&member.keys().handle().get()),
        contacts: Contacts {
            issuer: Some(host(1)),
            seeds: Vec::new(),
        },
    };
    let place = super::Folder::of(folder);
    super::member::write(&place, host(number), parts).expect("written");
    let cluster = open(folder, number).expect("it reads");
    cluster.member().expect("a member")
}

/// The member in a folder that signs, and the CA.
fn authority_in(folder: &Path) -> (Arc<Member>, Authority) {
    let cluster = open(folder, 1).expect("it reads");
    let member = cluster.member().expect("a member");
    let text = std::fs::read_to_string(folder.join("cluster/ca.key")).expect("it signs");
    let key = SecretKey::from_text(&text).expect("a key");
    let authority = Authority::open(key, member.gate().ca().clone());
    (member, authority.expect("its own"))
}

#[tokio::test]
async fn nobody_waits_for_the_disk_while_a_list_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let member = made(folder.path()).await;
    let list = member
        .issuer()
        .expect("it signs")
        .revoke(host(5), member.gate());
    let list = list.expect("it signs");
    let (told, hears) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let keep = |_: &kerf_identity::Revoked| {
            // As a handshake does meanwhile.
            assert!(!member.gate().is_revoked(host(5)), "it is not written yet");
            Ok::<(), kerf_identity::RevokedError>(())
        };
        member.gate().take(list, keep).expect("it is newer");
        told.send(member.gate().is_revoked(host(5))).expect("heard");
    });
    let is_out = hears.recv_timeout(Duration::from_secs(30));
    assert_eq!(is_out, Ok(true), "whoever looks waits for the disk");
}

#[tokio::test]
async fn what_a_killed_process_was_writing_goes_with_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    made(folder.path()).await;
    let left = folder.path().join("cluster/.member.json.4194999.tmp");
    std::fs::write(&left, "a key").expect("written");
    open(folder.path(), 1).expect("it reads");
    assert!(!left.exists());
}

/// Asks as a join does, up to the answer, which is lost.
pub(crate) async fn asked_in_vain(place: &Cluster, address: &str, token: &Token) {
    let key = super::pending::key(&place.folder).expect("a key");
    let asked = super::join::ask(address, token, place.host, &key).await;
    asked.expect("it is answered");
}
