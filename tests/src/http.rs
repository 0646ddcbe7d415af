//! One HTTP GET over a plain socket, for what kerfd serves on loopback.
//!
//! Written by hand since a client library would have to be built before `cargo xtask setup` runs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// A status code and a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// For example 200.
    pub status: u16,
    /// Everything after the empty line.
    pub body: String,
}

/// Gets `path` from `address`, with `limit` for each of connecting, sending and every read.
///
/// It speaks HTTP/1.0, so that the server closes the connection after the body and uses no chunks.
///
/// # Errors
/// When nobody answers in time or the answer is no HTTP.
pub fn get(address: SocketAddr, path: &str, limit: Duration) -> Result<Answer> {
    get_as(address, path, "*/*", limit)
}

/// [`get`] for a client that takes only some media types.
///
/// # Errors
/// As [`get`].
pub fn get_as(address: SocketAddr, path: &str, accept: &str, limit: Duration) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, limit)
        .with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    // In one piece: a server that reads once sees all of it.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {accept}\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .with_context(|| format!("cannot ask {address} for {path}"))?;
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .with_context(|| format!("{address} did not finish its answer to {path}"))?;
    parse(&text).with_context(|| format!("{address} answered {path} with something else than HTTP"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head
        .lines()
        .next()?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()?;
    Some(Answer {
        status,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests;
