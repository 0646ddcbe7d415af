//! The HTTP server on loopback, asked over plain sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use flate2::read::GzDecoder;
use kerf_telemetry::{Exporter, http};
use kerf_types::Health;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::world;

/// A server that ends with the test.
struct Server {
    runtime: Runtime,
    address: SocketAddr,
    exporter: Arc<Exporter>,
    stop: Option<oneshot::Sender<()>>,
    done: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("loopback");
        let address = listener.local_addr().expect("an address");
        let exporter = world::exporter();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = http::router(Arc::clone(&exporter));
        let end = async move { drop(stopped.await) };
        let done = runtime.spawn(http::serve(listener, router, end));
        Self {
            runtime,
            address,
            exporter,
            stop: Some(stop),
            done: Some(done),
        }
    }

    /// Sends a request as it is and reads until the server closes.
    fn raw(&self, request: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).expect("the server");
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = Vec::new();
        // A reset after the answer is the server's way to refuse what it has not read.
        drop(stream.read_to_end(&mut answer));
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let body = answer.split_off(end.map_or(answer.len(), |end| end + 4));
        (String::from_utf8_lossy(&answer).to_lowercase(), body)
    }

    fn ask(&self, method: &str, path: &str, headers: &str) -> (String, Vec<u8>) {
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n"
        ))
    }

    fn get(&self, path: &str) -> (String, String) {
        let (head, body) = self.ask("GET", path, "");
        (head, String::from_utf8(body).expect("text"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(done) = self.done.take() {
            let ended = self
                .runtime
                .block_on(async { tokio::time::timeout(Duration::from_secs(20), done).await });
            assert!(
                ended.is_ok() || std::thread::panicking(),
                "the server ends when told"
            );
        }
    }
}

#[test]
fn ready_after_the_first_snapshot_and_degraded_is_ready() {
    let server = Server::start();
    let (head, body) = server.get("/readyz");
    assert!(head.starts_with("http/1.1 503 "), "{head}");
    assert_eq!(body, "starting: nothing was sampled yet\n");
    let mut snapshot = world::host(2, 1);
    server.exporter.publish(&snapshot);
    let (head, body) = server.get("/readyz");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert_eq!(body, "ready\n");
    snapshot.gpus[1].health = Health::Lost { since: world::NOW };
    snapshot.driver.unresponsive = true;
    snapshot.store.disk_full = true;
    snapshot.notes.push("containerd does not answer".to_owned());
    server.exporter.publish(&snapshot);
    let (head, body) = server.get("/readyz");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    insta::assert_snapshot!(body, @r#"
    degraded
    - the whole driver does not answer
    - GPU 0000:1c:00.0 (GPU-00000000-0000-4000-8000-000000000001): lost since 2025-10-09T08:53:20.500Z
    - the store cannot be written: disk full
    - containerd does not answer
    "#);
    assert_eq!(server.get("/healthz").1, "ok\n");
}

#[test]
fn format_and_encoding_are_negotiated() {
    let server = Server::start();
    server.exporter.publish(&world::host(2, 2));
    let (head, body) = server.get("/metrics");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{head}"
    );
    assert!(
        head.contains(&format!("content-length: {}\r\n", body.len())),
        "{head}"
    );
    assert!(head.contains("vary: accept, accept-encoding\r\n"), "{head}");
    assert!(body.contains("\nkerf_gpu_health{"), "{body}");
    let headers = "accept: application/openmetrics-text;version=1.0.0\r\naccept-encoding: gzip\r\n";
    let (head, packed) = server.ask("GET", "/metrics", headers);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert!(head.contains("content-encoding: gzip\r\n"), "{head}");
    assert!(
        head.contains(&format!("content-length: {}\r\n", packed.len())),
        "{head}"
    );
    let mut text = String::new();
    let mut decoder = GzDecoder::new(packed.as_slice());
    decoder.read_to_string(&mut text).expect("a sound stream");
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    // Counted in the next page.
    server.exporter.publish(&world::host(2, 2));
    let (_, body) = server.get("/metrics");
    assert!(
        body.contains("kerf_scrapes_total{encoding=\"gzip\",format=\"openmetrics\"} 1\n"),
        "{body}"
    );
}

#[test]
fn a_head_request_gets_the_length_and_no_body() {
    let server = Server::start();
    server.exporter.publish(&world::host(1, 1));
    let (head, body) = server.ask("HEAD", "/metrics", "");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(
        !head.contains("content-length: 0\r\n") && head.contains("content-length: "),
        "{head}"
    );
    assert_eq!(body, b"");
}

#[test]
fn nothing_but_reading_is_possible() {
    let server = Server::start();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let (head, _) = server.ask(method, "/metrics", "content-length: 0\r\n");
        assert!(head.starts_with("http/1.1 405 "), "{method}: {head}");
        assert!(head.contains("allow: get,head\r\n"), "{head}");
    }
    let (head, _) = server.get("/metrics/../etc/passwd");
    assert!(head.starts_with("http/1.1 404 "), "{head}");
}

#[test]
fn what_a_client_can_send_is_bounded() {
    let server = Server::start();
    let long = format!("accept: {}\r\n", "a".repeat(64 * 1024));
    let (head, _) = server.ask("GET", "/metrics", &long);
    assert!(!head.starts_with("http/1.1 200 "), "{head}");
    let many: String = (0..200)
        .map(|number| format!("x-{number}: 1\r\n"))
        .collect();
    let (head, _) = server.ask("GET", "/metrics", &many);
    assert!(!head.starts_with("http/1.1 200 "), "{head}");
    let (head, _) = server.raw("\0\0\0not http\r\n\r\n");
    assert!(!head.starts_with("http/1.1 200 "), "{head}");
    assert_eq!(server.get("/healthz").1, "ok\n");
}

#[test]
fn an_idle_connection_does_not_keep_the_server_from_stopping() {
    let server = Server::start();
    let mut idle = TcpStream::connect(server.address).expect("the server");
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .expect("a request");
    let mut first = [0; 12];
    idle.read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");
    // Dropping the server waits for its end.
    drop(server);
}

#[test]
fn connections_past_the_most_wait_for_a_place() {
    let server = Server::start();
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let connect = || {
        let mut stream = TcpStream::connect(server.address).expect("the server");
        stream.write_all(request).expect("a request");
        stream
    };
    let answered = |stream: &mut TcpStream, limit| {
        stream
            .set_read_timeout(Some(limit))
            .expect("a read timeout");
        let mut first = [0; 12];
        stream.read_exact(&mut first).is_ok() && &first == b"HTTP/1.1 200"
    };
    let mut kept: Vec<TcpStream> = (0..http::CONNECTION_LIMIT).map(|_| connect()).collect();
    for stream in &mut kept {
        assert!(answered(stream, Duration::from_secs(20)));
    }
    let mut late = connect();
    assert!(!answered(&mut late, Duration::from_millis(200)));
    kept.pop();
    assert!(answered(&mut late, Duration::from_secs(20)));
}

#[test]
fn scrapes_and_publishing_go_on_at_once() {
    let server = Server::start();
    server.exporter.publish(&world::host(2, 7));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let (head, body) = server.get("/metrics");
                    assert!(head.starts_with("http/1.1 200 "), "{head}");
                    let slices = body.matches("\nkerf_slice_info{").count();
                    assert!([0, 14].contains(&slices), "a page is whole: {slices}");
                }
            });
        }
        for slices in [0, 7].into_iter().cycle().take(40) {
            server.exporter.publish(&world::host(2, slices));
        }
    });
}
