//! The sender of junk: one thread, at a steady rate, all kinds in turn.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::kinds::{Chance, Kind};
use super::look::due;
use super::wire::{Heard, Pen};

/// Sockets that strangers send from: so many that what each may send is more than what all may.
const STRANGERS: usize = 64;

/// Pause between two bursts: short, so that a kernel which let the sender wait makes no more than a small one of the next.
const PAUSE: Duration = Duration::from_millis(1);

/// Most that is sent at once to catch up, so that what a busy machine left out does not come as one blow that no rate
/// describes.
const BURST: u64 = 512;

/// A running flood; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Sent>>>,
}

/// What was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    /// Datagrams that the sender's kernel took.
    pub count: u64,
    /// Those that it did not take.
    pub refused: u64,
    /// Datagrams that came back to strangers.
    pub answers: u64,
    pub time: Duration,
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

    /// Ends it.
    pub fn stop(mut self) -> Result<Sent> {
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

fn run(mut sender: Sender, per_second: u32, stop: &AtomicBool) -> Result<Sent> {
    let begun = Instant::now();
    let (mut count, mut refused) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let behind = due(per_second, begun.elapsed()).saturating_sub(count);
        for _ in 0..behind.min(BURST) {
            match sender.send()? {
                true => count += 1,
                false => refused += 1,
            }
        }
        if behind < BURST {
            std::thread::sleep(PAUSE);
        }
    }
    let time = begun.elapsed();
    Ok(Sent {
        count,
        refused,
        answers: sender.answers()?,
        time,
    })
}

#[derive(Debug)]
struct Sender {
    strangers: Vec<UdpSocket>,
    pen: Pen,
    heard: Vec<Heard>,
    chance: Chance,
    turn: usize,
    bytes: Vec<u8>,
}

impl Sender {
    fn new(to: SocketAddrV4, heard: Vec<Heard>) -> Result<Self> {
        let stranger = |_| -> Result<UdpSocket> {
            let socket = UdpSocket::bind((*to.ip(), 0))?;
            socket.connect(to)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        Ok(Self {
            strangers: (0..STRANGERS).map(stranger).collect::<Result<_>>()?,
            pen: Pen::new(to)?,
            heard,
            chance: Chance(1),
            turn: 0,
            bytes: Vec::new(),
        })
    }

    /// Sends the next; whether the kernel has taken it.
    fn send(&mut self) -> Result<bool> {
        let kind = *pick(&Kind::ALL, self.turn);
        self.turn += 1;
        let real = pick(&self.heard, self.chance.below(self.heard.len()));
        self.bytes.clear();
        self.bytes.extend(&real.bytes);
        kind.spoil(&mut self.bytes, &mut self.chance);
        let sent = if kind.is_as_member() {
            self.pen.send(real.from, &self.bytes)
        } else {
            // The first sends as much as all others, so that a limit on one is met before that on all.
            let others = self.chance.below(2) * STRANGERS;
            let stranger = pick(&self.strangers, self.chance.below(others));
            stranger.send(&self.bytes).map(drop)
        };
        match sent {
            Ok(()) => Ok(true),
            // No room, or word that an earlier one found nobody there.
            Err(error) if is_passing(&error) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("junk is not sent: {kind:?}")),
        }
    }

    /// What came back. Their sockets hold a hundred answers and more, so none is missed by being late.
    fn answers(&self) -> Result<u64> {
        let mut count = 0;
        for stranger in &self.strangers {
            loop {
                match stranger.recv(&mut [0; 1]) {
                    Ok(_) => count += 1,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if is_passing(&error) => {}
                    Err(error) => bail!("a stranger cannot hear: {error}"),
                }
            }
        }
        Ok(count)
    }
}

fn is_passing(error: &io::Error) -> bool {
    let kind = error.kind();
    let no_room = error.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32);
    kind == io::ErrorKind::WouldBlock || kind == io::ErrorKind::ConnectionRefused || no_room
}

fn pick<T>(all: &[T], at: usize) -> &T {
    &all[at % all.len()]
}
