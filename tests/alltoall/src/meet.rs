//! How the members learn each other's ports: all of them come to rank 0, which tells each those of all.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::Instant;

use super::PATIENCE;
use super::place::Place;

/// Pause between two tries to reach who may not listen yet.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(50);

/// Listens at an address of this host, at whatever port is free.
pub fn listen(address: &str) -> Result<TcpListener, String> {
    TcpListener::bind((address, 0)).map_err(|error| format!("cannot listen at {address}: {error}"))
}

/// The port of a listener.
pub fn port_of(listener: &TcpListener) -> Result<u16, String> {
    let address = listener.local_addr();
    let address = address.map_err(|error| format!("a listener has no address: {error}"))?;
    Ok(address.port())
}

/// The ports of all members by rank, of which `own` is this one's.
pub fn ports_of_all(place: &Place, own: u16) -> Result<Vec<u16>, String> {
    let (address, port) = &place.master;
    let count = place.members.len();
    if place.rank == 0 {
        let listener = TcpListener::bind((address.as_str(), *port))
            .map_err(|error| format!("cannot listen at {address}:{port}: {error}"))?;
        return gather(&listener, count, own);
    }
    let mut master = connect(address, *port)?;
    send(&mut master, &number(place.rank)?.to_be_bytes())?;
    send(&mut master, &own.to_be_bytes())?;
    (0..count).map(|_| read_port(&mut master)).collect()
}

/// Hears of every other rank once, then tells all of them.
fn gather(listener: &TcpListener, count: usize, own: u16) -> Result<Vec<u16>, String> {
    let mut ports = vec![0; count];
    let mut callers = Vec::new();
    ports[0] = own;
    while callers.len() + 1 < count {
        let mut caller = accept(listener)?;
        let rank = read_rank(&mut caller)?;
        let port = read_port(&mut caller)?;
        match ports.get_mut(rank) {
            Some(known) if *known == 0 => *known = port,
            _ => return Err(format!("rank {rank} came twice, or is none of {count}")),
        }
        callers.push(caller);
    }
    let bytes: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
    for caller in &mut callers {
        send(caller, &bytes)?;
    }
    Ok(ports)
}

/// Connects to who may not listen yet.
pub fn connect(address: &str, port: u16) -> Result<TcpStream, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        match try_connect(address, port) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() >= until => {
                return Err(format!("cannot reach {address}:{port}: {error}"));
            }
            Err(_) => std::thread::sleep(AGAIN),
        }
    }
}

fn try_connect(address: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut found = (address, port).to_socket_addrs()?;
    let none = || std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    let at: SocketAddr = found.next().ok_or_else(none)?;
    bounded(TcpStream::connect_timeout(&at, PATIENCE)?)
}

/// The next caller.
pub fn accept(listener: &TcpListener) -> Result<TcpStream, String> {
    let wrong = |error| format!("nobody came: {error}");
    // A listener has no time limit of its own; one that nobody comes to is polled.
    listener.set_nonblocking(true).map_err(wrong)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).map_err(wrong)?;
                return bounded(stream).map_err(wrong);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if Instant::now() >= until {
                    return Err(format!("nobody came in {} s", PATIENCE.as_secs()));
                }
                std::thread::sleep(AGAIN);
            }
            Err(error) => return Err(wrong(error)),
        }
    }
}

fn bounded(stream: TcpStream) -> std::io::Result<TcpStream> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A rank as it is sent.
pub fn number(rank: usize) -> Result<u32, String> {
    u32::try_from(rank).map_err(|_| format!("rank {rank} is too large"))
}

/// Sends all of it.
pub fn send(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), String> {
    let sent = stream.write_all(bytes);
    sent.map_err(|error| format!("a member does not read: {error}"))
}

/// Reads all of it.
pub fn receive(stream: &mut TcpStream, bytes: &mut [u8]) -> Result<(), String> {
    let read = stream.read_exact(bytes);
    read.map_err(|error| format!("a member does not send: {error}"))
}

/// Reads a rank.
pub fn read_rank(stream: &mut TcpStream) -> Result<usize, String> {
    let mut bytes = [0; 4];
    receive(stream, &mut bytes)?;
    usize::try_from(u32::from_be_bytes(bytes)).map_err(|error| error.to_string())
}

fn read_port(stream: &mut TcpStream) -> Result<u16, String> {
    let mut bytes = [0; 2];
    receive(stream, &mut bytes)?;
    Ok(u16::from_be_bytes(bytes))
}
