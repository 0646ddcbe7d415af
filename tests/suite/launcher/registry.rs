//! A registry with one image, as little of the protocol as a pull needs (OCI distribution-spec 1.1).

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use super::parts::{Files, Parts, digest};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The first byte of a client that wants TLS (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// Serves on a free port of the loopback until the process ends.
pub fn serve(image: &Parts) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let files = Arc::new(image.files());
    let manifest = image.manifest_bytes();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (files, manifest) = (Arc::clone(&files), manifest.clone());
            // A client that goes away in the middle is its own affair.
            std::thread::spawn(move || drop(answer(&stream, &files, &manifest)));
        }
    });
    address
}

/// Answers one request and closes the connection.
fn answer(mut stream: &TcpStream, files: &Files, manifest: &[u8]) -> std::io::Result<()> {
    let mut first = [0];
    if stream.peek(&mut first)? == 1 && first == [TLS_HANDSHAKE] {
        // The answer from which containerd sees that a registry on the loopback speaks plain HTTP.
        return stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    }
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::from(" ");
    while !line.trim().is_empty() || line == " " {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let mut words = request.split_whitespace();
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let last = path.rsplit('/').next().unwrap_or("");
    let last = last.split('?').next().unwrap_or("");
    let (kind, body) = if path.contains("/manifests/") {
        (MANIFEST, Some(manifest))
    } else {
        let blob = files.get(&format!("blobs/{}", last.replace(':', "/")));
        ("application/octet-stream", blob.map(Vec::as_slice))
    };
    let status = if body.is_some() {
        "200 OK"
    } else {
        "404 Not Found"
    };
    let body = body.unwrap_or_default();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Docker-Content-Digest: {}\r\nConnection: close\r\n\r\n",
        body.len(),
        digest(body),
    )?;
    if method == "GET" {
        stream.write_all(body)?;
    }
    stream.flush()
}
