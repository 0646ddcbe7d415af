//! Each sends each other one a block of its own, and every byte that comes is checked.

use std::net::{TcpListener, TcpStream};

use super::meet;
use super::place::Place;

/// Bytes from one member to another: more than the buffers of a connection hold, so that both have to read while they
/// write.
const BLOCK: usize = 8 << 20;

/// Exchanges blocks with all others, `own` being where those of higher rank come to. Returns the bytes that came from
/// each.
pub fn with_all(place: &Place, own: &TcpListener, ports: &[u16]) -> Result<usize, String> {
    let mut links = Vec::new();
    for (rank, (address, port)) in place.members.iter().zip(ports).enumerate() {
        if rank < place.rank {
            let mut stream = meet::connect(address, *port)?;
            meet::send(&mut stream, &meet::number(place.rank)?.to_be_bytes())?;
            links.push((rank, stream));
        }
    }
    for _ in place.rank + 1..place.members.len() {
        let mut stream = meet::accept(own)?;
        let rank = meet::read_rank(&mut stream)?;
        let known = links.iter().any(|(one, _)| *one == rank);
        if rank <= place.rank || rank >= place.members.len() || known {
            return Err(format!("rank {rank} came, which is not awaited"));
        }
        links.push((rank, stream));
    }
    let rank = place.rank;
    // All at once, each in both directions.
    std::thread::scope(|scope| {
        let exchanges: Vec<_> = links
            .into_iter()
            .map(|(other, stream)| scope.spawn(move || with_one(rank, other, stream)))
            .collect();
        for exchange in exchanges {
            let ended = exchange.join();
            ended.map_err(|_| "an exchange panicked".to_owned())??;
        }
        Ok(BLOCK)
    })
}

fn with_one(rank: usize, other: usize, mut stream: TcpStream) -> Result<(), String> {
    let mut back = stream
        .try_clone()
        .map_err(|error| format!("no second handle: {error}"))?;
    std::thread::scope(|scope| {
        let sent = scope.spawn(move || meet::send(&mut back, &block(rank, other)));
        let mut found = vec![0; BLOCK];
        meet::receive(&mut stream, &mut found).map_err(|error| format!("rank {other}: {error}"))?;
        check(other, rank, &found)?;
        sent.join()
            .map_err(|_| "a sender panicked".to_owned())?
            .map_err(|error| format!("rank {other}: {error}"))
    })
}

/// What one rank sends to another: no two pairs have the same bytes, nor has one block a period that would hide a piece
/// which comes twice.
fn block(from: usize, to: usize) -> Vec<u8> {
    (0..BLOCK).map(|at| byte(from, to, at)).collect()
}

fn byte(from: usize, to: usize, at: usize) -> u8 {
    let mixed = at
        .wrapping_mul(2_654_435_761)
        .wrapping_add(from.wrapping_mul(40_503))
        .wrapping_add(to.wrapping_mul(97));
    let [low, high, ..] = (mixed ^ (mixed >> 15)).to_le_bytes();
    low ^ high
}

fn check(from: usize, to: usize, found: &[u8]) -> Result<(), String> {
    let wrong = (0_usize..)
        .zip(found)
        .find(|(at, found)| **found != byte(from, to, *at));
    match wrong {
        None => Ok(()),
        Some((at, found)) => Err(format!(
            "byte {at} from rank {from} is {found}, not {}",
            byte(from, to, at)
        )),
    }
}

#[cfg(test)]
mod tests;
