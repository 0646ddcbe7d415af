//! The network: who reaches whom, how long it takes, and what gets lost.

use std::collections::BTreeSet;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use crate::world::{HostIndex, Micros};

/// How bad things are, for every pair of hosts. Chances are in parts of a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// The shortest delay.
    pub delay_min: Micros,
    /// The longest delay of a datagram that is not held up.
    pub delay_max: Micros,
    /// Chance that a datagram is lost.
    pub loss: u64,
    /// Chance that it comes twice.
    pub doubled: u64,
    /// Chance that it is held up, so that later ones overtake it.
    pub held_up: u64,
    /// How long at most.
    pub hold_max: Micros,
}

impl Weather {
    /// A local network on a good day: 0.2 to 0.8 ms, nothing lost.
    pub const FAIR: Self = Self {
        delay_min: 200,
        delay_max: 800,
        loss: 0,
        doubled: 0,
        held_up: 0,
        hold_max: 0,
    };

    /// The same network with this much loss, one datagram in fifty doubled, one in twenty held up to 50 ms.
    pub const fn rough(loss: u64) -> Self {
        Self {
            loss,
            doubled: 20,
            held_up: 50,
            hold_max: 50_000,
            ..Self::FAIR
        }
    }
}

/// The network between all hosts.
#[derive(Debug)]
pub struct Network {
    /// The weather for all.
    pub weather: Weather,
    groups: Vec<u32>,
    /// How many in a thousand of the datagrams to each host are lost on top of the weather.
    muffled: Vec<u64>,
    deaf: BTreeSet<(HostIndex, HostIndex)>,
    rng: Xoshiro256PlusPlus,
}

impl Network {
    /// A network of so many hosts.
    pub fn new(hosts: usize, weather: Weather, seed: u64) -> Self {
        Self {
            weather,
            groups: vec![0; hosts],
            muffled: vec![0; hosts],
            deaf: BTreeSet::new(),
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    /// Cuts the network: only hosts with the same number reach each other.
    pub fn split(&mut self, group_of: impl Fn(HostIndex) -> u32) {
        for (host, group) in self.groups.iter_mut().enumerate() {
            *group = group_of(host);
        }
    }

    /// Nothing from `from` reaches `to` any more; the way back stays open.
    pub fn deafen(&mut self, from: HostIndex, to: HostIndex) {
        self.deaf.insert((from, to));
    }

    /// So many in a thousand datagrams to this host are lost, whoever sends them; what it sends is not.
    pub fn muffle(&mut self, host: HostIndex, in_thousand: u64) {
        if let Some(muffled) = self.muffled.get_mut(host) {
            *muffled = in_thousand;
        }
    }

    /// Whether a host hears as well as the others.
    pub fn hears(&self, host: HostIndex) -> bool {
        self.muffled.get(host).is_none_or(|lost| *lost == 0)
    }

    /// Mends every cut. The weather stays.
    pub fn heal(&mut self) {
        self.groups.fill(0);
        self.muffled.fill(0);
        self.deaf.clear();
    }

    /// Whether `from` reaches `to` at all.
    pub fn reaches(&self, from: HostIndex, to: HostIndex) -> bool {
        self.groups.get(from) == self.groups.get(to) && !self.deaf.contains(&(from, to))
    }

    /// The delays after which copies of a datagram arrive: none, one or two.
    pub fn datagram(&mut self, from: HostIndex, to: HostIndex) -> Vec<Micros> {
        let weather = self.weather;
        if !self.reaches(from, to) || self.chance(weather.loss) {
            return Vec::new();
        }
        let muffled = self.muffled.get(to).copied().unwrap_or(0);
        if self.chance(muffled) {
            return Vec::new();
        }
        let copies = if self.chance(weather.doubled) { 2 } else { 1 };
        (0..copies).map(|_| self.delay()).collect()
    }

    /// The delay of a message in a stream, if it arrives: three ways for the handshake, then the message; each
    /// loss costs a retransmission of 200 ms.
    pub fn stream(&mut self, from: HostIndex, to: HostIndex) -> Option<Micros> {
        if !self.reaches(from, to) || !self.reaches(to, from) {
            return None;
        }
        let mut delay = 0;
        for _ in 0..4 {
            delay += self.delay();
            while self.chance(self.weather.loss.min(900)) {
                delay += 200_000;
            }
        }
        Some(delay)
    }

    fn delay(&mut self) -> Micros {
        let weather = self.weather;
        let width = weather.delay_max.saturating_sub(weather.delay_min) + 1;
        let mut delay = weather.delay_min + self.rng.next_u64() % width;
        if self.chance(weather.held_up) {
            delay += self.rng.next_u64() % (weather.hold_max + 1);
        }
        delay
    }

    fn chance(&mut self, in_thousand: u64) -> bool {
        in_thousand > 0 && self.rng.next_u64() % 1_000 < in_thousand
    }
}
