//! What the registers of all jobs hold, from what is durable: the one place that knows on how many hosts a register
//! stands.
//!
//! Where one host keeps a job, its register's word is that host's last durable one. Where three keep it, it is what the
//! highest ballot says that a majority has written down: counted here, by nothing but what each replica wrote. Checkers
//! of decisions hear of nothing else.

use std::collections::{BTreeMap, BTreeSet};

use kerf_register::{Ballot, Replica};
use kerf_scheduler::core::{Change, Decision, RegisterRow};
use kerf_types::{HostId, JobId};

use super::facts::{Fact, changes};
use crate::world::HostIndex;

/// The last durable word of each register, also after it was lost.
#[derive(Debug)]
pub struct Registers {
    hosts: Vec<HostId>,
    words: BTreeMap<JobId, Decision>,
    /// Of registers of several: which was the last ballot that a majority has accepted.
    agreed: BTreeMap<JobId, Ballot>,
    /// Who has accepted under each later one.
    votes: BTreeMap<(JobId, Ballot), BTreeSet<Replica>>,
}

/// A register holds something else, or the same again.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Whose it is.
    pub job: JobId,
    /// Whether several hosts hold it: then what one proposal wrote may have been overtaken by the next before a majority
    /// had it.
    pub shared: bool,
    /// What it held, if anything.
    pub from: Option<Decision>,
    /// What it holds.
    pub to: Decision,
}

impl Registers {
    /// No register yet, on these hosts.
    pub fn new(hosts: Vec<HostId>) -> Self {
        Self {
            hosts,
            words: BTreeMap::new(),
            agreed: BTreeMap::new(),
            votes: BTreeMap::new(),
        }
    }

    /// Takes in a fact, and says what that made of registers, in order.
    pub fn see(&mut self, fact: &Fact<'_>) -> Vec<Turn> {
        let mut turns = Vec::new();
        let Fact::Durable { host, .. } = fact else {
            return turns;
        };
        for change in changes(fact) {
            let (job, to, shared) = match change {
                Change::PutDecision(job, to) => (*job, Some(*to), false),
                Change::PutRegister(job, row) => (*job, self.voted(*host, *job, row), true),
                _ => continue,
            };
            if let Some(to) = to {
                let from = self.words.insert(job, to);
                turns.push(Turn {
                    job,
                    shared,
                    from,
                    to,
                });
            }
        }
        turns
    }

    /// A replica has written down what it accepts: says what that makes the word of the register.
    fn voted(&mut self, host: HostIndex, job: JobId, row: &RegisterRow) -> Option<Decision> {
        let accepted = row.accepted.as_ref()?;
        let ballot = accepted.ballot;
        if self.agreed.get(&job).is_some_and(|known| *known >= ballot) {
            return None;
        }
        let voter = Replica {
            host: *self.hosts.get(host)?,
            epoch: row.epoch,
        };
        let votes = self.votes.entry((job, ballot)).or_default();
        votes.insert(voter);
        let config = &accepted.state.config;
        if !config.has_quorum(|one| votes.contains(one)) {
            return None;
        }
        self.agreed.insert(job, ballot);
        self.votes
            .retain(|(of, vote), _| *of != job || *vote > ballot);
        Some(accepted.state.value.decision)
    }

    /// What the register of a job holds.
    pub fn word(&self, job: JobId) -> Option<Decision> {
        self.words.get(&job).copied()
    }
}
