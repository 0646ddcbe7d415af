//! Datagrams as the kernel of a host sees them: read by whoever is root, and written in anybody's name.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// Real datagrams that are kept. A flood of their copies is one of replays.
const SAMPLES: usize = 64;

/// Of how many senders they must be at least: with one, nobody else's name could be borrowed.
const SENDERS: usize = 2;

/// Longest datagram that is looked at.
const LONGEST: usize = 2_048;

/// Bytes of the headers of IPv4, without options, and UDP.
const HEADERS: usize = 28;

/// A datagram that was heard.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub from: SocketAddrV4,
    pub bytes: Vec<u8>,
}

/// Waits until some datagrams have come for this address, from several senders.
pub(super) fn listen(to: SocketAddr, limit: Duration) -> Result<Vec<Heard>> {
    let ear = raw_socket(SockProtocol::Udp)?;
    ear.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut heard: Vec<Heard> = Vec::new();
    let begun = Instant::now();
    let mut buffer = [0; LONGEST];
    let is_enough = |heard: &[Heard]| {
        let senders = heard.iter().map(|one| one.from);
        let senders: std::collections::BTreeSet<_> = senders.collect();
        heard.len() >= SAMPLES && senders.len() >= SENDERS
    };
    while !is_enough(&heard) {
        ensure!(
            begun.elapsed() < limit,
            "only {} datagrams came",
            heard.len()
        );
        let count = match ear.recv(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => bail!("cannot hear: {error}"),
        };
        heard.extend(buffer.get(..count).and_then(|packet| read(packet, to)));
    }
    Ok(heard)
}

/// A socket for whole IP packets. The library's own type does for it: what it calls is the same for both.
fn raw_socket(protocol: SockProtocol) -> Result<UdpSocket> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let made = socket(AddressFamily::Inet, SockType::Raw, flags, protocol);
    let made = made.context("only root hears and writes packets of others")?;
    Ok(UdpSocket::from(made))
}

/// A packet, if it is a datagram to this address.
fn read(packet: &[u8], to: SocketAddr) -> Option<Heard> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let from: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let udp = packet.get(header..)?;
    let port = |at: usize| Some(u16::from_be_bytes(udp.get(at..at + 2)?.try_into().ok()?));
    (port(2)? == to.port()).then_some(())?;
    Some(Heard {
        from: SocketAddrV4::new(Ipv4Addr::from(from), port(0)?),
        bytes: udp.get(8..)?.to_vec(),
    })
}

/// Writes datagrams that bear any source address.
#[derive(Debug)]
pub(super) struct Pen {
    socket: UdpSocket,
    to: SocketAddrV4,
    packet: Vec<u8>,
}

impl Pen {
    pub fn new(to: SocketAddrV4) -> Result<Self> {
        Ok(Self {
            socket: raw_socket(SockProtocol::Raw)?,
            to,
            packet: Vec::with_capacity(LONGEST),
        })
    }

    /// The kernel adds what is zero here: the length and the sum of the IP header. UDP may go without a sum.
    pub fn send(&mut self, from: SocketAddrV4, bytes: &[u8]) -> io::Result<()> {
        let length = u16::try_from(bytes.len() + 8).map_err(io::Error::other)?;
        self.packet.clear();
        self.packet
            .extend([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0]);
        self.packet.extend(from.ip().octets());
        self.packet.extend(self.to.ip().octets());
        self.packet.extend(from.port().to_be_bytes());
        self.packet.extend(self.to.port().to_be_bytes());
        self.packet.extend(length.to_be_bytes());
        self.packet.extend([0, 0]);
        debug_assert_eq!(self.packet.len(), HEADERS);
        self.packet.extend(bytes);
        self.socket.send_to(&self.packet, self.to).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::read;

    #[test]
    fn only_datagrams_to_the_address_are_heard() {
        let mut packet = vec![0x45; 20];
        packet.splice(12..16, [10, 0, 0, 7]);
        packet.extend(5_000_u16.to_be_bytes());
        packet.extend(9_451_u16.to_be_bytes());
        packet.extend([0, 11, 0, 0, 1, 2, 3]);
        let heard = read(&packet, SocketAddr::from(([10, 0, 0, 1], 9_451))).expect("one");
        assert_eq!(heard.from.to_string(), "10.0.0.7:5000");
        assert_eq!(heard.bytes, [1, 2, 3]);
        assert!(read(&packet, SocketAddr::from(([10, 0, 0, 1], 9_452))).is_none());
        assert!(read(&packet[..21], SocketAddr::from(([10, 0, 0, 1], 9_451))).is_none());
    }
}
