//! What a run is made of: each scenario's hosts, times, network, work and faults.

use std::time::Duration;

use kerf_scheduler::Settings;

use super::mutations::Mutation;
use crate::fleet::Sealing;
use crate::network::Weather;
use crate::world::{Micros, SECOND};

/// What is done to the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// Everything at once and densely, over a minute: short times of the protocol, and in most
    /// seeds a stand-in for the membership.
    Safety,
    /// Hosts come and go for two minutes, with the usual times and the real membership, sealed and signed.
    Churn,
    /// Cuts of the network, one way and both, with the same.
    Partition,
    /// Gangs of up to 64 members while 5 % of the hosts die in an hour and 5 % of all messages are lost.
    Gang,
}

impl Scenario {
    /// All.
    pub const ALL: [Self; 4] = [Self::Safety, Self::Churn, Self::Partition, Self::Gang];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Churn => "churn",
            Self::Partition => "partition",
            Self::Gang => "gang",
        }
    }
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// Number of hosts.
    pub hosts: usize,
    /// Everything random comes from it.
    pub seed: u64,
    /// What is done.
    pub scenario: Scenario,
    /// What is broken on purpose.
    pub mutation: Option<&'static Mutation>,
    /// Whether a line is kept of each event.
    pub trace: bool,
}

impl Setup {
    /// A run with nothing broken.
    pub fn new(hosts: usize, seed: u64, scenario: Scenario) -> Self {
        Self {
            hosts,
            seed,
            scenario,
            mutation: None,
            trace: false,
        }
    }
}

/// A scenario in numbers.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Times of the protocol.
    pub settings: Settings,
    /// GPUs of each host.
    pub gpus: u8,
    /// Whether three hosts keep each job, where as many are seen.
    pub keeps: bool,
    /// No fault begins before.
    pub faults_from: Micros,
    /// Everything is well from here on.
    pub heal: Micros,
    /// The run ends.
    pub end: Micros,
    /// The real membership, protected by this; `None` for a simulated one.
    pub membership: Option<Sealing>,
    /// The network until `heal`.
    pub weather: Weather,
    /// The network after.
    pub fair: Weather,
    /// Jobs for each host.
    pub jobs_per_host: u64,
    /// Whether all of them are gangs of much of the fleet, which meet all the time and take turns.
    pub crowded: bool,
    /// Faults for each host, on average, in thousandths.
    pub faults_per_host: u64,
    /// How long a job may be stuck once all is well.
    pub patience: Micros,
    /// How long a promise of devices may last once all is well and its attempt no longer gathers any.
    pub promise: Micros,
}

/// The protocol at about a quarter of its usual times, so that a minute holds what else takes five.
fn quick() -> Settings {
    let s = Duration::from_secs;
    Settings {
        ttl: s(3),
        stop_after: s(6),
        stop_margin: s(3),
        reserve_wait: s(3),
        stale_after: s(15),
        backoff_most: s(2),
        authority: s(2),
        lead_every: Duration::from_millis(500),
        take_over_after: s(2),
        exchange_after: s(10),
        ordered_age: s(24),
        ordered_wait: s(12),
        hold_most: s(6),
        hold_rest: s(24),
        ..Settings::default()
    }
}

/// One safety seed in so many has the real membership: with it in all, they would cost more than they may.
const REAL_EVERY: u64 = 16;

/// In every other block of so many safety seeds three hosts keep each job; in the others the host that took it in does,
/// as in a fleet of two.
const KEPT_BLOCK: u64 = 16;

/// One safety seed in so many is crowded: in the others jobs hardly ever wait for each other in line. The two do not meet
/// in one seed.
const CROWDED_EVERY: u64 = 8;

impl Shape {
    /// The numbers of a run.
    pub fn of(setup: &Setup) -> Self {
        let usual = Self {
            settings: Settings::default(),
            gpus: 2,
            keeps: true,
            faults_from: 8 * SECOND,
            heal: 128 * SECOND,
            end: 260 * SECOND,
            membership: Some(Sealing::Real),
            weather: Weather::rough(50),
            fair: Weather::FAIR,
            jobs_per_host: 6,
            crowded: false,
            faults_per_host: 2_500,
            patience: 75 * SECOND,
            promise: 45 * SECOND,
        };
        let keeps = setup.seed / KEPT_BLOCK % 2 == 1;
        match setup.scenario {
            Scenario::Safety => Self {
                settings: quick(),
                keeps,
                faults_from: SECOND,
                heal: 32 * SECOND,
                // A job whose coordinator is gone for good is taken over before it is placed again.
                end: if keeps { 75 } else { 60 } * SECOND,
                membership: (setup.seed % REAL_EVERY == REAL_EVERY - 1).then_some(Sealing::Real),
                weather: Weather {
                    delay_max: 20_000,
                    loss: 50,
                    doubled: 80,
                    held_up: 40,
                    hold_max: 12 * SECOND,
                    ..Weather::FAIR
                },
                jobs_per_host: 3,
                crowded: setup.seed % CROWDED_EVERY == 5,
                faults_per_host: 2_000,
                patience: if keeps { 32 } else { 20 } * SECOND,
                promise: 14 * SECOND,
                ..usual
            },
            Scenario::Churn => usual,
            Scenario::Partition => Self {
                faults_per_host: 1_500,
                ..usual
            },
            Scenario::Gang => Self {
                faults_from: 30 * SECOND,
                heal: 630 * SECOND,
                end: 700 * SECOND,
                membership: Some(Sealing::Keyed),
                fair: Weather::rough(50),
                jobs_per_host: 0,
                faults_per_host: 0,
                ..usual
            },
        }
    }
}
