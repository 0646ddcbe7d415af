//! The client against a listener that answers once.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use super::{get, parse};

#[test]
fn status_and_body_are_told_apart() {
    let answer = parse("HTTP/1.1 503 busy\r\na: b\r\n\r\nline\n\r\n\r\nrest").expect("it is HTTP");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (503, "line\n\r\n\r\nrest")
    );
    assert_eq!(parse("SSH-2.0\r\n"), None);
}

#[test]
fn one_get_over_loopback() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("address");
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a client");
        let mut request = [0_u8; 512];
        let length = peer.read(&mut request).expect("a request");
        peer.write_all(b"HTTP/1.0 200 OK\r\n\r\nok\n")
            .expect("the client reads");
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let answer = get(address, "/metrics", Duration::from_secs(60)).expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    assert!(
        server
            .join()
            .expect("the server")
            .starts_with("GET /metrics HTTP/1.0\r\n")
    );
}
