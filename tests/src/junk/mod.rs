//! Junk on a host's port of gossip: what it costs, and whether the fleet is still heard.
//!
//! It sends what a stranger can send who sees the fleet's datagrams: noise, pieces of real ones, real ones that go on for
//! too long, under another key, with another body, and real ones again, from addresses of its own and in the name of
//! members. It measures by what the hosts themselves count, and by what the kernel knows of the process that is flooded.

mod flood;
mod kinds;
mod look;
mod wire;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::poll;
use crate::world::Fleet;
use flood::Flood;
use look::Look;

/// How long real datagrams are listened for. Each host sends one in each 0.7 s at least.
const LISTEN_LIMIT: Duration = Duration::from_secs(30);

/// How long it may take until a page shows the last of what was counted: it is rendered anew about once a second.
const SETTLE: Duration = Duration::from_secs(5);

/// What is sent, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Datagrams a second.
    pub per_second: u32,
    /// How long.
    pub time: Duration,
    /// How long the fleet is looked at before, in peace, with the same measure.
    pub before: Duration,
}

/// What was seen.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Datagrams that were sent: that the sender's kernel took, and brought to the host's address.
    pub sent: u64,
    /// How many in a second that were.
    pub sent_per_second: f64,
    /// Those that the sender's kernel did not take.
    pub refused: u64,
    /// Datagrams that the host has read meanwhile, real ones included, in a second.
    pub read_per_second: f64,
    /// Datagrams that its kernel had no room for.
    pub unread: u64,
    /// Datagrams that came back to whoever had sent junk from an address of his own.
    pub answers: u64,
    /// Probes that ended meanwhile, of this host and by it.
    pub probes: u64,
    /// Those that their target itself did not answer in time.
    pub lost: u64,
    /// Those of them that nobody answered.
    pub unanswered: u64,
    /// The same of the time before.
    pub probes_before: u64,
    /// See `probes_before`.
    pub lost_before: u64,
    /// Memory of the flooded kerfd before.
    pub rss_before_bytes: u64,
    /// What it had on top at most.
    pub rss_growth_bytes: u64,
    /// Processor time of it: 1 is one core.
    pub cores: f64,
    /// The same of the time before.
    pub cores_before: f64,
    /// Drops of it, by reason.
    pub drops: Vec<(String, u64)>,
}

impl Outcome {
    /// The part of probes that were lost, in percent.
    #[must_use]
    pub fn lost_percent(&self) -> f64 {
        100.0 * share(self.lost, self.probes)
    }

    /// As a document.
    #[must_use]
    pub fn document(&self) -> Value {
        let drops: serde_json::Map<String, Value> = self
            .drops
            .iter()
            .map(|(reason, count)| (reason.clone(), json!(count)))
            .collect();
        json!({
            "sent": self.sent,
            "sent_per_second": self.sent_per_second.round(),
            "refused_by_senders_kernel": self.refused,
            "read_per_second": self.read_per_second.round(),
            "unread_by_kernel": self.unread,
            "answers": self.answers,
            "probes": self.probes,
            "lost_probes": self.lost,
            "lost_probes_percent": self.lost_percent(),
            "unanswered_probes": self.unanswered,
            "probes_before": self.probes_before,
            "lost_probes_before": self.lost_before,
            "rss_before_bytes": self.rss_before_bytes,
            "rss_growth_bytes": self.rss_growth_bytes,
            "cores": self.cores,
            "cores_before": self.cores_before,
            "drops": drops,
        })
    }
}

/// Floods a host of a fleet whose gossip is sealed. All hosts are on IPv4 addresses of this network namespace.
///
/// # Errors
/// When this is not root, nothing real is heard, or a host does not tell its counts.
pub fn measure(fleet: &Fleet, target: usize, plan: Plan) -> Result<Outcome> {
    let host = fleet.host(target)?;
    let address = host.peers_address().context("it has no peers")?;
    let pid = host.pid();
    let heard = wire::listen(address, LISTEN_LIMIT)?;
    let first = Look::at(fleet, target)?;
    watch(plan.before, || {});
    let calm = Look::at(fleet, target)?.since(&first);
    let rss_before = look::rss(pid)?;
    let mut rss_most = rss_before;
    let begun = Look::at(fleet, target)?;
    let flood = Flood::start(address, heard, plan.per_second)?;
    watch(plan.time, || {
        rss_most = rss_most.max(look::rss(pid).unwrap_or(0));
    });
    let sent = flood.stop()?;
    let loud = Look::at(fleet, target)?.since(&begun);
    watch(SETTLE, || {});
    let counted = Look::at(fleet, target)?.since(&begun);
    ensure!(loud.probes() > 0, "no host has probed another meanwhile");
    Ok(Outcome {
        sent: sent.count,
        sent_per_second: share(sent.count, 1) / sent.time.as_secs_f64(),
        refused: sent.refused,
        read_per_second: share(counted.read, 1) / sent.time.as_secs_f64(),
        unread: counted.unread,
        answers: sent.answers,
        probes: loud.probes(),
        lost: loud.lost(),
        unanswered: loud.unanswered(),
        probes_before: calm.probes(),
        lost_before: calm.lost(),
        rss_before_bytes: rss_before,
        rss_growth_bytes: rss_most - rss_before,
        cores: loud.cores(),
        cores_before: calm.cores(),
        drops: counted
            .drops
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect(),
    })
}

/// Looks again and again for exactly so long.
fn watch(time: Duration, mut look: impl FnMut()) {
    let never = poll::until::<()>("the end of this time", time, || {
        look();
        None
    });
    drop(never);
}

/// For people: counts are far below what a float holds.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}
