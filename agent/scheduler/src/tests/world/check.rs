//! What must be true of the whole world, looked at from outside: it knows what is durable and what runs, and
//! nothing of how a core comes to it.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::JobId;
use kerf_types::peer::Tag;

use kerf_register::Ballot;

use super::World;
use crate::core::{Change, Decision, MemberPhase, NoFaults, RegisterRow};

#[derive(Default)]
pub struct Checker {
    /// Members whose confirmation is durable at their owner.
    confirmed: BTreeSet<Tag>,
    /// Who has written down that it accepted what under which ballot.
    accepted: BTreeMap<(JobId, Ballot), BTreeSet<usize>>,
    /// The newest that a majority has accepted.
    chosen: BTreeMap<JobId, Ballot>,
    /// Durable registers.
    registers: BTreeMap<JobId, Decision>,
    /// Members of each job.
    pub members: BTreeMap<JobId, u32>,
    pub violations: Vec<String>,
}

impl Checker {
    /// Something became durable.
    pub fn durable(&mut self, host: usize, change: &Change) {
        match change {
            Change::PutRegister(job, row) => self.accepted(host, *job, row),
            Change::PutMember(row) if row.phase == MemberPhase::Confirmed => {
                self.confirmed.insert(row.tag);
            }
            Change::PutDecision(job, next) => self.decided(*job, *next),
            _ => {}
        }
    }

    /// Whether a majority of its keepers has ever had a job.
    pub fn is_chosen(&self, job: JobId) -> bool {
        self.chosen.contains_key(&job)
    }

    fn decided(&mut self, job: JobId, next: Decision) {
        let before = self.registers.insert(job, next);
        let closed = match before {
            Some(Decision::Committed(old)) => {
                matches!(next, Decision::Committed(new) | Decision::Closed(new) if new == old)
            }
            Some(Decision::Aborted(old)) => next != Decision::Committed(old),
            _ => true,
        };
        if !closed {
            let text = format!("I4: job {job} goes from {before:?} to {next:?}");
            self.violations.push(text);
        }
    }

    /// A replica has accepted something: with two of three it is chosen.
    fn accepted(&mut self, host: usize, job: JobId, row: &RegisterRow) {
        let Some(accepted) = &row.accepted else {
            return;
        };
        let ballot = accepted.ballot;
        let votes = self.accepted.entry((job, ballot)).or_default();
        let voters = accepted.state.config.voters();
        let voter = |one: &kerf_register::Replica| one.host == World::<NoFaults>::id(host);
        if !voters.iter().any(voter) {
            return;
        }
        votes.insert(host);
        let votes = votes.clone();
        let is_chosen = accepted.state.config.has_quorum(|one| {
            let place = votes
                .iter()
                .find(|host| World::<NoFaults>::id(**host) == one.host);
            place.is_some()
        });
        let newer = self.chosen.get(&job).is_none_or(|known| *known < ballot);
        if is_chosen && newer {
            self.chosen.insert(job, ballot);
            self.decided(job, accepted.state.value.decision);
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
