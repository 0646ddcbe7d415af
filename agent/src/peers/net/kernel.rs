//! The kernel's sockets, as tokio has them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use tokio::net::TcpSocket;
pub(crate) use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Asks the kernel to keep so many bytes that were not read yet. Root may ask for more than others.
pub(crate) fn keep_unread(socket: &impl AsFd, bytes: usize) -> io::Result<()> {
    setsockopt(socket, RcvBufForce, &bytes)
        .or_else(|_| setsockopt(socket, RcvBuf, &bytes))
        .map_err(io::Error::from)
}

/// Connects, from this address where there is one of the same family.
pub(crate) async fn connect(address: SocketAddr, local: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(local) = local.filter(|ip| ip.is_ipv4() == address.is_ipv4()) {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
