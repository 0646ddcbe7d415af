//! I4: at most one attempt of a job is decided and not closed, containers of two attempts never live at one time, and
//! an attempt is not closed while one of its containers lives.

use std::collections::{BTreeMap, BTreeSet};

use kerf_scheduler::core::Decision;
use kerf_types::peer::Tag;
use kerf_types::{HostId, JobId};

use super::{Checker, Found};
use crate::run::facts::Fact;
use crate::run::registers::{Registers, Turn};
use crate::world::{HostIndex, Micros};

/// What is decided and what lives.
#[derive(Debug)]
pub struct OneAttempt {
    registers: Registers,
    alive: BTreeMap<JobId, BTreeSet<(Tag, HostIndex)>>,
}

/// Whether a register may hold the second after the first, by the diagram of the design. Of several hosts no majority
/// need have seen an attempt open that a successor has aborted.
fn may_follow(first: Decision, second: Decision, shared: bool) -> bool {
    use Decision::{Aborted, Closed, Committed, Open};
    match (first, second) {
        (Aborted(a) | Closed(a), Aborted(b)) if shared && b.0 == a.0 + 1 => true,
        (Open(a), Open(b) | Committed(b) | Aborted(b)) => a == b,
        (Committed(a), Committed(b) | Closed(b)) => a == b,
        (Aborted(a), Aborted(b)) | (Closed(a), Closed(b)) => a == b,
        (Aborted(a) | Closed(a), Open(b)) => b.0 == a.0 + 1,
        _ => false,
    }
}

impl OneAttempt {
    /// Nothing is decided on these hosts.
    pub fn new(hosts: Vec<HostId>) -> Self {
        Self {
            registers: Registers::new(hosts),
            alive: BTreeMap::new(),
        }
    }

    fn decided(&self, turn: Turn, found: &mut Found) {
        let Turn {
            job,
            shared,
            from,
            to,
        } = turn;
        if from.is_some_and(|from| !may_follow(from, to, shared)) {
            found.add(
                "I4",
                format!("the register of {job} goes from {from:?} to {to:?}"),
            );
        }
        if let Decision::Closed(attempt) = to {
            let alive = self.alive.get(&job).into_iter().flatten();
            if let Some((tag, host)) = alive.into_iter().find(|(tag, _)| tag.attempt == attempt) {
                found.add(
                    "I4",
                    format!("{tag} lives on h{host} and its attempt is closed"),
                );
            }
        }
    }

    fn started(&mut self, host: HostIndex, tag: Tag, found: &mut Found) {
        let alive = self.alive.entry(tag.job).or_default();
        let other =
            |(one, _): &&(Tag, HostIndex)| one.attempt != tag.attempt || one.member == tag.member;
        if let Some((other, on)) = alive.iter().find(other) {
            found.add(
                "I4",
                format!("{tag} starts on h{host} while {other} lives on h{on}"),
            );
        }
        alive.insert((tag, host));
        let decided = self.registers.word(tag.job);
        if decided != Some(Decision::Committed(tag.attempt)) {
            found.add(
                "I4",
                format!("{tag} starts on h{host}, its register holds {decided:?}"),
            );
        }
    }
}

impl Checker for OneAttempt {
    fn see(&mut self, _now: Micros, fact: &Fact<'_>, found: &mut Found) {
        for turn in self.registers.see(fact) {
            self.decided(turn, found);
        }
        match fact {
            Fact::Started { host, tag, .. } => self.started(*host, *tag, found),
            Fact::Ended { host, tag } => {
                if let Some(alive) = self.alive.get_mut(&tag.job) {
                    alive.remove(&(*tag, *host));
                }
            }
            _ => {}
        }
    }
}
