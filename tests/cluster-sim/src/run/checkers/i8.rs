//! I8: what comes twice, late or out of order changes nothing: no member starts twice, and none is promised devices
//! where its host has written down that it is over. (What else a doubled message could do shows in the others, since
//! messages are doubled in every run.)

use std::collections::{BTreeMap, BTreeSet};

use kerf_scheduler::core::{Change, MemberPhase, Memory};
use kerf_types::JobId;
use kerf_types::peer::Tag;

use super::{Checker, Found};
use crate::run::facts::{Fact, changes};
use crate::world::{HostIndex, Micros};

/// What has started, and what is over.
#[derive(Debug, Default)]
pub struct Once {
    started: BTreeSet<Tag>,
    memories: BTreeMap<(HostIndex, JobId), Memory>,
    /// Members that a host has let go for good.
    dropped: BTreeSet<(HostIndex, Tag)>,
}

impl Once {
    /// Whether a host had written down that a member is over.
    fn is_over(&self, host: HostIndex, tag: Tag) -> bool {
        let memory = self.memories.get(&(host, tag.job));
        let over = memory.is_some_and(|memory| {
            let closed = memory.closed.contains(&tag.member);
            tag.attempt < memory.highest || (tag.attempt == memory.highest && closed)
        });
        over || self.dropped.contains(&(host, tag))
    }

    /// A host that asked its devices before it knew better may still be answered; but then it gives them back in the
    /// batch that writes the answer down.
    fn durable(&mut self, host: HostIndex, all: &[Change], found: &mut Found) {
        let mut promised = BTreeMap::new();
        for change in all {
            if let Change::PutMember(row) = change {
                let held = matches!(row.phase, MemberPhase::Reserved | MemberPhase::Confirmed);
                promised.insert(row.tag, held);
            }
        }
        for (tag, _) in promised.into_iter().filter(|(_, held)| *held) {
            if self.is_over(host, tag) {
                found.add(
                    "I8",
                    format!("h{host} promises {tag} devices, and it is over there"),
                );
            }
        }
        for change in all {
            match change {
                Change::PutMemory(job, memory) => {
                    self.memories.insert((host, *job), memory.clone());
                }
                Change::DropMemory(job) => drop(self.memories.remove(&(host, *job))),
                Change::DropMember(tag) => drop(self.dropped.insert((host, *tag))),
                _ => {}
            }
        }
    }
}

impl Checker for Once {
    fn see(&mut self, _now: Micros, fact: &Fact<'_>, found: &mut Found) {
        match fact {
            Fact::Durable { host, .. } => self.durable(*host, changes(fact), found),
            Fact::StoreLost { host } => {
                self.memories.retain(|(on, _), _| on != host);
                self.dropped.retain(|(on, _)| on != host);
            }
            Fact::Started { host, tag, .. } if !self.started.insert(*tag) => {
                found.add("I8", format!("{tag} starts a second time, on h{host}"));
            }
            _ => {}
        }
    }
}
