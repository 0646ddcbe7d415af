//! What must be true of the whole world, looked at from outside: it knows what is durable and what runs, and
//! nothing of how a core comes to it.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::JobId;
use kerf_types::peer::Tag;

use crate::core::{Change, Decision, MemberPhase};

#[derive(Default)]
pub struct Checker {
    /// Members whose confirmation is durable at their owner.
    confirmed: BTreeSet<Tag>,
    /// Durable registers.
    registers: BTreeMap<JobId, Decision>,
    /// Members of each job.
    pub members: BTreeMap<JobId, u32>,
    pub violations: Vec<String>,
}

impl Checker {
    /// Something became durable.
    pub fn durable(&mut self, change: &Change) {
        match change {
            Change::PutMember(row) if row.phase == MemberPhase::Confirmed => {
                self.confirmed.insert(row.tag);
            }
            Change::PutDecision(job, next) => {
                let before = self.registers.insert(*job, *next);
                let closed = match before {
                    Some(Decision::Committed(old)) => {
                        matches!(next, Decision::Committed(new) | Decision::Closed(new) if *new == old)
                    }
                    _ => true,
                };
                if !closed {
                    let text = format!("I4: job {job} goes from {before:?} to {next:?}");
                    self.violations.push(text);
                }
            }
            _ => {}
        }
    }

    /// A container starts, while these are alive anywhere.
    pub fn started(&mut self, tag: Tag, alive: impl Iterator<Item = Tag>) {
        for other in alive.filter(|other| other.job == tag.job) {
            if other.attempt != tag.attempt {
                let text = format!("I4: {tag} starts while attempt {} runs", other.attempt);
                self.violations.push(text);
            }
        }
        let count = self.members.get(&tag.job).copied().unwrap_or(0);
        for member in 0..count {
            let other = Tag { member, ..tag };
            if !self.confirmed.contains(&other) {
                self.violations
                    .push(format!("I3: {tag} starts before {other} has confirmed"));
            }
        }
        match self.registers.get(&tag.job) {
            Some(Decision::Committed(attempt)) if *attempt == tag.attempt => {}
            held => {
                let text = format!("I4: {tag} starts while its register holds {held:?}");
                self.violations.push(text);
            }
        }
    }
}

/// Whether a host has written down that this is over.
pub fn is_over(memory: &crate::core::Memory, tag: Tag) -> bool {
    tag.attempt < memory.highest
        || (tag.attempt == memory.highest && memory.closed.contains(&tag.member))
}
