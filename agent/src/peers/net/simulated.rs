//! Sockets that are turmoil's within a simulation and the kernel's outside of one, for tests of this crate.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net as turmoil_net;

use super::kernel;

fn is_simulated() -> bool {
    turmoil::sim_elapsed().is_some()
}

/// See [`kernel::keep_unread`].
pub fn keep_unread(socket: &UdpSocket, bytes: usize) -> io::Result<()> {
    match socket {
        UdpSocket::Real(socket) => kernel::keep_unread(socket, bytes),
        UdpSocket::Simulated(_) => Ok(()),
    }
}

/// See [`kernel::connect`]. A simulated host has one address.
pub async fn connect(address: SocketAddr, local: Option<IpAddr>) -> io::Result<TcpStream> {
    if is_simulated() {
        let stream = turmoil_net::TcpStream::connect(address).await;
        return stream.map(TcpStream::Simulated);
    }
    kernel::connect(address, local).await.map(TcpStream::Real)
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

/// See [`kernel::TcpListener`].
pub enum TcpListener {
    Real(kernel::TcpListener),
    Simulated(turmoil_net::TcpListener),
}

impl TcpListener {
    pub async fn bind(at: SocketAddr) -> io::Result<Self> {
        if is_simulated() {
            let listener = turmoil_net::TcpListener::bind(at).await;
            return listener.map(Self::Simulated);
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

    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Real(stream) => stream.peer_addr(),
            Self::Simulated(stream) => stream.peer_addr(),
        }
    }

    pub async fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Real(stream) => stream.peek(buffer).await,
            Self::Simulated(stream) => stream.peek(buffer).await,
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
