//! What the registers of all jobs hold, from what is durable: the one place that knows on how many hosts a register
//! stands.
//!
//! Now each stands on the host that its job was submitted to, so its word is that host's last durable one. Where it
//! stands on three, its word is what the last ballot says that a majority has accepted: then [`Registers::see`] counts
//! replicas, and `promise::register_is_there` asks for a majority. Checkers of decisions hear of nothing else.

use std::collections::BTreeMap;

use kerf_scheduler::core::{Change, Decision};
use kerf_types::JobId;

use super::facts::{Fact, changes};

/// The last durable word of each register, also after it was lost.
#[derive(Debug, Default)]
pub struct Registers {
    words: BTreeMap<JobId, Decision>,
}

/// A register holds something else, or the same again.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Whose it is.
    pub job: JobId,
    /// What it held, if anything.
    pub from: Option<Decision>,
    /// What it holds.
    pub to: Decision,
}

impl Registers {
    /// Takes in a fact, and says what that made of registers, in order.
    pub fn see(&mut self, fact: &Fact<'_>) -> Vec<Turn> {
        let mut turns = Vec::new();
        for change in changes(fact) {
            if let Change::PutDecision(job, to) = change {
                let from = self.words.insert(*job, *to);
                let (job, to) = (*job, *to);
                turns.push(Turn { job, from, to });
            }
        }
        turns
    }

    /// What the register of a job holds.
    pub fn word(&self, job: JobId) -> Option<Decision> {
        self.words.get(&job).copied()
    }
}
