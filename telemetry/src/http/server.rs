//! The accept loop: serves a router on a listener and bounds what clients can hold.
//!
//! Everybody on the network may connect, so each connection, its first word, its headers, its answers and
//! its life are limited. Past the most connections the one that has been silent for longest goes.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::clients::{Client, Clients};
use super::impatient::Impatient;

/// Most connections at a time. A slow one holds its page, so this many old pages can be in memory.
pub const CONNECTION_LIMIT: usize = 32;

/// Most bytes of a request's head; hyper's least is 8 KiB, and scrapers send less than 1 KiB.
const HEAD_LIMIT_BYTES: usize = 16 * 1024;

/// Most header lines of a request.
const HEADER_LIMIT: usize = 64;

/// A client has this long to ask again on a connection that is kept. Scrape intervals go up to a minute: a
/// shorter time would have Prometheus connect anew for each scrape.
const NEXT_HEAD: Duration = Duration::from_secs(75);

/// A connection is closed after this time, so that nobody keeps one for ever; Prometheus connects anew.
const CONNECTION_LIFE: Duration = Duration::from_secs(600);

/// At the end of its life, and when the server stops, a connection may finish its answer for this long.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// After a failed accept (no file descriptors, say) the loop waits this long: trying on at once would
/// take a whole core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long clients may be slow.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the connection to the end of the first request's head.
    pub first_head: Duration,
    /// For taking an answer.
    pub answer: Duration,
}

impl Default for Patience {
    /// Ten seconds each: Prometheus itself gives up a scrape after ten.
    fn default() -> Self {
        Self {
            first_head: Duration::from_secs(10),
            answer: Duration::from_secs(10),
        }
    }
}

/// Serves `router` on `listener` until `stop` is ready and the last answers are out.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    serve_with(listener, router, Patience::default(), stop).await;
}

/// [`serve`] with another patience.
pub async fn serve_with(
    listener: TcpListener,
    router: Router,
    patience: Patience,
    stop: impl Future<Output = ()>,
) {
    let clients = Arc::new(Clients::default());
    let mut connections = JoinSet::new();
    let (stopping, stopped) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let made = make_room(&mut connections, &clients);
                    tokio::select! {
                        () = &mut stop => break,
                        () = made => {}
                    }
                    let (client, router) = (clients.enter(), router.clone());
                    let stopped = stopped.clone();
                    connections.spawn(connection(stream, router, patience, client, stopped));
                }
                Err(error) => {
                    tracing::warn!(%error, "metrics connection not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    stopping.send_replace(true);
    while connections.join_next().await.is_some() {}
}

/// Waits until there is a place for one more, which takes no longer than a last answer.
async fn make_room(connections: &mut JoinSet<()>, clients: &Clients) {
    while connections.try_join_next().is_some() {}
    while connections.len() >= CONNECTION_LIMIT {
        clients.send_one_away();
        connections.join_next().await;
    }
}

/// Serves one connection until the client is done or has to go, and the last answer is out.
async fn connection(
    stream: TcpStream,
    router: Router,
    patience: Patience,
    client: Client,
    mut stopped: watch::Receiver<bool>,
) {
    // A page leaves in several writes: with Nagle's algorithm the last one waits for an acknowledgement
    // that the client delays, 40 ms on Linux. Without the option the answer is late, not wrong.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no-delay not set on metrics connection");
    }
    let routes = TowerToHyperService::new(router);
    let service = service_fn(|request| {
        client.asks();
        routes.call(request)
    });
    let mut settings = http1::Builder::new();
    settings
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_HEAD)
        .max_headers(HEADER_LIMIT)
        .max_buf_size(HEAD_LIMIT_BYTES);
    let stream = TokioIo::new(Impatient::new(stream, patience.answer));
    let mut served = pin!(settings.serve_connection(stream, service));
    let silent = async {
        sleep(patience.first_head).await;
        if client.has_asked() {
            std::future::pending::<()>().await;
        }
    };
    let life = async {
        let told = stopped.wait_for(|stop| *stop);
        drop(timeout(CONNECTION_LIFE, told).await);
    };
    let end = async {
        tokio::select! {
            () = life => {}
            () = client.told_to_leave() => {}
        }
    };
    let outcome = tokio::select! {
        outcome = &mut served => outcome,
        () = silent => Ok(()),
        () = end => {
            // Who has not asked for anything waits for no answer.
            let last = if client.has_asked() { LAST_ANSWER } else { Duration::ZERO };
            served.as_mut().graceful_shutdown();
            timeout(last, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "metrics connection ended");
    }
}
