//! Who may read the page: refuses what other sites would have a visitor's browser ask, and tells browsers to
//! hold the page to what it is made of.
//!
//! A site can point a name of its own at 127.0.0.1 and so make the browser believe that this page is part of
//! that site (DNS rebinding). The `Host` that the browser then sends names the site. An address written out
//! cannot be pointed elsewhere, so those of this host are admitted, and `localhost`, which resolvers keep
//! (RFC 6761, 6.3). The port is not compared: a tunnel (`ssh -L`) gives the page another one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Everything comes from here, nothing is inline, nothing is sent elsewhere, and nobody frames the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// Set by browsers, out of reach of scripts: where the wish for this request arose.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Which names of this host are admitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard {
    /// The configured address; unspecified (`0.0.0.0`, `[::]`) stands for every address.
    own: IpAddr,
}

impl Guard {
    /// For a page at `listen`.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            own: listen.ip().to_canonical(),
        }
    }

    /// Whether a `Host` or an authority names this page.
    pub fn admits(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        if host.contains('@') {
            return false;
        }
        let name = authority.host();
        if name.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let bare = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let Ok(address) = bare.unwrap_or(name).parse::<IpAddr>() else {
            return false;
        };
        let address = address.to_canonical();
        address == Ipv4Addr::LOCALHOST
            || address == Ipv6Addr::LOCALHOST
            || address == self.own
            || self.own.is_unspecified()
    }

    /// Why a request is refused, if it is.
    fn refusal(&self, request: &Request) -> Option<(StatusCode, &'static str)> {
        let hosts: Vec<&HeaderValue> = request.headers().get_all(HOST).iter().collect();
        let named = |host: &HeaderValue| host.to_str().is_ok_and(|host| self.admits(host));
        // A request line may name a host too, and then it is that one which counts (RFC 9112, 3.2.2).
        let target = request.uri().authority();
        let target_named = target.is_none_or(|target| self.admits(target.as_str()));
        match hosts.as_slice() {
            [host] if named(host) && target_named => {}
            [_] => {
                let why =
                    "this page answers to localhost, 127.0.0.1, [::1] and its configured address\n";
                return Some((StatusCode::MISDIRECTED_REQUEST, why));
            }
            _ => return Some((StatusCode::BAD_REQUEST, "one Host header is needed\n")),
        }
        let path = request.uri().path();
        let is_data = path == "/events" || path.starts_with("/api/");
        (is_data && is_foreign(request.headers())).then_some((
            StatusCode::FORBIDDEN,
            "the pages of other sites may not read this\n",
        ))
    }
}

/// Whether a page of another site is behind a request. A link is not: it only opens the page.
fn is_foreign(headers: &HeaderMap) -> bool {
    headers
        .get(SITE)
        .is_some_and(|site| site != "same-origin" && site != "none")
}

/// Refuses or serves, and sets the headers of every answer.
pub(super) async fn check(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match guard.refusal(&request) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

#[cfg(test)]
mod tests;
