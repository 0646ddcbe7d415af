//! The two sockets of this host, UDP and TCP on one port, so that one address is all that a peer needs.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::PeersError;
use super::net::{self, TcpListener, UdpSocket};

/// How often a port is chosen by the kernel until it is free for both.
const TRIES: usize = 16;

/// Longest datagram that is read whole: more than any of ours, so that a longer one is seen to be too long.
const READ_LIMIT: usize = 2_048;

/// Bytes that the kernel is asked to keep of what was not read yet. The default of some 200 KiB holds a hundred long
/// datagrams, two milliseconds of a flood, and probes among them would be lost. What the system does not allow is less.
const UNREAD: usize = 4 << 20;

/// Where datagrams are read into.
#[derive(Debug)]
pub(super) struct Buffer(Box<[u8; READ_LIMIT]>);

impl Buffer {
    pub fn new() -> Self {
        Self(Box::new([0; READ_LIMIT]))
    }
}

/// Binds both. With port 0 the kernel chooses one for TCP, which somebody may have for UDP.
pub(super) async fn bind(listen: SocketAddr) -> Result<(TcpListener, Wire), PeersError> {
    let mut tries = if listen.port() == 0 { TRIES } else { 1 };
    loop {
        let tcp = |source| PeersError::Tcp {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(tcp)?;
        let address = listener.local_addr().map_err(tcp)?;
        tries -= 1;
        match UdpSocket::bind(address).await {
            Ok(socket) => {
                if let Err(error) = net::keep_unread(&socket, UNREAD) {
                    tracing::debug!(%error, "no more room for gossip that was not read yet");
                }
                return Ok((listener, Wire { socket, address }));
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            Err(source) => return Err(PeersError::Udp { address, source }),
        }
    }
}

/// Where connections to peers come from, so that they see the address that they were told: what the sockets are
/// bound to, else what is told if this host has it, else whatever the kernel chooses.
pub(super) async fn source(bound: IpAddr, told: IpAddr) -> Option<IpAddr> {
    if !bound.is_unspecified() {
        return Some(bound);
    }
    let has = UdpSocket::bind(SocketAddr::new(told, 0)).await.is_ok();
    has.then_some(told)
}

/// The UDP socket. Addresses outside of it are canonical, also where the socket is IPv6 and the peer IPv4.
#[derive(Debug)]
pub(super) struct Wire {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Wire {
    /// What it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns once there may be something to receive.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// The next datagram, if there is one. What is longer than anything of ours is cut.
    pub fn receive<'a>(&self, buffer: &'a mut Buffer) -> io::Result<(SocketAddr, &'a [u8])> {
        let (count, from) = self.socket.try_recv_from(buffer.0.as_mut_slice())?;
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        Ok((from, buffer.0.get(..count).unwrap_or(buffer.0.as_slice())))
    }

    /// Sends without waiting. Gossip forgives a lost datagram and does not forgive a late one.
    pub fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let to = match (self.address, to.ip()) {
            (SocketAddr::V6(_), IpAddr::V4(ip)) => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), to.port())
            }
            _ => to,
        };
        self.socket.try_send_to(bytes, to).map(drop)
    }
}
