//! The sockets of peers: the kernel's. In tests of this crate they are turmoil's where a simulation runs, so that the driver,
//! TLS, the service and every call are as they ship, over a network that comes from a seed.

mod kernel;
#[cfg(test)]
mod simulated;

#[cfg(not(test))]
pub(crate) use kernel::{TcpListener, TcpStream, UdpSocket, connect, keep_unread};
#[cfg(test)]
pub(crate) use simulated::{TcpListener, TcpStream, UdpSocket, connect, keep_unread};
