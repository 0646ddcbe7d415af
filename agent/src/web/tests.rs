//! The files of the page are whole, of our own, and of the kind that the policy lets through.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use tokio::sync::watch;
use tower::ServiceExt;

use super::assets::ALL;
use super::feed::Frame;
use super::guard::Guard;
use super::router;

async fn ask(method: Method, path: &str) -> Response {
    let frame = Frame {
        json: Bytes::from_static(b"{}"),
        event: Bytes::from_static(b"data: {}\n\n"),
    };
    let (_frames, newest) = watch::channel(frame);
    let guard = Guard::new("127.0.0.1:9452".parse().expect("an address"));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:9452")
        .body(Body::empty());
    let answer = router(newest, guard).oneshot(request.expect("a request"));
    answer.await.expect("an answer")
}

#[tokio::test]
async fn everything_is_read_only_and_under_the_policy() {
    let files = ALL.iter().map(|asset| asset.path);
    for path in files.chain(["/api/state", "/events"]) {
        for method in [Method::GET, Method::HEAD] {
            let answer = ask(method, path).await;
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            let policy = &answer.headers()[CONTENT_SECURITY_POLICY];
            let policy = policy.to_str().expect("text");
            assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"));
        }
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let answer = ask(method, path).await;
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert!(answer.headers().contains_key(CONTENT_SECURITY_POLICY));
        }
    }
    let missing = ask(Method::GET, "/page/index.html").await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[test]
fn the_page_is_made_of_its_own_files_alone() {
    let known = |path: &str| path == "/api/state" || ALL.iter().any(|asset| asset.path == path);
    for asset in &ALL {
        let text = asset.text.replace("http://www.w3.org/2000/svg", "");
        for foreign in [
            "http:",
            "https:",
            "\"//",
            "<style",
            " style=\"",
            "onclick=",
            "innerHTML",
            "eval(",
        ] {
            assert!(!text.contains(foreign), "{foreign} in {}", asset.path);
        }
        for attribute in ["src=\"", "href=\""] {
            for path in text
                .split(attribute)
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
            {
                assert!(
                    path.starts_with('#') || known(path),
                    "{path} in {}",
                    asset.path
                );
            }
        }
        for module in text
            .split("from \"./")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            assert!(known(&format!("/{module}")), "{module} in {}", asset.path);
        }
    }
}

#[test]
fn what_the_scripts_look_for_is_in_the_page() {
    let text = |path: &str| {
        ALL.iter()
            .find(|asset| asset.path == path)
            .map(|asset| asset.text)
    };
    let (html, script) = (
        text("/").expect("a page"),
        text("/main.js").expect("a script"),
    );
    let parts = script.split("\n  [\"").skip(1);
    let ids: Vec<&str> = parts.filter_map(|part| part.split('"').next()).collect();
    assert!(ids.len() > 8, "{ids:?}");
    for id in ids {
        assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
    }
}
