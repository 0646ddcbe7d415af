//! What a fleet has counted at a moment, and what one process of it has used.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::world::Fleet;

/// Counts of the fleet and of one host.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// Probes that the one host has ended, and that others have ended.
    own: Probes,
    others: Probes,
    /// Of the one host: datagrams that it has read.
    pub read: u64,
    /// Of the one host: datagrams that it has dropped, by reason.
    pub drops: BTreeMap<String, u64>,
    /// Of the one host: datagrams that the kernel had no room for at its socket.
    pub unread: u64,
    /// Of the one host.
    processor: Duration,
    /// When it was, or how long it is since another.
    at: Instant,
    time: Duration,
    hosts: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Probes {
    answered: u64,
    helped: u64,
    unanswered: u64,
}

impl Probes {
    fn of(page: &str) -> Self {
        let ends = counts(page, "kerf_peer_probes_total", "outcome");
        let of = |outcome: &str| ends.get(outcome).copied().unwrap_or(0);
        Self {
            answered: of("answered"),
            helped: of("helped"),
            unanswered: of("unanswered"),
        }
    }

    fn add(&mut self, more: Self) {
        self.answered += more.answered;
        self.helped += more.helped;
        self.unanswered += more.unanswered;
    }

    fn since(self, before: Self) -> Self {
        Self {
            answered: self.answered.saturating_sub(before.answered),
            helped: self.helped.saturating_sub(before.helped),
            unanswered: self.unanswered.saturating_sub(before.unanswered),
        }
    }

    fn all(self) -> u64 {
        self.answered + self.helped + self.unanswered
    }
}

impl Look {
    pub fn at(fleet: &Fleet, target: usize) -> Result<Self> {
        let (mut own, mut others) = (Probes::default(), Probes::default());
        let mut page = String::new();
        for (number, host) in (1..).zip(fleet.hosts()) {
            let text = host.metrics()?;
            if number == target {
                own = Probes::of(&text);
                page = text;
            } else {
                others.add(Probes::of(&text));
            }
        }
        let host = fleet.host(target)?;
        let datagrams = counts(&page, "kerf_peer_datagrams_total", "direction");
        Ok(Self {
            own,
            others,
            read: datagrams.get("in").copied().unwrap_or(0),
            drops: counts(&page, "kerf_peer_datagrams_dropped_total", "reason"),
            unread: unread(host.peers_address().context("it has no peers")?)?,
            processor: processor(host.pid())?,
            at: Instant::now(),
            time: Duration::ZERO,
            hosts: u64::try_from(fleet.hosts().len())?,
        })
    }

    /// What came between an earlier look and this one.
    pub fn since(&self, before: &Self) -> Self {
        let less = |reason: &String, count: &u64| {
            count.saturating_sub(before.drops.get(reason).copied().unwrap_or(0))
        };
        let drops = self.drops.iter();
        Self {
            own: self.own.since(before.own),
            others: self.others.since(before.others),
            read: self.read.saturating_sub(before.read),
            drops: drops
                .map(|(r, count)| (r.clone(), less(r, count)))
                .collect(),
            unread: self.unread.saturating_sub(before.unread),
            processor: self.processor.saturating_sub(before.processor),
            at: self.at,
            time: self.at - before.at,
            hosts: self.hosts,
        }
    }

    /// Probes by the one host and of it. Each other one probes all of its peers in turn, so of it as often as of any.
    pub fn probes(&self) -> u64 {
        self.own.all() + self.others.all() / self.hosts.saturating_sub(1).max(1)
    }

    /// Probes that their target itself did not answer in time. Those that pass the one host by are among them.
    pub fn lost(&self) -> u64 {
        self.own.helped + self.others.helped + self.unanswered()
    }

    /// Probes that nobody answered in time.
    pub fn unanswered(&self) -> u64 {
        self.own.unanswered + self.others.unanswered
    }

    pub fn cores(&self) -> f64 {
        self.processor.as_secs_f64() / self.time.as_secs_f64()
    }
}

/// Samples of a counter, by the value of its only label.
fn counts(text: &str, metric: &str, label: &str) -> BTreeMap<String, u64> {
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(metric)?.strip_prefix('{')?;
        let rest = rest.strip_prefix(label)?.strip_prefix("=\"")?;
        let (value, count) = rest.split_once("\"} ")?;
        Some((value.to_owned(), count.trim().parse().ok()?))
    });
    samples.collect()
}

/// Memory that a process has in use now, in bytes.
pub(super) fn rss(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib.context("no VmRSS")?.trim().parse()?;
    Ok(kib * 1_024)
}

/// Processor time of a process, in user mode and in the kernel (fields 14 and 15 of proc(5), in hundredths).
fn processor(pid: u32) -> Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(") ").context("no stat")?;
    let mut fields = rest.split(' ').skip(11);
    let mut next = || -> Result<u64> { Ok(fields.next().context("no field")?.parse()?) };
    Ok(Duration::from_millis((next()? + next()?) * 10))
}

/// Datagrams that the kernel had no room for at the socket of this address: the last column of its table.
fn unread(address: SocketAddr) -> Result<u64> {
    let text = std::fs::read_to_string("/proc/net/udp")?;
    let port = format!(":{:04X}", address.port());
    let mut sum = 0;
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.get(1).is_some_and(|local| local.ends_with(&port)) {
            sum += fields.last().context("no drops")?.parse::<u64>()?;
        }
    }
    Ok(sum)
}

/// Datagrams in a time at a rate.
pub(super) fn due(per_second: u32, time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    micros.saturating_mul(per_second.into()) / 1_000_000
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{counts, due, rss};
    use crate::junk::share;

    #[test]
    fn samples_are_read_by_their_label() {
        let text = "# TYPE a counter\na_total{reason=\"rate\"} 7\na_total{reason=\"replay\"} 8\n\
                    ab_total{reason=\"x\"} 1\na_total{other=\"y\"} 2\n";
        let read = counts(text, "a_total", "reason");
        let expected = [("rate".to_owned(), 7), ("replay".to_owned(), 8)];
        assert_eq!(read.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_process_has_memory_and_a_rate_has_datagrams() {
        assert!(rss(std::process::id()).is_ok_and(|bytes| bytes > 1 << 20));
        assert_eq!(due(50_000, Duration::from_micros(1_500)), 75);
        assert!((share(1, 4) - 0.25).abs() < 1e-9);
    }
}
