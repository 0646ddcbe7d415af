//! The sockets of peers: tokio's. In tests of this crate they are turmoil's instead where a simulation runs, so that the
//! driver, the service and every call are as they are, over a network that comes from a seed.

#[cfg(test)]
mod simulated;

#[cfg(test)]
pub(super) use simulated::{TcpListener, TcpStream, UdpSocket, lazily, real};
#[cfg(not(test))]
pub(super) use tokio::net::{TcpListener, TcpStream, UdpSocket};

#[cfg(not(test))]
use tonic::transport::{Channel, Endpoint};

/// A connection that is made with the first call, and made again when it breaks.
#[cfg(not(test))]
pub(super) fn lazily(endpoint: &Endpoint) -> Channel {
    endpoint.connect_lazy()
}

/// The kernel's socket, where there is one.
#[cfg(not(test))]
pub(super) fn real(socket: &UdpSocket) -> Option<&tokio::net::UdpSocket> {
    Some(socket)
}
