//! A host that gossips, takes connections and never answers on them holds up nobody else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kerf_telemetry::SelfMetrics;
use kerf_types::HostId;
use tokio::sync::{mpsc, watch};

use super::{CLUSTER, Event, fleet, me, message, until};
use crate::events::Events;
use crate::peers::driver::{Command, Driver, core};
use crate::peers::net::TcpListener;
use crate::peers::shared::Shared;
use crate::peers::sockets;

/// A member whose TCP socket the kernel answers alone.
struct Silent {
    shared: Arc<Shared>,
    _listener: TcpListener,
    _published: watch::Sender<Option<kerf_membership::Payload>>,
    commands: mpsc::Sender<Command>,
    _events: mpsc::Receiver<Event>,
}

async fn silent(number: u128) -> Silent {
    let listen = "127.0.0.1:0".parse().expect("loopback");
    let (listener, wire) = sockets::bind(listen).await.expect("a free port");
    let (sink, events) = mpsc::channel(16);
    let (commands, asked) = mpsc::channel(16);
    let (published, payload) = watch::channel(None);
    let metrics = Arc::new(SelfMetrics::try_new().expect("declared well"));
    let address = wire.address();
    let ring = Events::default();
    let shared = Arc::new(Shared::new(
        me(number, 1),
        address,
        None,
        sink,
        ring,
        metrics,
    ));
    let core = core(&shared, CLUSTER, 1);
    tokio::spawn(Driver::new(core, wire, Arc::clone(&shared), asked, payload).run());
    Silent {
        shared,
        _listener: listener,
        _published: published,
        commands,
        _events: events,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_holds_up_nobody() {
    let mut hosts = fleet(2).await;
    let silent = silent(3).await;
    let seeds = vec![hosts[0].address()];
    let asked = silent.commands.send(Command::Join(seeds)).await;
    asked.expect("its driver runs");
    let third = me(3, 1);
    hosts[0]
        .sees("the silent one", &third, super::Peer::is_living)
        .await;
    for member in 0..3_000 {
        hosts[0].peers.send(third.host, message(member));
    }
    let two = hosts[1].me.host;
    let begun = Instant::now();
    hosts[0].peers.send(two, message(1));
    let is_message = |event| match event {
        Event::Message { from, .. } => Some(from),
        _ => None,
    };
    let from: HostId = hosts[1].hears("a message", is_message).await;
    assert_eq!(from, hosts[0].me.host);
    // Well below the deadline of the call that hangs.
    assert!(
        begun.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        begun.elapsed()
    );
    let counts = &hosts[0].metrics.peer_messages;
    assert!(counts.get(["out", "full"]) > 0, "the queue has a bound");
    until("its call ends", || counts.get(["out", "failed"]) > 0).await;
    silent.shared.stop.cancel();
}
