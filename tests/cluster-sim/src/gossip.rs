//! How well gossip does: traffic, how long news takes, how soon the dead are seen, and who is wronged.
//!
//! A fleet gathers on a fair network and calms down. Then for the asked time datagrams are lost and records
//! change, ten seconds later whoever has an old record is counted, and last some hosts die one after the other.

use std::collections::BTreeSet;

use kerf_membership::{Faults, NoFaults};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use crate::fleet::{Fleet, Setup};
use crate::network::Weather;
use crate::report::Percentiles;
use crate::scenario::HEADERS;
use crate::watch::Violation;
use crate::world::{HostIndex, Micros, SECOND};

/// How long a fleet may take to gather.
const PATIENCE: Micros = 120 * SECOND;

/// Time after the last update at which all have it.
const DRAIN: Micros = 10 * SECOND;

/// One host in fifty dies at the end of a run, and no more than this.
const MOST_DEATHS: usize = 20;

/// Time between two deaths.
const DEATH_EVERY: Micros = 2 * SECOND;

/// By then the last death is seen.
const SEEN_BY: Micros = 30 * SECOND;

/// What is measured.
#[derive(Debug, Clone)]
pub struct Gossip {
    /// The hosts, and where everything random comes from.
    pub setup: Setup,
    /// How long records change and traffic is counted, in seconds.
    pub seconds: u64,
    /// Records that change in a second, each a random host's.
    pub updates_per_s: u32,
    /// Datagrams that are lost, in a thousand. With loss others are doubled and held up.
    pub loss: u64,
}

/// What came out of one run or of several.
#[derive(Debug, Clone, Default)]
pub struct GossipReport {
    /// Runs that are in it.
    pub runs: u64,
    /// Bytes of datagrams that all hosts sent while traffic was counted, with IPv4 and UDP headers.
    pub datagram_bytes: u64,
    /// Bytes of pulls that went through streams, without headers.
    pub stream_bytes: u64,
    /// Host seconds in which they were sent.
    pub host_seconds: u64,
    /// The largest datagram.
    pub max_datagram: usize,
    /// For each update the time until all others had it.
    pub update_to_all: Vec<Micros>,
    /// For each death and each survivor the time until it knew.
    pub failure_seen: Vec<Micros>,
    /// Lives of hosts that were called dead, by whomever, while they were well.
    pub false_down: u64,
    /// Microseconds of virtual time in which a host ran and could have been called dead.
    pub host_time: u64,
    /// Updates that a host did not have after ten seconds, counted for each host.
    pub stale_pairs: u64,
    /// What must not have been.
    pub violations: Vec<Violation>,
}

impl GossipReport {
    /// Adds another run's.
    pub fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.datagram_bytes += other.datagram_bytes;
        self.stream_bytes += other.stream_bytes;
        self.host_seconds += other.host_seconds;
        self.max_datagram = self.max_datagram.max(other.max_datagram);
        self.update_to_all.extend(other.update_to_all);
        self.failure_seen.extend(other.failure_seen);
        self.false_down += other.false_down;
        self.host_time += other.host_time;
        self.stale_pairs += other.stale_pairs;
        self.violations.extend(other.violations);
    }

    /// Bytes that a host sent in a second, in datagrams with their headers and in streams.
    pub fn bytes_per_s_per_host(&self) -> u64 {
        (self.datagram_bytes + self.stream_bytes) / self.host_seconds.max(1)
    }

    /// How long an update took to all others.
    pub fn update(&self) -> Option<Percentiles> {
        Percentiles::of(&self.update_to_all)
    }

    /// How long a death took to each survivor.
    pub fn failure(&self) -> Option<Percentiles> {
        Percentiles::of(&self.failure_seen)
    }
}

impl Gossip {
    /// Runs it with the core as it is shipped.
    pub fn run(&self) -> GossipReport {
        self.run_with::<NoFaults>()
    }

    /// Runs it with a core that has these faults.
    pub fn run_with<F: Faults>(&self) -> GossipReport {
        let mut fleet = Fleet::<F>::new(self.setup.clone());
        let hosts = fleet.world.len();
        for host in 0..hosts {
            fleet.start(host, &[0, 1, 2]);
            fleet.run_for(SECOND / 200);
        }
        let gathered = fleet.must_converge(PATIENCE).is_some();
        fleet.run_for(20 * SECOND);
        if !gathered {
            return report(&fleet, 0);
        }
        fleet.watch.downs_are_violations = self.loss == 0;
        if self.loss > 0 {
            fleet.world.truth.network.weather = Weather::rough(self.loss);
        }
        fleet.watch.take_meter();
        fleet.watch.take_stream_bytes();
        let start = fleet.world.truth.now;
        self.change(&mut fleet);
        let (bytes, datagrams) = fleet.watch.take_meter();
        let stream_bytes = fleet.watch.take_stream_bytes();
        fleet.run_for(DRAIN);
        let stale_pairs = fleet.watch.stale_pairs(fleet.world.truth.now);
        kill_some(&mut fleet);
        let host_time = (fleet.world.truth.now - start) * hosts as u64;
        GossipReport {
            datagram_bytes: bytes + datagrams * HEADERS,
            stream_bytes,
            host_seconds: hosts as u64 * self.seconds,
            stale_pairs,
            ..report(&fleet, host_time)
        }
    }

    /// Lets records change, evenly in time, each of a random host.
    fn change<F: Faults>(&self, fleet: &mut Fleet<F>) {
        let start = fleet.world.truth.now;
        let end = start + self.seconds * SECOND;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.setup.seed ^ 0x75_7064);
        for number in 0..self.seconds * u64::from(self.updates_per_s) {
            let at = start + number * SECOND / u64::from(self.updates_per_s.max(1));
            fleet.run_for(at - fleet.world.truth.now);
            let host = rng.next_u64() % fleet.world.len() as u64;
            fleet.publish(usize::try_from(host).unwrap_or(0), true);
        }
        fleet.run_for(end - fleet.world.truth.now);
    }
}

/// Ends some hosts, one after the other, and gives the others time to see it.
fn kill_some<F: Faults>(fleet: &mut Fleet<F>) {
    let hosts = fleet.world.len();
    let deaths = hosts.div_ceil(50).min(MOST_DEATHS);
    if hosts < 3 {
        return;
    }
    let mut dead: BTreeSet<HostIndex> = BTreeSet::new();
    while dead.len() < deaths {
        if let Some(host) = fleet.any_running() {
            fleet.crash(host);
            dead.insert(host);
        }
        fleet.run_for(DEATH_EVERY);
    }
    fleet.run_for(SEEN_BY);
    let wanted = (hosts - deaths) * deaths;
    let seen = fleet.watch.deaths_seen.len();
    if seen < wanted {
        let what = format!("{seen} sightings of {deaths} deaths, {wanted} expected");
        fleet.watch.violate(fleet.world.truth.now, what);
    }
}

fn report<F: Faults>(fleet: &Fleet<F>, host_time: u64) -> GossipReport {
    let watch = &fleet.watch;
    GossipReport {
        runs: 1,
        max_datagram: watch.largest,
        update_to_all: watch.at_all.clone(),
        failure_seen: watch.deaths_seen.clone(),
        false_down: watch.falsely_down.len() as u64,
        host_time,
        violations: watch.violations().to_vec(),
        ..GossipReport::default()
    }
}
