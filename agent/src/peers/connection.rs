//! A connection of a peer on its way in: counted, ended when nothing comes, ended when this host ends.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::net::{TcpListener, TcpStream};
use super::quota::{Held, Quota};

/// How long nothing may come. A peer that lives answers pings more often; one that never spoke HTTP/2 does not.
const SILENCE: Duration = Duration::from_secs(30);

/// Connections of one IP address, and of all. A peer needs one for messages, one for a pull and one for all
/// logs that it follows.
pub(super) const FROM_ONE: usize = 64;
/// See [`FROM_ONE`].
const FROM_ALL: usize = 4_096;

/// Connections on their way to the server.
const ARRIVING: usize = 16;

/// Pause after the kernel could not hand out a connection: it has no file or no memory for one.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until `stop`.
pub(super) fn accept(
    listener: TcpListener,
    stop: CancellationToken,
) -> mpsc::Receiver<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(ARRIVING);
    let quota = Quota::new(FROM_ONE, FROM_ALL);
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, from)) => {
                    let Some(held) = quota.take(from.ip().to_canonical()) else {
                        tracing::debug!(from = %from, "connection refused: too many are open");
                        continue;
                    };
                    let connection = Connection::new(stream, held, &stop);
                    if sender.send(connection).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "connection of a peer not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    });
    receiver
}

/// A TCP connection within its bounds.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    _held: Held<IpAddr>,
}

impl Connection {
    fn new(stream: TcpStream, held: Held<IpAddr>, stop: &CancellationToken) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            silence: Box::pin(tokio::time::sleep(SILENCE)),
            stopped: Box::pin(stop.clone().cancelled_owned()),
            _held: held,
        })
    }
}

impl Connection {
    /// Where it comes from.
    pub fn remote(&self) -> Option<IpAddr> {
        let at = self.stream.peer_addr().ok()?;
        Some(at.ip().to_canonical())
    }

    /// Its first byte, which stays there to be read.
    pub async fn first_byte(&mut self) -> io::Result<u8> {
        let mut first = [0];
        match self.stream.peek(&mut first).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(first[0]),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let outcome = Pin::new(&mut this.stream).poll_read(context, buffer);
        if outcome.is_ready() {
            this.silence.as_mut().reset(Instant::now() + SILENCE);
        } else if this.silence.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        outcome
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
