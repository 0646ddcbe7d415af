//! The HTTP server on loopback, asked over plain sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use flate2::read::GzDecoder;
use kerf_telemetry::{Exporter, http};
use kerf_tests::poll;
use kerf_types::Health;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::world;

/// How long something may take that is certain to come; a machine under load is slow.
const LIMIT: Duration = Duration::from_secs(60);

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
        Self::with(http::Patience::default())
    }

    fn with(patience: http::Patience) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("loopback");
        let address = listener.local_addr().expect("an address");
        let exporter = world::exporter();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = http::router(Arc::clone(&exporter));
        let end = async move { drop(stopped.await) };
        let done = runtime.spawn(http::serve_with(listener, router, patience, end));
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
        let limit = Some(LIMIT);
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
                .block_on(async { tokio::time::timeout(LIMIT, done).await });
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

/// Whether the server closes the connection, whatever it says before.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// Asks on a connection that is kept, and says whether there was an answer.
fn asks(stream: &mut TcpStream) -> bool {
    let request = b"HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    let (mut answer, mut byte) = (Vec::new(), [0]);
    if stream.write_all(request).is_err() {
        return false;
    }
    while !answer.ends_with(b"\r\n\r\n") {
        if stream.read_exact(&mut byte).is_err() {
            return false;
        }
        answer.extend(byte);
    }
    answer.starts_with(b"HTTP/1.1 200")
}

#[test]
fn past_the_most_connections_the_longest_silent_one_goes() {
    let server = Server::start();
    let connect = || TcpStream::connect(server.address).expect("the server");
    let mut kept: Vec<TcpStream> = (0..http::CONNECTION_LIMIT).map(|_| connect()).collect();
    for stream in &mut kept {
        assert!(asks(stream));
    }
    // The first one asks again, so the second one is the longest silent.
    assert!(asks(&mut kept[0]));
    let mut late = connect();
    assert!(asks(&mut late));
    assert!(is_closed(&mut kept[1]));
    assert!(asks(&mut kept[0]) && asks(&mut kept[2]) && asks(&mut late));
}

#[test]
fn clients_that_say_nothing_keep_nobody_away() {
    let server = Server::start();
    let connect = || TcpStream::connect(server.address).expect("the server");
    let mut silent: Vec<TcpStream> = (0..http::CONNECTION_LIMIT).map(|_| connect()).collect();
    // Half a head is no request.
    for stream in &mut silent {
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\n")
            .expect("half");
    }
    for _ in 0..4 {
        assert_eq!(server.get("/healthz").1, "ok\n");
    }
    assert!(is_closed(&mut silent[0]));
}

#[test]
fn a_client_that_says_nothing_is_left_after_a_while() {
    let server = Server::with(http::Patience {
        first_head: Duration::from_millis(100),
        ..http::Patience::default()
    });
    let mut silent = TcpStream::connect(server.address).expect("the server");
    let mut half = TcpStream::connect(server.address).expect("the server");
    half.write_all(b"GET /metrics HTTP/1.1\r\n").expect("half");
    assert!(is_closed(&mut silent) && is_closed(&mut half));
}

#[test]
fn a_client_that_takes_no_answer_is_left_after_a_while() {
    let server = Server::with(http::Patience {
        answer: Duration::from_millis(300),
        ..http::Patience::default()
    });
    server.exporter.publish(&world::host(8, 7));
    let (_, page) = server.get("/metrics");
    let mut slow = TcpStream::connect(server.address).expect("the server");
    // Far more than the kernel keeps for somebody who does not read.
    let asked = 400;
    let request = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(asked);
    slow.write_all(request.as_bytes()).expect("requests");
    // Nothing is read until it has given up, which a write of the client shows: nobody takes it.
    poll::until_true("the end of the connection", LIMIT, || {
        slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            .is_err()
    })
    .expect("it is left");
    slow.set_read_timeout(Some(LIMIT)).expect("a timeout");
    let mut taken = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(count @ 1..) = slow.read(&mut buffer) {
        taken += count;
    }
    assert!(taken < asked * page.len(), "{taken} bytes of all answers");
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
