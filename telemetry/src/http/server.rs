//! The accept loop: serves a router on a listener and bounds what clients can hold.
//!
//! Everybody on the network may connect, so each connection, its headers and its life are limited. Past
//! the most connections new ones wait in the kernel's backlog.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Most connections at a time. A slow one holds its page, so this many old pages can be in memory.
pub const CONNECTION_LIMIT: usize = 32;

/// Most bytes of a request's head; hyper's least is 8 KiB, and scrapers send less than 1 KiB.
const HEAD_LIMIT_BYTES: usize = 16 * 1024;

/// Most header lines of a request.
const HEADER_LIMIT: usize = 64;

/// A client has this long to send a request's head, and to ask again on a connection that is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// A connection is closed after this time, so that nobody keeps one for ever; Prometheus connects anew.
const CONNECTION_LIFE: Duration = Duration::from_secs(600);

/// At the end of its life, and when the server stops, a connection may finish its answer for this long.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// After a failed accept (no file descriptors, say) the loop waits this long: trying on at once would
/// take a whole core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `stop` is ready and the last answers are out.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let slots = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    let mut connections = JoinSet::new();
    let (stopping, stopped) = tokio::sync::watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        tokio::select! {
            () = &mut stop => break,
            (slot, accepted) = next => match accepted {
                Ok((stream, _)) => {
                    let (router, mut stopped) = (router.clone(), stopped.clone());
                    connections.spawn(async move {
                        let end = async {
                            let told = stopped.wait_for(|stop| *stop);
                            drop(timeout(CONNECTION_LIFE, told).await);
                        };
                        connection(stream, router, end).await;
                        drop(slot);
                    });
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

/// Serves one connection until the client is done or `end` is ready and the last answer is out.
async fn connection(stream: TcpStream, router: Router, end: impl Future<Output = ()>) {
    // A page leaves in several writes: with Nagle's algorithm the last one waits for an acknowledgement
    // that the client delays, 40 ms on Linux. Without the option the answer is late, not wrong.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no-delay not set on metrics connection");
    }
    let service = TowerToHyperService::new(router);
    let mut settings = http1::Builder::new();
    settings
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADER_LIMIT)
        .max_buf_size(HEAD_LIMIT_BYTES);
    let mut served = pin!(settings.serve_connection(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = &mut served => outcome,
        () = end => {
            served.as_mut().graceful_shutdown();
            timeout(LAST_ANSWER, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "metrics connection ended");
    }
}
