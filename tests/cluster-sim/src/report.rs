//! What a run showed, as one line of a table.

use std::fmt::Write;

use crate::watch::Violation;
use crate::world::Micros;

/// Three numbers that stand for many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    /// The least.
    pub min: Micros,
    /// Half are not above it.
    pub p50: Micros,
    /// All but one in a hundred are not above it.
    pub p99: Micros,
    /// The greatest.
    pub max: Micros,
}

impl Percentiles {
    /// Of these times; `None` when there are none.
    pub fn of(times: &[Micros]) -> Option<Self> {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1);
        Some(Self {
            min: *sorted.first()?,
            p50: *at(50)?,
            p99: *at(99)?,
            max: *sorted.last()?,
        })
    }
}

/// One run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// How long until all agreed after the last disturbance.
    pub converged: Option<Micros>,
    /// How long a record took to each other host.
    pub state: Option<Percentiles>,
    /// Hosts that should have got a timed record and did not.
    pub state_missing: u64,
    /// Bytes of datagrams that a host sent in a second in which nothing happened, without and with the headers
    /// of IPv4 and UDP.
    pub idle_bytes: Option<(u64, u64)>,
    /// How long after a death each other host knew of it.
    pub failure: Option<Percentiles>,
    /// Times that a living host was called dead.
    pub false_downs: u64,
    /// The largest datagram.
    pub largest: usize,
    /// What must not have been.
    pub violations: Vec<Violation>,
}

/// The head of the table.
pub const HEAD: &str = "  seed  agreed_s  state_p50_s  state_p99_s  state_max_s  missing  idle_B/s  +headers  \
                        dead_first_s  dead_median_s  dead_last_s  false_downs  largest_B  violations";

impl Report {
    /// One line under [`HEAD`].
    pub fn line(&self) -> String {
        let seconds = |time: Option<Micros>| {
            time.map_or_else(
                || "-".to_owned(),
                |t| format!("{}.{:02}", t / 1_000_000, t % 1_000_000 / 10_000),
            )
        };
        let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let mut line = String::new();
        let cells = [
            (6, self.seed.to_string()),
            (10, seconds(self.converged)),
            (13, seconds(self.state.map(|s| s.p50))),
            (13, seconds(self.state.map(|s| s.p99))),
            (13, seconds(self.state.map(|s| s.max))),
            (9, self.state_missing.to_string()),
            (10, number(self.idle_bytes.map(|b| b.0))),
            (10, number(self.idle_bytes.map(|b| b.1))),
            (14, seconds(self.failure.map(|f| f.min))),
            (15, seconds(self.failure.map(|f| f.p50))),
            (13, seconds(self.failure.map(|f| f.max))),
            (13, self.false_downs.to_string()),
            (11, self.largest.to_string()),
            (12, self.violations.len().to_string()),
        ];
        for (width, cell) in cells {
            write!(line, "{cell:>width$}").unwrap_or_default();
        }
        line
    }
}
