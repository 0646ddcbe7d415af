//! Connections in a cluster with identity: TLS on both ends, and who is at the other one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use kerf_types::HostId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::{client, server};
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint};

use super::connection::Connection;
use super::net::TcpStream;
use super::shared::{Shared, lock};
use crate::cluster::{AcceptError, Gate, Member, accept, is_told_revoked};
use crate::host::now;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Handshakes at one time: each costs a tenth of a millisecond, and a flood of them shall not hold up the rest.
const HANDSHAKES: usize = 64;

/// Connections on their way from a handshake to the server.
const SECURED: usize = 16;

/// The first byte of every TLS connection: the type of its first record.
const TLS: u8 = 22;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Whoever he says: connections prove nothing here.
    Anybody,
    /// The host of this certificate.
    Member(HostId),
    /// Somebody who has no certificate and may ask for one.
    Nobody,
}

/// What is known of whoever made a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// Where the connection comes from.
    pub ip: Option<IpAddr>,
    /// Who it is.
    pub who: Who,
}

/// A connection that the server takes calls from.
#[derive(Debug)]
pub(super) struct Incoming {
    stream: Stream,
    caller: Caller,
    gate: Option<Arc<Gate>>,
    /// Version of the list of revoked hosts that the caller was looked up in.
    looked: u64,
}

#[derive(Debug)]
enum Stream {
    Plain(Connection),
    Tls(Box<server::TlsStream<Connection>>),
}

/// Makes of what arrives what may be served: as it is where connections prove nothing, else by a handshake of its own,
/// so that nobody who says nothing holds up another.
pub(super) fn incoming(
    mut arriving: mpsc::Receiver<io::Result<Connection>>,
    shared: Arc<Shared>,
) -> mpsc::Receiver<io::Result<Incoming>> {
    let (sender, receiver) = mpsc::channel(SECURED);
    let turns = Arc::new(Semaphore::new(HANDSHAKES));
    tokio::spawn(async move {
        while let Some(connection) = arriving.recv().await {
            let connection = match connection {
                Ok(connection) => connection,
                Err(error) => {
                    if sender.send(Err(error)).await.is_err() {
                        return;
                    }
                    continue;
                }
            };
            let Some(member) = shared.member.get().cloned() else {
                if sender.send(Ok(Incoming::plain(connection))).await.is_err() {
                    return;
                }
                continue;
            };
            let Ok(turn) = Arc::clone(&turns).acquire_owned().await else {
                return;
            };
            let (shared, sender) = (Arc::clone(&shared), sender.clone());
            tokio::spawn(async move {
                let from = connection.remote();
                let secured = tokio::time::timeout(HANDSHAKE, secure(&shared, &member, connection));
                match secured.await {
                    // The server is gone if it is not taken, and the connection with it.
                    Ok(Some(incoming)) => drop(sender.send(Ok(incoming)).await),
                    Ok(None) => {}
                    Err(_) => tracing::debug!(from = ?from, "handshake of a peer not done in time"),
                }
                drop(turn);
            });
        }
    });
    receiver
}

async fn secure(
    shared: &Shared,
    member: &Arc<Member>,
    mut connection: Connection,
) -> Option<Incoming> {
    let ip = connection.remote();
    let first = connection.first_byte().await.ok()?;
    if first != TLS {
        refuse_plain(shared, ip);
        return None;
    }
    match accept(member, connection).await {
        Ok((stream, host)) => {
            let who = host.map_or(Who::Nobody, Who::Member);
            Some(Incoming {
                stream: Stream::Tls(Box::new(stream)),
                caller: Caller { ip, who },
                looked: member.gate().version(),
                gate: Some(Arc::clone(member.gate())),
            })
        }
        Err(error) => {
            let reason = match &error {
                AcceptError::Refused(_) => "revoked",
                _ => "tls",
            };
            shared.metrics.peer_connections_refused.inc([reason]);
            let error = crate::errors::chain(&error);
            tracing::debug!(from = ?ip, error, "connection of a peer refused");
            None
        }
    }
}

/// Somebody speaks without TLS: most often a host that was started with `--insecure-dev`.
fn refuse_plain(shared: &Shared, ip: Option<IpAddr>) {
    shared.metrics.peer_connections_refused.inc(["plain"]);
    let Some(ip) = ip else { return };
    let mut last = lock(&shared.plain_caller);
    let is_news = last.as_ref().is_none_or(|(known, _)| *known != ip);
    *last = Some((ip, now()));
    if is_news {
        tracing::warn!(
            from = %ip,
            "a peer without TLS is refused: start its kerfd without --insecure-dev and let it join by kerf cluster join"
        );
    }
}

impl Incoming {
    fn plain(connection: Connection) -> Self {
        Self {
            caller: Caller {
                ip: connection.remote(),
                who: Who::Anybody,
            },
            stream: Stream::Plain(connection),
            gate: None,
            looked: 0,
        }
    }

    /// Ends the connection of a host that was put out since it was made.
    fn look(&mut self) -> io::Result<()> {
        let (Some(gate), Who::Member(host)) = (&self.gate, self.caller.who) else {
            return Ok(());
        };
        let version = gate.version();
        if version == self.looked {
            return Ok(());
        }
        self.looked = version;
        match gate.is_revoked(host) {
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => Ok(()),
        }
    }
}

impl Connected for Incoming {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller
    }
}

impl AsyncRead for Incoming {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.look()?;
        match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.look()?;
        match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// A connection to a member, made with the first call by whatever certificate is in force then.
pub(super) fn lazily(
    member: &Arc<Member>,
    host: HostId,
    address: SocketAddr,
    local: Option<IpAddr>,
    endpoint: &Endpoint,
) -> Channel {
    let member = Arc::clone(member);
    let connector = tower::service_fn(move |_| {
        let member = Arc::clone(&member);
        async move {
            let stream = member.dial(host, address, local).await?;
            Ok::<_, io::Error>(TokioIo::new(Outgoing { stream, member }))
        }
    });
    endpoint.connect_with_connector_lazy(connector)
}

/// A connection to a member, which notes when the other end says that this host was put out.
struct Outgoing {
    stream: client::TlsStream<TcpStream>,
    member: Arc<Member>,
}

impl AsyncRead for Outgoing {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if let Poll::Ready(Err(error)) = &read
            && is_told_revoked(error)
        {
            this.member.gate().note_out();
        }
        read
    }
}

impl AsyncWrite for Outgoing {
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
