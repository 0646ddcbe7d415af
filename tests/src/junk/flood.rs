//! The sender of junk: one thread, at a steady rate, all kinds in turn.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use super::look::due;
use super::wire::{Heard, Pen};

/// Sockets that strangers send from.
const STRANGERS: usize = 16;

/// Pause between two bursts: a kernel that was busy for so long makes no more than a small one of the next.
const PAUSE: Duration = Duration::from_millis(1);

/// Most that is sent at once to catch up, so that what a busy machine left out does not come as one blow that no rate
/// describes.
const BURST: u64 = 512;

/// Where the sender stands in a datagram, after mark, versions and fleet.
const SENDER: std::ops::Range<usize> = 20..36;
/// Where the counter of the seal stands, after the header and the id of the key; the sealed text follows.
const COUNTER: usize = 52;

/// A kind of junk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing of it is real.
    Noise,
    /// A real one that ends early.
    Piece,
    /// A real header and key, and a text that was never sealed, from a stranger's address.
    Forged,
    /// A real one again, from a stranger's address.
    Replayed,
    /// The last two, from the address of the member that had sent the real one.
    ForgedAsMember,
    ReplayedAsMember,
    /// From a member's address, in the name of a host that there never was: what costs most to refuse.
    Invented,
}

const KINDS: [Kind; 7] = [
    Kind::Noise,
    Kind::Piece,
    Kind::Forged,
    Kind::Replayed,
    Kind::ForgedAsMember,
    Kind::ReplayedAsMember,
    Kind::Invented,
];

/// A running flood; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(u64, Duration)>>>,
}

impl Flood {
    pub fn start(to: SocketAddr, heard: Vec<Heard>, per_second: u32) -> Result<Self> {
        let SocketAddr::V4(to) = to else {
            bail!("{to} is not IPv4");
        };
        let sender = Sender::new(to, heard)?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("junk".to_owned())
            .spawn(move || run(sender, per_second, &seen))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Ends it; how many were sent, in which time.
    pub fn stop(mut self) -> Result<(u64, Duration)> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take();
        let done = thread.map(JoinHandle::join);
        done.and_then(Result::ok)
            .unwrap_or_else(|| Err(anyhow!("the sender of junk has panicked")))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn run(mut sender: Sender, per_second: u32, stop: &AtomicBool) -> Result<(u64, Duration)> {
    let begun = Instant::now();
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        let behind = due(per_second, begun.elapsed()).saturating_sub(sent);
        for _ in 0..behind.min(BURST) {
            sender.send()?;
            sent += 1;
        }
        if behind < BURST {
            std::thread::sleep(PAUSE);
        }
    }
    Ok((sent, begun.elapsed()))
}

#[derive(Debug)]
struct Sender {
    strangers: Vec<UdpSocket>,
    pen: Pen,
    heard: Vec<Heard>,
    chance: Chance,
    count: usize,
    bytes: Vec<u8>,
}

impl Sender {
    fn new(to: SocketAddrV4, heard: Vec<Heard>) -> Result<Self> {
        let stranger = |_| -> Result<UdpSocket> {
            let socket = UdpSocket::bind((*to.ip(), 0))?;
            socket.connect(to)?;
            Ok(socket)
        };
        Ok(Self {
            strangers: (0..STRANGERS).map(stranger).collect::<Result<_>>()?,
            pen: Pen::new(to)?,
            heard,
            chance: Chance(1),
            count: 0,
            bytes: Vec::new(),
        })
    }

    fn send(&mut self) -> Result<()> {
        let kind = *pick(&KINDS, self.count);
        self.count += 1;
        let real = pick(&self.heard, self.chance.below(self.heard.len()));
        self.bytes.clear();
        self.bytes.extend(&real.bytes);
        spoil(kind, &mut self.bytes, &mut self.chance);
        let sent = match kind {
            Kind::Noise | Kind::Piece | Kind::Forged | Kind::Replayed => {
                let stranger = pick(&self.strangers, self.chance.below(STRANGERS));
                stranger.send(&self.bytes).map(drop)
            }
            Kind::ForgedAsMember | Kind::ReplayedAsMember | Kind::Invented => {
                self.pen.send(real.from, &self.bytes)
            }
        };
        match sent {
            // Its kernel has no room, or says that an earlier one found nobody there: it is junk.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Makes a real datagram one of this kind.
fn spoil(kind: Kind, bytes: &mut Vec<u8>, chance: &mut Chance) {
    match kind {
        Kind::Noise => {
            let length = 1 + chance.below(1_400);
            bytes.resize(length, 0);
            chance.fill(bytes);
        }
        Kind::Piece => bytes.truncate(chance.below(bytes.len())),
        Kind::Forged | Kind::ForgedAsMember => {
            chance.fill(bytes.get_mut(COUNTER..).unwrap_or(&mut []))
        }
        Kind::Replayed | Kind::ReplayedAsMember => {}
        Kind::Invented => {
            // A life that nobody has heard of, so no counter of it was seen, and only opening it shows what it is.
            chance.fill(bytes.get_mut(SENDER).unwrap_or(&mut []));
        }
    }
}

fn pick<T>(all: &[T], at: usize) -> &T {
    &all[at % all.len()]
}

/// Numbers that look like chance and are the same each time (splitmix64).
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`; 0 where that is 0.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.next().to_le_bytes();
            for (byte, random) in chunk.iter_mut().zip(number) {
                *byte = random;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{COUNTER, Chance, KINDS, Kind, SENDER, spoil};

    #[test]
    fn each_kind_is_what_it_is_called() {
        let real: Vec<u8> = (0..200).map(|byte| byte as u8).collect();
        let mut chance = Chance(5);
        for kind in KINDS {
            let mut bytes = real.clone();
            spoil(kind, &mut bytes, &mut chance);
            let header = bytes.get(..COUNTER) == real.get(..COUNTER);
            let body = bytes.get(COUNTER..) == real.get(COUNTER..);
            let as_expected = match kind {
                Kind::Noise => !header && !body,
                Kind::Piece => bytes.len() < real.len() && real.starts_with(&bytes),
                Kind::Forged | Kind::ForgedAsMember => header && !body,
                Kind::Replayed | Kind::ReplayedAsMember => bytes == real,
                Kind::Invented => bytes[SENDER] != real[SENDER] && body,
            };
            assert!(as_expected, "{kind:?}: {bytes:?}");
        }
    }
}
