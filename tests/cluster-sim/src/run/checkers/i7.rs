//! I7: what a host begins from after a crash is what it had before some batch or after it, never less than it has
//! acknowledged and never a third; and nothing that it cut lies about without a lease.

use std::collections::{BTreeMap, BTreeSet};

use kerf_scheduler::Saved;
use kerf_scheduler::core::{Change, Decision, JobRow, MemberRow, RegisterRow};
use kerf_types::JobId;
use kerf_types::peer::Tag;

use super::{Checker, Found};
use crate::run::facts::Fact;
use crate::world::{HostIndex, Micros};

/// What the whole batches of one store come to.
#[derive(Debug, Default)]
struct Shadow {
    jobs: BTreeMap<JobId, JobRow>,
    decisions: BTreeMap<JobId, Decision>,
    members: BTreeMap<Tag, MemberRow>,
    registers: BTreeMap<JobId, RegisterRow>,
    last: u64,
    acknowledged: u64,
}

impl Shadow {
    fn add(&mut self, change: &Change) {
        match change {
            Change::PutJob(row) => drop(self.jobs.insert(row.job, row.as_ref().clone())),
            Change::PutDecision(job, decision) => {
                self.decisions.insert(*job, *decision);
            }
            Change::EndJob(job, _) => {
                self.jobs.remove(job);
                self.decisions.remove(job);
            }
            Change::PutMember(row) => drop(self.members.insert(row.tag, row.as_ref().clone())),
            Change::DropMember(tag) => drop(self.members.remove(tag)),
            Change::LeaveJob(job) => drop(self.jobs.remove(job)),
            Change::PutRegister(job, row) => {
                self.registers.insert(*job, row.as_ref().clone());
            }
            Change::DropRegister(job) => drop(self.registers.remove(job)),
            // What is forgotten of attempts is looked at by I8.
            Change::PutMemory(..) | Change::DropMemory(_) => {}
        }
    }

    fn differs(&self, saved: &Saved) -> Option<&'static str> {
        if self.last < self.acknowledged {
            return Some("a batch is gone that was acknowledged");
        }
        if self.jobs != saved.jobs {
            return Some("its jobs are none that any batch left");
        }
        if self.decisions != saved.decisions {
            return Some("its registers are none that any batch left");
        }
        if self.registers != saved.registers {
            return Some("its replicas of registers are none that any batch left");
        }
        (self.members != saved.members).then_some("its members are none that any batch left")
    }
}

/// The stores of all hosts.
#[derive(Debug)]
pub struct Recovery {
    shadows: Vec<Shadow>,
}

impl Recovery {
    /// The stores of so many hosts.
    pub fn new(hosts: usize) -> Self {
        Self {
            shadows: (0..hosts).map(|_| Shadow::default()).collect(),
        }
    }

    fn recovered(
        &mut self,
        host: HostIndex,
        saved: &Saved,
        jobs: &[JobId],
        members: &[Tag],
        found: &mut Found,
    ) {
        let shadow = &mut self.shadows[host];
        if let Some(how) = shadow.differs(saved) {
            found.add("I7", format!("h{host} begins from a third state: {how}"));
        }
        // Batches are counted from 1 in each life of a core.
        (shadow.last, shadow.acknowledged) = (0, 0);
        let has: BTreeSet<&JobId> = jobs.iter().collect();
        if !has.into_iter().eq(saved.jobs.keys()) {
            found.add(
                "I7",
                format!("the core of h{host} does not go on with the jobs of its store"),
            );
        }
        if let Some(lost) = saved.members.keys().find(|tag| !members.contains(tag)) {
            found.add("I7", format!("the core of h{host} has forgotten {lost}"));
        }
    }
}

impl Checker for Recovery {
    fn see(&mut self, _now: Micros, fact: &Fact<'_>, found: &mut Found) {
        match fact {
            Fact::Durable { host, batch } => {
                let shadow = &mut self.shadows[*host];
                shadow.last = batch.number;
                batch.changes.iter().for_each(|change| shadow.add(change));
            }
            Fact::Acknowledged { host, batch } => self.shadows[*host].acknowledged = *batch,
            Fact::StoreLost { host } => self.shadows[*host] = Shadow::default(),
            Fact::Recovered {
                host,
                saved,
                jobs,
                members,
            } => self.recovered(*host, saved, jobs, members, found),
            Fact::FirstLook { host, orphans } if *orphans > 0 => {
                found.add(
                    "I7",
                    format!("{orphans} instances on h{host} belong to no lease"),
                );
            }
            _ => {}
        }
    }
}
