//! `/events`: the newest document, then each newer one, as server-sent events.
//!
//! A stream never queues documents: one that is behind goes on with the newest. A reader that takes nothing
//! for a while loses its stream, and its connection with it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::feed::Frame;

/// Streams at a time: half of the connections that the server takes, so that a crowd of streams leaves room to
/// load the page, which then asks for the document instead.
const STREAM_LIMIT: usize = kerf_telemetry::http::CONNECTION_LIMIT / 2;

/// How long a stream waits for what.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// A comment goes out after this time without a change. Proxies cut what is silent for a minute, and a
    /// client that is gone is noticed by the write.
    heartbeat: Duration,
    /// A reader that takes nothing for this long loses its stream.
    patience: Duration,
}

const PACE: Pace = Pace {
    heartbeat: Duration::from_secs(15),
    patience: Duration::from_secs(10),
};

/// What waits between the stream and the connection; the connection has buffers of its own.
const BOUND: usize = 1;

/// A browser that loses its stream comes again after this time.
const HELLO: &str = "retry: 2000\n\n";

const COMMENT: &str = ": still here\n\n";

/// The streams that may still be opened, and what they carry.
#[derive(Debug)]
pub(super) struct Streams {
    newest: watch::Receiver<Frame>,
    free: Arc<Semaphore>,
    pace: Pace,
}

impl Streams {
    /// Streams of these frames.
    pub fn new(newest: watch::Receiver<Frame>) -> Self {
        Self {
            newest,
            free: Arc::new(Semaphore::new(STREAM_LIMIT)),
            pace: PACE,
        }
    }
}

/// Opens a stream, or says when to come again.
pub(super) async fn events(State(streams): State<Arc<Streams>>) -> Response {
    let Ok(permit) = Arc::clone(&streams.free).try_acquire_owned() else {
        let text = "too many streams; /api/state has the same document\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")], text).into_response();
    };
    let (sender, receiver) = mpsc::channel(BOUND);
    let newest = streams.newest.clone();
    tokio::spawn(carry(newest, sender, streams.pace, permit));
    let body = ReceiverStream::new(receiver).map(Ok::<Bytes, Infallible>);
    (
        [(CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(body),
    )
        .into_response()
}

/// Carries frames until the reader is gone, stops reading, or there are no more.
async fn carry(
    mut newest: watch::Receiver<Frame>,
    sender: mpsc::Sender<Bytes>,
    pace: Pace,
    _permit: OwnedSemaphorePermit,
) {
    let mut next = Bytes::from_static(HELLO.as_bytes());
    newest.mark_changed();
    loop {
        match sender.send_timeout(next, pace.patience).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                tracing::debug!("event stream ended: nobody reads it");
                return;
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => return,
        }
        next = tokio::select! {
            changed = timeout(pace.heartbeat, newest.changed()) => match changed {
                Ok(Ok(())) => newest.borrow_and_update().event.clone(),
                Ok(Err(_)) => return,
                Err(_) => Bytes::from_static(COMMENT.as_bytes()),
            },
            () = sender.closed() => return,
        };
    }
}

#[cfg(test)]
mod tests;
