//! What a run showed, and the sum of many.

use std::collections::BTreeMap;

use kerf_scheduler::core::{Change, MemberPhase};
use kerf_types::JobId;
use kerf_types::peer::{Attempt, Tag};

use super::facts::{Fact, Share, changes};
use super::forge::Seen;
use crate::world::{HostIndex, Micros};

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The seed that shows it.
    pub seed: u64,
    /// The invariant.
    pub invariant: &'static str,
    /// When, in virtual time.
    pub at: Micros,
    /// What.
    pub what: String,
}

/// What a run, or many together, showed.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Runs.
    pub seeds: u64,
    /// Events that happened.
    pub events: u64,
    /// What must not have been.
    pub violations: Vec<Violation>,
    /// Jobs that a host has taken.
    pub jobs_submitted: u64,
    /// Jobs whose end is durable.
    pub jobs_completed: u64,
    /// Attempts of which a member started before all had confirmed.
    pub gangs_partial_starts: u64,
    /// For how long each member was confirmed and neither started nor let go, in microseconds.
    pub in_doubt: Vec<Micros>,
    /// Gangs that could be placed all the time.
    pub gangs_feasible: u64,
    /// Those of them all of whose members started within 30 s.
    pub gangs_in_time: u64,
    /// The lines of a trace.
    pub trace: Vec<String>,
}

impl Outcome {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.events += other.events;
        self.violations.extend(other.violations);
        self.jobs_submitted += other.jobs_submitted;
        self.jobs_completed += other.jobs_completed;
        self.gangs_partial_starts += other.gangs_partial_starts;
        self.in_doubt.extend(other.in_doubt);
        self.gangs_feasible += other.gangs_feasible;
        self.gangs_in_time += other.gangs_in_time;
        self.trace.extend(other.trace);
    }

    /// The time that all but one in a hundred members were in doubt, in milliseconds.
    pub fn in_doubt_ms_p99(&self) -> Option<u64> {
        let p99 = crate::Percentiles::of(&self.in_doubt)?.p99;
        Some(p99.div_ceil(1_000))
    }
}

/// What is counted while a run goes on.
#[derive(Debug, Default)]
pub struct Meter {
    /// Events.
    pub events: u64,
    /// Containers that were made.
    pub containers: u64,
    /// What each member was given last; kept for one mutation alone.
    pub given: BTreeMap<(HostIndex, Tag), Vec<Share>>,
    /// Members of each attempt that have started.
    pub begun: BTreeMap<(JobId, Attempt), u32>,
    /// The last datagram that each host has read.
    pub seen: BTreeMap<HostIndex, Seen>,
    /// See [`Outcome::in_doubt`].
    pub in_doubt: Vec<Micros>,
    confirmed: BTreeMap<(HostIndex, Tag), Micros>,
    alarms: BTreeMap<HostIndex, (u64, Micros)>,
}

impl Meter {
    /// Counts.
    pub fn see(&mut self, now: Micros, fact: &Fact<'_>) {
        if let Fact::Started { tag, .. } = fact {
            *self.begun.entry((tag.job, tag.attempt)).or_default() += 1;
        }
        let Fact::Durable { host, .. } = fact else {
            return;
        };
        for change in changes(fact) {
            let (tag, confirmed) = match change {
                Change::PutMember(row) => (row.tag, row.phase == MemberPhase::Confirmed),
                Change::DropMember(tag) => (*tag, false),
                _ => continue,
            };
            let key = (*host, tag);
            if confirmed {
                self.confirmed.entry(key).or_insert(now);
            } else if let Some(since) = self.confirmed.remove(&key) {
                self.in_doubt.push(now - since);
            }
        }
    }

    /// Whether an alarm of the membership is to be set: none is that rings before.
    pub fn may_wake(&mut self, host: HostIndex, life: u64, at: Micros, now: Micros) -> bool {
        let known = self.alarms.get(&host);
        let earlier = known.is_some_and(|(of, set)| *of == life && *set <= at && *set > now);
        if !earlier {
            self.alarms.insert(host, (life, at));
        }
        !earlier
    }

    /// It has rung.
    pub fn woke(&mut self, host: HostIndex, now: Micros) {
        if self.alarms.get(&host).is_some_and(|(_, set)| *set <= now) {
            self.alarms.remove(&host);
        }
    }
}
