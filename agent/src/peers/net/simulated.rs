//! Sockets that are turmoil's within a simulation and the kernel's outside.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net as kernel;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tonic::transport::{Channel, Endpoint, Uri};
use turmoil::net as turmoil_net;

fn is_simulated() -> bool {
    turmoil::sim_elapsed().is_some()
}

/// See [`kernel::UdpSocket`].
#[derive(Debug)]
pub enum UdpSocket {
    Real(kernel::UdpSocket),
    Simulated(turmoil_net::UdpSocket),
}

impl UdpSocket {
    pub async fn bind(at: SocketAddr) -> io::Result<Self> {
        if is_simulated() {
            return turmoil_net::UdpSocket::bind(at).await.map(Self::Simulated);
        }
        kernel::UdpSocket::bind(at).await.map(Self::Real)
    }

    pub async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Real(socket) => socket.readable().await,
            Self::Simulated(socket) => socket.readable().await,
        }
    }

    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Real(socket) => socket.try_recv_from(buffer),
            Self::Simulated(socket) => socket.try_recv_from(buffer),
        }
    }

    pub fn try_send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        match self {
            Self::Real(socket) => socket.try_send_to(bytes, to),
            Self::Simulated(socket) => socket.try_send_to(bytes, to),
        }
    }
}

/// The kernel's socket, where there is one.
pub fn real(socket: &UdpSocket) -> Option<&kernel::UdpSocket> {
    match socket {
        UdpSocket::Real(socket) => Some(socket),
        UdpSocket::Simulated(_) => None,
    }
}

/// See [`kernel::TcpListener`].
#[derive(Debug)]
pub enum TcpListener {
    Real(kernel::TcpListener),
    Simulated(turmoil_net::TcpListener),
}

impl TcpListener {
    pub async fn bind(at: SocketAddr) -> io::Result<Self> {
        if is_simulated() {
            return turmoil_net::TcpListener::bind(at)
                .await
                .map(Self::Simulated);
        }
        kernel::TcpListener::bind(at).await.map(Self::Real)
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Real(listener) => listener.local_addr(),
            Self::Simulated(listener) => listener.local_addr(),
        }
    }

    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self {
            Self::Real(listener) => {
                let (stream, from) = listener.accept().await?;
                Ok((TcpStream::Real(stream), from))
            }
            Self::Simulated(listener) => {
                let (stream, from) = listener.accept().await?;
                Ok((TcpStream::Simulated(stream), from))
            }
        }
    }
}

/// See [`kernel::TcpStream`].
#[derive(Debug)]
pub enum TcpStream {
    Real(kernel::TcpStream),
    Simulated(turmoil_net::TcpStream),
}

impl TcpStream {
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match self {
            Self::Real(stream) => stream.set_nodelay(nodelay),
            Self::Simulated(stream) => stream.set_nodelay(nodelay),
        }
    }
}

impl Connected for TcpStream {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        let (local, remote) = match self {
            Self::Real(stream) => (stream.local_addr(), stream.peer_addr()),
            Self::Simulated(stream) => (stream.local_addr(), stream.peer_addr()),
        };
        TcpConnectInfo {
            local_addr: local.ok(),
            remote_addr: remote.ok(),
        }
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Real(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Simulated(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Real(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Simulated(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Real(stream) => Pin::new(stream).poll_flush(context),
            Self::Simulated(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Real(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Simulated(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// A connection that is made with the first call, and made again when it breaks.
pub fn lazily(endpoint: &Endpoint) -> Channel {
    if !is_simulated() {
        return endpoint.connect_lazy();
    }
    endpoint.connect_with_connector_lazy(tower::service_fn(|uri: Uri| async move {
        let at = uri.authority().map(|at| at.as_str().to_owned());
        let at: SocketAddr = at.unwrap_or_default().parse().map_err(io::Error::other)?;
        let stream = turmoil_net::TcpStream::connect(at).await?;
        Ok::<_, io::Error>(TokioIo::new(stream))
    }))
}
