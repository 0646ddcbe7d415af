//! I3: no member of a gang starts before all of the same attempt have confirmed, durably, each at its owner.

use std::collections::{BTreeMap, BTreeSet};

use kerf_scheduler::core::{Change, MemberPhase};
use kerf_types::JobId;
use kerf_types::peer::Tag;

use super::{Checker, Found};
use crate::run::facts::{Fact, changes};
use crate::world::Micros;

/// Who has confirmed.
#[derive(Debug, Default)]
pub struct Barrier {
    members: BTreeMap<JobId, u32>,
    confirmed: BTreeSet<Tag>,
}

impl Checker for Barrier {
    fn see(&mut self, _now: Micros, fact: &Fact<'_>, found: &mut Found) {
        for change in changes(fact) {
            if let Change::PutMember(row) = change
                && row.phase == MemberPhase::Confirmed
            {
                self.confirmed.insert(row.tag);
            }
        }
        match fact {
            Fact::Submitted { job, members } => {
                self.members.insert(*job, *members);
            }
            Fact::Started { tag, .. } => {
                let count = self.members.get(&tag.job).copied().unwrap_or(0);
                let all = (0..count).map(|member| Tag { member, ..*tag });
                if let Some(late) = all.into_iter().find(|one| !self.confirmed.contains(one)) {
                    found.add("I3", format!("{tag} starts before {late} has confirmed"));
                }
            }
            _ => {}
        }
    }
}
