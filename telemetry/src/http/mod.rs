//! `/metrics`, `/healthz` and `/readyz` over HTTP/1.1, for GET and HEAD alone.
//!
//! A thin shell around [`Exporter`]: it negotiates format and encoding and writes buffers. Nothing that
//! a client sends reaches anything else. [`serve`] bounds what a client can hold.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::exporter::{Exporter, Readiness};
use crate::negotiate;

mod body;
mod clients;
mod impatient;
mod server;

pub use server::{CONNECTION_LIMIT, Patience, serve, serve_with};

/// The routes, for a server of their own or to be merged into another router.
pub fn router(exporter: Arc<Exporter>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(exporter)
}

async fn metrics(State(exporter): State<Arc<Exporter>>, headers: HeaderMap) -> Response {
    let format = negotiate::format(&list(&headers, &ACCEPT));
    let gzip = negotiate::gzip(&list(&headers, &ACCEPT_ENCODING));
    let scrape = exporter.scrape(format, gzip);
    let packed = scrape.gzip;
    let mut response = Response::new(Body::new(body::TwoParts::from(scrape)));
    let answer = response.headers_mut();
    let text = HeaderValue::from_static;
    answer.insert(CONTENT_TYPE, text(format.content_type()));
    answer.insert(VARY, text("accept, accept-encoding"));
    if packed {
        answer.insert(CONTENT_ENCODING, text("gzip"));
    }
    response
}

/// All values of a header as one list (RFC 9110, 5.2); what is not text is not there.
fn list(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter();
    let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    texts.join(",")
}

/// Answers as long as the process serves at all: what is wrong with the hardware is no reason to
/// restart kerfd.
async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(exporter): State<Arc<Exporter>>) -> Response {
    match exporter.readiness() {
        Readiness::Starting => {
            let text = "starting: nothing was sampled yet\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
        Readiness::Ready => "ready\n".into_response(),
        Readiness::Degraded(reasons) => {
            let mut text = "degraded\n".to_owned();
            for reason in reasons {
                text.push_str("- ");
                text.push_str(&reason.replace('\n', " "));
                text.push('\n');
            }
            text.into_response()
        }
    }
}
