//! What a core is told when it is made. Times are in milliseconds; the defaults are measured, see `SPECIFICATION.md`.

use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use crate::wire::{HEADER_BYTES, MAX_DATAGRAM, VERSION};
use crate::{ClusterId, Security, Vouching};

/// Configuration of a core.
#[derive(Debug)]
pub struct Config {
    /// The fleet.
    pub cluster: ClusterId,
    /// How datagrams are protected.
    pub security: Security,
    /// How records are known to be their writers'.
    pub vouching: Vouching,
    /// How fast things go.
    pub timing: Timing,
    /// Most hosts that are kept in mind. A host beyond them is refused, so that a liar cannot fill memory.
    pub max_hosts: usize,
    /// Newest layout of datagrams that this host reads and writes. Lower than [`VERSION`] it speaks as an earlier
    /// release does.
    pub newest_version: u8,
}

impl Config {
    /// The defaults for a fleet.
    pub fn new(cluster: ClusterId, security: Security) -> Self {
        Self {
            cluster,
            security,
            vouching: Vouching::default(),
            timing: Timing::default(),
            max_hosts: 10_000,
            newest_version: VERSION,
        }
    }
}

/// How fast things go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Each host probes one other in this time, so a dead host is probed after one period on average, and after
    /// five in one death of 150 (e^-5): with 700 ms the rare late ones are still seen within 10 s.
    pub probe_period_ms: u64,
    /// How long a direct answer may take before others are asked to probe.
    pub probe_rtt_ms: u64,
    /// How many others are asked. With a fifth of all datagrams lost, one probe in forty fails with five of
    /// them and one in fourteen with three.
    pub indirect_probes: u8,
    /// How long a suspect has to say that it lives when several others got no answer from it either. Longer
    /// forgives more loss and sees a failure later.
    pub suspicion_ms: u64,
    /// How long it has while one host alone got none.
    pub lone_suspicion_ms: u64,
    /// How often an update is passed on by each host that hears it.
    pub transmissions: u8,
    /// Time between two rounds of anti-entropy.
    pub round_ms: u64,
    /// Peers that a digest goes to in each round.
    pub round_peers: usize,
    /// Time between two pushes of fresh records, while there are any.
    pub push_ms: u64,
    /// Peers that a push goes to.
    pub push_peers: usize,
    /// How often each host pushes one record.
    pub pushes: u8,
    /// How long a pull may take.
    pub pull_ms: u64,
    /// First wait before a seed is asked again; it doubles up to a minute.
    pub join_ms: u64,
    /// How long a host that is down or left stays in the view with its record.
    pub keep_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            probe_period_ms: 700,
            probe_rtt_ms: 300,
            indirect_probes: 5,
            suspicion_ms: 4_000,
            lone_suspicion_ms: 6_000,
            transmissions: 12,
            round_ms: 1_000,
            round_peers: 2,
            push_ms: 200,
            push_peers: 3,
            pushes: 2,
            pull_ms: 10_000,
            join_ms: 500,
            keep_ms: 600_000,
        }
    }
}

/// How long SWIM remembers that a life is over. It is longer than any host keeps the member in its view, so
/// that a host which forgot it never takes it for a newcomer by a late update.
const REMEMBER_DOWN: Duration = Duration::from_secs(24 * 60 * 60);

/// How many members that are down are asked whether they live, in each [`ASK_DOWN_EVERY`]: this is how a
/// split fleet finds together again.
const ASK_DOWN: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// Time between two such questions.
const ASK_DOWN_EVERY: Duration = Duration::from_secs(5);

/// Time between two of SWIM's own gossip messages while it has something to tell.
const GOSSIP_EVERY: Duration = Duration::from_millis(200);

/// Peers of each.
const GOSSIP_PEERS: NonZeroUsize = NonZeroUsize::new(3).unwrap();

/// SWIM's configuration. `overhead` is what the sealer adds.
///
/// foca may fill what a datagram leaves beside header and kind; what it writes more than the wire (both
/// identities in full) is in our favour.
pub(crate) fn swim(timing: &Timing, overhead: usize) -> foca::Config {
    let periodic = |frequency, num_members| {
        Some(foca::PeriodicParams {
            frequency,
            num_members,
        })
    };
    let room = MAX_DATAGRAM.saturating_sub(HEADER_BYTES + 1 + overhead);
    foca::Config {
        probe_period: Duration::from_millis(timing.probe_period_ms),
        probe_rtt: Duration::from_millis(timing.probe_rtt_ms),
        num_indirect_probes: at_least_one(timing.indirect_probes),
        max_transmissions: NonZeroU8::new(timing.transmissions).unwrap_or(NonZeroU8::MIN),
        suspect_to_down_after: Duration::from_millis(timing.suspicion_ms),
        remove_down_after: Some(REMEMBER_DOWN),
        max_packet_size: NonZeroUsize::new(room).unwrap_or(NonZeroUsize::MIN),
        notify_down_members: true,
        // Not needed: anti-entropy finds members that are missing, and a joining host takes them all at once.
        periodic_announce: None,
        periodic_announce_to_down_members: periodic(ASK_DOWN_EVERY, ASK_DOWN),
        periodic_gossip: periodic(GOSSIP_EVERY, GOSSIP_PEERS),
    }
}

fn at_least_one(count: u8) -> NonZeroUsize {
    NonZeroUsize::new(usize::from(count)).unwrap_or(NonZeroUsize::MIN)
}
