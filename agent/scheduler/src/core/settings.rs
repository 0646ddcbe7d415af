//! The times of the protocol. They are the same on every host of a fleet, except where it is said.

use std::time::Duration;

use kerf_types::PortRange;

/// The times of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long an owner holds what nobody asks about any more. Shorter, and a slow decision loses its
    /// reservations; longer, and devices lie idle after a submitting host has died.
    pub ttl: Duration,
    /// How long a member runs under `on_partition: stop` without a word of the submitting host.
    pub stop_after: Duration,
    /// What the submitting host waits beyond that before it believes that the member has stopped: it covers
    /// clocks of different rate and the time that a kill takes. The job's own grace comes on top.
    pub stop_margin: Duration,
    /// Whether a member is taken for gone by time alone under `on_partition: stop`. Only where each host ends
    /// containers by itself when their guard passes, also while its kerfd is dead; without that such a job
    /// is reported lost, and is started again only when the host has spoken.
    pub close_by_time: bool,
    /// Whether this host never has peers: then what it refuses for good is refused for good.
    pub alone: bool,
    /// Ports at which first members of jobs that are submitted here are met.
    pub master_ports: PortRange,
    /// The epoch of this host's store, which is another one whenever it was lost. 0 where it has none: then no job is
    /// kept by several hosts, since nobody could tell what this one has forgotten.
    pub store_epoch: u64,
    /// How long a coordinator may speak for a job after a majority of its keepers was last asked and has said that it
    /// still is the one. A successor waits as long before it believes that the one before it is silent.
    pub authority: Duration,
    /// Time between two such askings.
    pub lead_every: Duration,
    /// How long a coordinator that membership does not see, and that says nothing, is waited for before a keeper takes
    /// over; three times as long where membership sees it.
    pub take_over_after: Duration,
    /// How long a keeper may be away before another host is taken for it.
    pub exchange_after: Duration,
    /// How long owners may take to reserve; a slice is cut meanwhile.
    pub reserve_wait: Duration,
    /// Time between two sendings of a question that has no answer.
    pub resend: Duration,
    /// Attempts in a row that owners may refuse before a job asks one host after the other and waits at each for its
    /// turn. Fewer, and chance meetings that a short pause would settle cost that; more, and the oldest waits longer.
    pub ordered_after: u32,
    /// Refusals after which a job that finds no room waits in line for what others have: it was there first once.
    pub lined_after: u32,
    /// A job that has found no room for so long asks in order too, however seldom it was refused: while it only looks on,
    /// what becomes free goes to whoever hears of it first.
    pub ordered_age: Duration,
    /// How long an attempt may ask and wait so. Its devices lie idle meanwhile.
    pub ordered_wait: Duration,
    /// How long one member may wait at an owner, and keep younger jobs from what it waits for. A submitting host that died
    /// while it waited is seen to be silent sooner, after its time to live. Not shorter than [`Settings::ordered_wait`], and
    /// attempts end before an owner can tell that they wait in vain.
    pub hold_most: Duration,
    /// How long an owner keeps nothing idle after somebody has waited for as long as may be in vain: what runs there runs for
    /// longer than waiting helps. So at most a fifth of the time is lost to waits at a host that does not get free.
    pub hold_rest: Duration,
    /// How long the release of an attempt that never started is waited for.
    pub release_wait: Duration,
    /// Records that are older are not placed upon.
    pub stale_after: Duration,
    /// First wait after a refusal; it doubles with each.
    pub backoff_first: Duration,
    /// Longest wait before a job that finds no host is tried again, also when nothing has changed.
    pub backoff_most: Duration,
}

impl Settings {
    /// The usual [`Settings::stop_margin`].
    pub const STOP_MARGIN: Duration = Duration::from_secs(5);
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(10),
            stop_after: Duration::from_secs(30),
            stop_margin: Self::STOP_MARGIN,
            close_by_time: true,
            alone: false,
            master_ports: PortRange::USUAL,
            store_epoch: 0,
            authority: Duration::from_secs(10),
            lead_every: Duration::from_secs(2),
            take_over_after: Duration::from_secs(10),
            exchange_after: Duration::from_secs(60),
            reserve_wait: Duration::from_secs(8),
            resend: Duration::from_millis(500),
            ordered_after: 3,
            lined_after: 1,
            ordered_age: Duration::from_secs(120),
            ordered_wait: Duration::from_secs(60),
            hold_most: Duration::from_secs(30),
            hold_rest: Duration::from_secs(120),
            release_wait: Duration::from_secs(1),
            stale_after: Duration::from_secs(60),
            backoff_first: Duration::from_millis(100),
            backoff_most: Duration::from_secs(5),
        }
    }
}

/// What a local lease outlives the promise that it stands for: the promise is ended by the core, which knows
/// more; the lease's own end is for a kerfd that died in between.
pub const LOCAL_SLACK: Duration = Duration::from_secs(5);

/// How often an owner says that it is there within the time for which that counts: with one message in six lost
/// either way, all of them are lost once in a hundred million times.
pub const WORDS: u32 = 10;

/// Ends of members that nobody has asked about for so long are forgotten.
pub const ENDED_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// Bounds of a time to live that a peer may ask for.
pub const TTL_LEAST: Duration = Duration::from_secs(1);
/// The upper one: a peer cannot have devices lie idle for longer than this after it dies.
pub const TTL_MOST: Duration = Duration::from_secs(60);

/// Members that one host holds for jobs at a time; a host has some hundred slices at most, and jobs without
/// accelerators are bounded by this alone.
pub const MEMBER_LIMIT: usize = 4_096;

/// Jobs whose highest attempt is remembered. What is forgotten is harmless: a late message can then at most
/// make a reservation that its submitter gives back, or that expires.
pub const MEMORY_LIMIT: usize = 16_384;

/// Starts that an owner may refuse before the job is failed: by then the reason is the job's own.
pub const START_TRIES: u32 = 3;

/// Placements in one step; the rest waits for the next, so that no input waits long.
pub const PLANS_PER_STEP: usize = 32;

/// Hosts that keep a job, where there are as many.
pub const KEEPERS: usize = 3;

/// Members that may wait at one owner. One that finds the line full is refused and comes again.
pub const LINE_LIMIT: usize = 256;

/// How much later than this host's own clock a time may be that another host gives its jobs, for it to count for the
/// order of the next one that is submitted here. A clock that is far ahead must not carry the others with it.
pub const CLOCK_DRIFT: Duration = Duration::from_secs(60);
