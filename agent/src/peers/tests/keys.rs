//! Sealed fleets: strangers are not heard, keys are rotated while all live, and files are for root alone.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use kerf_membership::State;
use kerf_seal::{Key, Keyring};
use tokio::net::UdpSocket;

use super::{Host, Peer, host_with, join, me, settings, until};
use crate::peers::keyring::{Keys, KeysError};

/// A host of a sealed fleet; with `insecure_dev` keys may travel over these plain connections.
async fn sealed(number: u128, folder: &Path, join_by: &[&Host], insecure_dev: bool) -> Host {
    let state_dir = folder.join(number.to_string());
    let keys = match Keys::open(&state_dir).expect("it reads well") {
        Some(keys) => keys,
        None => Keys::create(&state_dir, Keyring::new(Key::new([1; 32]))).expect("it writes"),
    };
    let mut settings = settings(join_by.iter().map(|h| h.address().to_string()).collect());
    settings.keys = Some(keys);
    settings.insecure_dev = insecure_dev;
    host_with(me(number, 1), settings, join::system()).await
}

async fn sealed_fleet(count: u128, folder: &Path, insecure_dev: bool) -> Vec<Host> {
    let mut hosts = vec![sealed(1, folder, &[], insecure_dev).await];
    for number in 2..=count {
        let next = sealed(number, folder, &[&hosts[0]], insecure_dev).await;
        hosts.push(next);
    }
    for one in &hosts {
        for other in hosts.iter().filter(|other| other.me != one.me) {
            one.sees_alive(other).await;
        }
    }
    hosts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_not_heard_and_a_flood_of_it_stops_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = sealed_fleet(2, folder.path(), true).await;
    let (one, two) = (&hosts[0], &hosts[1]);
    // In the clear, in a fleet of the same name; and one with another key.
    let plain = host_with(
        me(8, 1),
        settings(vec![one.address().to_string()]),
        join::system(),
    )
    .await;
    let other = folder.path().join("9");
    Keys::create(&other, Keyring::new(Key::new([9; 32]))).expect("it writes");
    let foreign = sealed(9, folder.path(), &[one], true).await;
    let drops = |reason: &'static str| one.metrics.peer_drops.get([reason]);
    // A hello in the clear is as long as a sealed one could be, and its first bytes name no key.
    until("strangers dropped", || drops("unknown_key") > 1).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    for _ in 0..5_000 {
        let junk = [0x6b; 1_200];
        drop(socket.send_to(&junk, one.address()).await);
    }
    until("a flood dropped", || drops("flood") > 100).await;
    two.publish(3);
    one.sees("a record", &two.me, |peer| peer.record.is_some())
        .await;
    assert_eq!(one.peers.watch().borrow().len(), 1);
    for stranger in [&plain, &foreign] {
        assert_eq!(stranger.peers.watch().borrow().len(), 0);
    }
    let problems = one.peers.problems();
    let why = &problems[0].1.why;
    assert!(
        why.starts_with("gossip is sealed, and calls are neither"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_in_three_phases_while_all_live() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut hosts = sealed_fleet(3, folder.path(), true).await;
    let old = Key::new([1; 32]).id();
    let refused = hosts[0].peers.remove_key(old).await.expect_err("primary");
    assert_eq!(
        refused.to_string(),
        format!("key {old} is the one that is used; use another one first")
    );
    let (new, round) = hosts[0].peers.install_key(None).await.expect("all live");
    assert_eq!(round.others.len(), 2);
    // Host 3 has not acknowledged it: its keyring is put back by hand.
    let state = folder.path().join("3");
    let before = Keyring::new(Key::new([1; 32]));
    Keys::create(&state, before).expect("it writes");
    hosts[2]
        .peers
        .keys()
        .expect("sealed")
        .reread()
        .expect("it reads");
    let refused = hosts[1]
        .peers
        .use_key(new)
        .await
        .expect_err("not all have it");
    assert_eq!(
        refused.to_string(),
        format!(
            "key {new} cannot be used yet: 1 of the living hosts have not acknowledged it: h3 (does not have it)"
        )
    );
    let again = hosts[1].peers.install_key(Some(new)).await;
    again.expect("it is spread again");
    hosts[0].peers.use_key(new).await.expect("all have it");
    hosts[1]
        .peers
        .remove_key(old)
        .await
        .expect("nobody uses it");
    let round = hosts[2].peers.keyring().await.expect("sealed");
    let others = round.others.iter().map(|other| other.keys.clone());
    for keys in others.chain([Ok(round.own.clone())]) {
        let keys = keys.expect("an answer");
        assert_eq!((keys.primary, keys.installed.len()), (new, 1));
    }
    // What is on the disk is what is in force; a host that starts again is heard.
    let gone = hosts.remove(2);
    gone.peers.leave().await;
    let left = |peer: &Peer| peer.state == State::Left;
    hosts[0].sees("gone", &gone.me, left).await;
    let state = folder.path().join("3");
    let keys = Keys::open(&state).expect("it reads").expect("it is there");
    let mut again = settings(vec![hosts[0].address().to_string()]);
    again.keys = Some(keys);
    let again = host_with(me(3, 2), again, join::system()).await;
    hosts[0].sees_alive(&again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_stay_here_where_connections_prove_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = sealed_fleet(2, folder.path(), false).await;
    let before = hosts[0].peers.keys().expect("sealed").held();
    let refused = hosts[0].peers.install_key(None).await;
    let refused = refused.expect_err("the connections are plain");
    assert!(matches!(refused, KeysError::Plain), "{refused}");
    assert_eq!(hosts[0].peers.keys().expect("sealed").held(), before);
    // Whoever would take one from there is safe as well.
    let taken = hosts[1].peers.install_key(Some(before.primary)).await;
    assert!(matches!(taken, Err(KeysError::Plain)));
    let plain = host_with(me(7, 1), settings(Vec::new()), join::system()).await;
    assert!(matches!(plain.peers.keyring().await, Err(KeysError::None)));
}

#[test]
fn the_file_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path();
    assert!(Keys::open(state).expect("there is none").is_none());
    let keyring = Keyring::new(Key::new([1; 32]));
    Keys::create(state, keyring.clone()).expect("it writes");
    let path = state.join("cluster/keyring.json");
    let mode = |path: &Path| {
        let facts = std::fs::metadata(path).expect("it is there");
        facts.permissions().mode() & 0o777
    };
    assert_eq!((mode(&path), mode(&state.join("cluster"))), (0o600, 0o700));
    let keys = Keys::open(state).expect("it reads").expect("it is there");
    assert_eq!(*keys.handle().get(), keyring);
    let check = |expected: &str| {
        let error = Keys::open(state).expect_err(expected);
        let text = crate::errors::chain(&error);
        let text = text.replace(&state.display().to_string(), "");
        assert_eq!(text, expected);
        let kept = keys.reread().expect_err("nor is it taken while kerfd runs");
        assert!(!format!("{kept:?}").contains("0101"), "{kept:?}");
        assert_eq!(*keys.handle().get(), keyring);
    };
    let set = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, mode).expect("it is ours");
    };
    set(0o640);
    check(
        "/cluster/keyring.json may be read by others than its owner (mode 640): chmod 600, and rotate its keys",
    );
    set(0o600);
    std::fs::write(&path, "{").expect("it is ours");
    check(
        "/cluster/keyring.json is not a keyring that is understood here: line 1, column 1: it is not a keyring (it \
         ends too early)",
    );
    std::fs::write(&path, [b' '; 100_000]).expect("it is ours");
    check(
        "/cluster/keyring.json is not a keyring that is understood here: it has 16385 bytes, and a keyring at most \
         16384",
    );
    std::fs::remove_file(&path).expect("it is ours");
    symlink("/dev/zero", &path).expect("a link");
    let error = Keys::open(state).expect_err("a link is not followed");
    assert!(error.to_string().starts_with("cannot read "), "{error}");
    std::fs::remove_file(&path).expect("it is ours");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    check("/cluster/keyring.json is not a plain file");
}
