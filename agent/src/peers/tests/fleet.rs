//! Hosts find each other, tell of themselves, and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kerf_membership::{ClusterId, State};
use kerf_scheduler::Liveness;

use super::{Event, Host, Peer, fleet, host, host_with, me, settings, until};
use crate::peers::{PeersError, join};

fn presence_of(other: kerf_types::HostId, wanted: Liveness) -> impl Fn(Event) -> Option<()> {
    move |event| match event {
        Event::Presence { host, liveness } if host == other => (liveness == wanted).then_some(()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hosts_meet_and_records_spread() {
    let mut hosts = fleet(3).await;
    for host in &hosts {
        host.publish(1);
    }
    let all: Vec<_> = hosts.iter().map(|host| host.record(1)).collect();
    for host in &mut hosts {
        for record in all.iter().filter(|record| record.id != host.me.host) {
            let of = |peer: &Peer| peer.record.as_deref() == Some(record);
            let writer = me(record.id.bits(), 1);
            let peer = host.sees("its record", &writer, of).await;
            assert!(peer.record_age_ms.is_some() && peer.heard_ms.is_some());
        }
    }
    let (id, record) = (hosts[1].me.host, hosts[1].record(1));
    let heard = hosts[0].hears("a record", |event| match event {
        Event::Record(record) if record.id == id => Some(record),
        _ => None,
    });
    assert_eq!(*heard.await, record);
    let fresh = |event| matches!(event, Event::StillFresh(host) if host == id).then_some(());
    hosts[0].hears("that it is fresh", fresh).await;
    // The newest of several counts.
    for revision in 2..=9 {
        hosts[1].publish(revision);
    }
    let newest = |peer: &Peer| {
        peer.record
            .as_ref()
            .is_some_and(|r| r.version.revision == 9)
    };
    hosts[2]
        .sees("the newest record", &hosts[1].me, newest)
        .await;
    let metrics = &hosts[0].metrics;
    until("datagrams are counted", || {
        metrics.peer_datagrams.get(["in"]) > 0 && metrics.peer_datagram_bytes.get(["out"]) > 0
    })
    .await;
    let problems = hosts[0].peers.problems();
    let [(what, plain)] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    assert_eq!(what, "peers");
    assert!(plain.why.starts_with("neither encrypted nor authenticated"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_leaves_and_one_dies_and_comes_back() {
    let mut hosts = fleet(3).await;
    let (Some(dies), Some(leaves)) = (hosts.pop(), hosts.pop()) else {
        panic!("three hosts");
    };
    let mut stays = hosts.remove(0);
    leaves.publish(1);
    dies.publish(1);
    stays
        .sees("a record", &dies.me, |peer| peer.record.is_some())
        .await;
    leaves.peers.leave().await;
    stays
        .hears("a goodbye", presence_of(leaves.me.host, Liveness::Left))
        .await;
    let left = |peer: &Peer| peer.state == State::Left;
    stays.sees("left", &leaves.me, left).await;
    assert!(matches!(
        leaves
            .peers
            .read_logs(stays.me.host, super::tag(0), false, Default::default())
            .await,
        Err(PeersError::Refused { .. } | PeersError::Silent { .. })
    ));
    let silent = leaves.peers.publish(&leaves.record(2));
    assert!(matches!(silent, Err(PeersError::Ended)), "{silent:?}");
    let Host {
        me: dead, peers, ..
    } = dies;
    drop(peers);
    stays
        .hears("a death", presence_of(dead.host, Liveness::Down))
        .await;
    let down = |peer: &Peer| peer.state == State::Down && peer.record.is_some();
    stays.sees("down", &dead, down).await;
    let back = me(dead.host.bits(), 2);
    let seed = vec![stays.address().to_string()];
    let back = host_with(back, settings(seed), join::system()).await;
    back.publish(2);
    stays
        .hears("that it is back", presence_of(dead.host, Liveness::Alive))
        .await;
    let address = back.address();
    let newer = move |peer: &Peer| {
        let record = peer.record.as_ref();
        peer.identity.api == address && record.is_some_and(|r| r.version.revision == 2)
    };
    stays.sees("its new record", &back.me, newer).await;
    let told = stays.told();
    for text in ["joined", "left", "down", "returned"] {
        let found = told.iter().filter(|line| line.contains(text));
        assert!(found.count() > 0, "{text} in {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_fleet_stays_unseen() {
    let one = host(1, &[]).await;
    let mut foreign = settings(vec![one.address().to_string()]);
    foreign.cluster = ClusterId(8);
    let other = host_with(me(2, 1), foreign, join::system()).await;
    let metrics = Arc::clone(&one.metrics);
    until("its datagrams are refused", || {
        metrics.peer_drops.get(["foreign_cluster"]) > 2
    })
    .await;
    assert!(one.peers.watch().borrow().is_empty());
    assert!(other.peers.watch().borrow().is_empty());
    let alone = |host: &Host| {
        let problems = host.peers.problems();
        problems
            .iter()
            .any(|(_, problem)| problem.why.starts_with("alone: "))
    };
    assert!(alone(&other), "it was told to join somebody");
    assert!(!alone(&one), "it was not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_may_resolve_late() {
    let one = host(1, &[]).await;
    let address = one.address();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let resolve: join::Resolve = Arc::new(move |name| {
        assert_eq!(name, "gpu-1.example:9451");
        let number = count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            match number {
                0 => Err(std::io::Error::other("no such name")),
                1 => Ok(Vec::new()),
                _ => Ok(vec![address]),
            }
        })
    });
    let seeds = settings(vec!["gpu-1.example:9451".to_owned()]);
    let late = host_with(me(2, 1), seeds, resolve).await;
    let why = || {
        let problems = late.peers.problems();
        problems
            .into_iter()
            .map(|(_, problem)| problem.why)
            .collect::<Vec<_>>()
    };
    until("the reason is told", || {
        let why = why();
        why.iter()
            .any(|why| why.ends_with("(gpu-1.example:9451: no such name)"))
    })
    .await;
    late.sees_alive(&one).await;
    one.sees_alive(&late).await;
    assert!(asked.load(Ordering::SeqCst) >= 3);
    until("it is not alone", || why().len() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_with_one_name_are_told() {
    let one = host(1, &[]).await;
    let mut twin = me(2, 1);
    twin.name = one.me.name.clone();
    let seed = settings(vec![one.address().to_string()]);
    let two = host_with(twin, seed, join::system()).await;
    one.sees_alive(&two).await;
    let clash = |host: &Host| {
        let problems = host.peers.problems();
        problems
            .iter()
            .any(|(_, problem)| problem.why.starts_with("2 hosts carry the name h1: "))
    };
    until("both say so", || clash(&one) && clash(&two)).await;
    until("an event says so", || {
        let told = one.told();
        told.iter()
            .any(|line| line.starts_with("h1 several hosts carry this name"))
    })
    .await;
    two.peers.leave().await;
    until("it is over", || !clash(&one)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_with_both_families_meets_one_with_ipv4() {
    if std::net::UdpSocket::bind("[::]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let mut one = host(1, &[]).await;
    let mut both = settings(vec![one.address().to_string()]);
    both.listen = "[::]:0".parse().expect("any address");
    both.advertise = "127.0.0.1:0".parse().ok();
    let mut two = host_with(me(2, 1), both, join::system()).await;
    assert!(two.address().is_ipv4());
    one.sees_alive(&two).await;
    two.sees_alive(&one).await;
    // Its connections come from the address that it tells, and its peer's are recognised.
    let is_message = |event| match event {
        Event::Message { from, .. } => Some(from),
        _ => None,
    };
    one.peers.send(two.me.host, super::message(3));
    assert_eq!(two.hears("a word", is_message).await, one.me.host);
    two.peers.send(one.me.host, super::message(4));
    assert_eq!(one.hears("a word", is_message).await, two.me.host);
}

#[tokio::test]
async fn an_address_that_nobody_could_send_to_is_refused() {
    let mut anywhere = settings(Vec::new());
    anywhere.listen = "0.0.0.0:0".parse().expect("any address");
    let metrics = kerf_telemetry::SelfMetrics::try_new().expect("declared well");
    let events = crate::events::Events::default();
    let metrics = Arc::new(metrics);
    let start =
        |settings| crate::peers::start(settings, me(1, 1), events.clone(), Arc::clone(&metrics));
    let refused = start(anywhere.clone()).await.expect_err("no address");
    assert!(matches!(refused, PeersError::NoAddress { .. }), "{refused}");
    anywhere.advertise = "127.0.0.1:0".parse().ok();
    let (peers, _events) = start(anywhere).await.expect("it says how it is reached");
    assert_ne!(peers.address().port(), 0);
    let taken = settings(Vec::new());
    let taken = super::Settings {
        listen: peers.address(),
        ..taken
    };
    let refused = start(taken).await.expect_err("its port is taken");
    assert!(matches!(refused, PeersError::Tcp { .. }), "{refused}");
}
