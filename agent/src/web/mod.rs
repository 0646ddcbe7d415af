//! The status page of this host: one HTML page of our own, its document, and the stream of changes.
//!
//! ```text
//!   HostView, jobs, fleet ──document──► kerf.v1.Web ──feed──► one frame a change ──┬─► /events (SSE)
//!        (pictures of others)   (pure)                (JSON once)                  └─► /api/state
//! ```
//! It reads and never changes anything, so there is no log-in. Who can reach the address can read the page: any
//! user of this host, and through a tunnel anybody they let in. So the document holds no arguments, no
//! environment and no container spec at all, and names that users chose only with `metrics.allow_names`. A page
//! of another site must not read it through the visitor's browser: see [`guard`].

mod assets;
mod document;
mod feed;
mod guard;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use document::Facts;

use crate::fleet::FleetView;
use crate::host::HostHandle;
use crate::jobs::Jobs;
use crate::peers::Peers;
use feed::Frame;
use guard::Guard;
use stream::Streams;

/// What the page is made of.
#[derive(Debug)]
pub struct Sources {
    /// Pictures of the host.
    pub host: HostHandle,
    /// Jobs of the host.
    pub jobs: Jobs,
    /// What this host knows of the fleet.
    pub fleet: watch::Receiver<Arc<FleetView>>,
    /// The way to the other hosts; `None` where this one runs alone.
    pub peers: Option<Peers>,
    /// What does not change while kerfd runs.
    pub facts: Facts,
}

/// Serves the page on `listener`, whose configured address is `address`, until `stop` is ready.
pub async fn serve<Stop: Future<Output = ()>>(
    listener: TcpListener,
    address: SocketAddr,
    sources: Sources,
    stop: impl Fn() -> Stop,
) {
    let (feed, first) = match feed::Feed::new(sources) {
        Ok(made) => made,
        Err(error) => {
            tracing::error!(%error, "web page not served");
            return;
        }
    };
    let (frames, newest) = watch::channel(first);
    let router = router(newest, Guard::new(address));
    let feeding = async {
        // The feed ends first: its streams end with it, so that they do not hold up the stop.
        tokio::select! {
            () = feed.run(frames) => {}
            () = stop() => {}
        }
    };
    tokio::join!(
        feeding,
        kerf_telemetry::http::serve(listener, router, stop())
    );
}

/// The routes. All of them are for GET and HEAD alone.
fn router(newest: watch::Receiver<Frame>, guard: Guard) -> Router {
    let streams = Arc::new(Streams::new(newest.clone()));
    let mut router = Router::new()
        .route("/api/state", get(state).with_state(newest))
        .route("/events", get(stream::events).with_state(streams));
    for asset in &assets::ALL {
        let answer = move || async move { ([(CONTENT_TYPE, asset.kind)], asset.text) };
        router = router.route(asset.path, get(answer));
    }
    router.layer(from_fn_with_state(Arc::new(guard), guard::check))
}

async fn state(State(newest): State<watch::Receiver<Frame>>) -> Response {
    let json: Bytes = newest.borrow().json.clone();
    ([(CONTENT_TYPE, "application/json")], json).into_response()
}

#[cfg(test)]
mod tests;
