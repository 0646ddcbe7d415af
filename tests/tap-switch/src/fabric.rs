//! What happens to frames between ports: a state machine without a clock, whose chance is a seed.
//!
//! Each ordered pair of ports has its own conditions. A frame that is delayed waits here, and is lost if its way has been
//! cut meanwhile: a cut takes what is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use crate::port::{Number, hardware_bytes};

/// Frames under way. Beyond it the newest are lost: a flood costs at most this many times 1.5 KB.
const UNDER_WAY: usize = 32_768;

/// How bad the way from one port to another is. Chances are in parts of a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions {
    /// Nothing comes through.
    pub cut: bool,
    /// What every frame takes.
    pub delay: Duration,
    /// What it takes on top at most; frames overtake each other within it.
    pub jitter: Duration,
    /// Chance that it is lost.
    pub loss_permille: u32,
    /// Chance that it comes twice.
    pub double_permille: u32,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Frames that were delivered, copies included.
    pub passed: u64,
    /// Lost by chance, or since too many were under way.
    pub lost: u64,
    /// Lost at a cut.
    pub cut: u64,
    /// That came twice.
    pub doubled: u64,
}

/// A frame under way.
#[derive(Debug)]
struct Frame {
    from: Number,
    to: Number,
    bytes: Vec<u8>,
}

/// The state between all ports.
#[derive(Debug)]
pub struct Fabric {
    ports: Vec<Number>,
    /// Of the pairs whose conditions are not the usual ones, which are perfect.
    ways: BTreeMap<(Number, Number), Conditions>,
    /// By the time of their arrival, and in the order in which they were sent.
    under_way: BTreeMap<(Duration, u64), Frame>,
    sent: u64,
    rng: Xoshiro256PlusPlus,
    counts: Counts,
}

impl Fabric {
    /// A perfect network of these ports.
    pub fn new(ports: Vec<Number>, seed: u64) -> Self {
        Self {
            ports,
            ways: BTreeMap::new(),
            under_way: BTreeMap::new(),
            sent: 0,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            counts: Counts::default(),
        }
    }

    /// Sets the conditions from some ports to some others; `None` stands for all.
    pub fn set(&mut self, from: Option<Number>, to: Option<Number>, conditions: Conditions) {
        let means = |one: Option<Number>, port: Number| one.is_none_or(|one| one == port);
        let all: BTreeSet<Number> = self.ports.iter().copied().collect();
        for one in all.iter().filter(|port| means(from, **port)) {
            for other in all.iter().filter(|port| means(to, **port) && *port != one) {
                self.ways.insert((*one, *other), conditions);
            }
        }
    }

    /// Whether there is a port of this number.
    pub fn has(&self, port: Number) -> bool {
        self.ports.contains(&port)
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes in a frame that was sent from a port at `now`.
    pub fn take(&mut self, now: Duration, from: Number, bytes: &[u8]) {
        for to in self.receivers(from, bytes) {
            let way = self.way(from, to);
            if way.cut {
                self.counts.cut += 1;
                continue;
            }
            if self.happens(way.loss_permille) {
                self.counts.lost += 1;
                continue;
            }
            let twice = self.happens(way.double_permille);
            self.counts.doubled += u64::from(twice);
            for _ in 0..=usize::from(twice) {
                let at = now + way.delay + self.held_up(way.jitter);
                self.put(
                    at,
                    Frame {
                        from,
                        to,
                        bytes: bytes.to_vec(),
                    },
                );
            }
        }
    }

    /// The next frame that has arrived by `now`, with its port.
    pub fn arrived(&mut self, now: Duration) -> Option<(Number, Vec<u8>)> {
        while let Some(entry) = self.under_way.first_entry() {
            if entry.key().0 > now {
                return None;
            }
            let frame = entry.remove();
            if self.way(frame.from, frame.to).cut {
                self.counts.cut += 1;
                continue;
            }
            self.counts.passed += 1;
            return Some((frame.to, frame.bytes));
        }
        None
    }

    /// When the next frame arrives.
    pub fn next(&self) -> Option<Duration> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    fn put(&mut self, at: Duration, frame: Frame) {
        if self.under_way.len() >= UNDER_WAY {
            self.counts.lost += 1;
            return;
        }
        self.sent += 1;
        self.under_way.insert((at, self.sent), frame);
    }

    fn way(&self, from: Number, to: Number) -> Conditions {
        self.ways.get(&(from, to)).copied().unwrap_or_default()
    }

    /// The port whose address the frame bears; every other one where that is a group's.
    fn receivers(&self, from: Number, bytes: &[u8]) -> Vec<Number> {
        let Some(address) = bytes.first_chunk::<6>() else {
            return Vec::new();
        };
        let is_group = address.first().is_some_and(|byte| byte & 1 == 1);
        let is_meant =
            |port: &Number| *port != from && (is_group || hardware_bytes(*port) == *address);
        self.ports.iter().copied().filter(is_meant).collect()
    }

    fn happens(&mut self, permille: u32) -> bool {
        permille > 0 && self.rng.next_u64() % 1_000 < u64::from(permille)
    }

    fn held_up(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        if most == 0 {
            return Duration::ZERO;
        }
        Duration::from_micros(self.rng.next_u64() % most)
    }
}

#[cfg(test)]
mod tests;
