//! Whom an owner follows: the coordinator of the highest term that it has heard of.
//!
//! A higher term counts only from a host that was named as a keeper of the job: ids are no secret, and whoever repeats one
//! must not take the job over.

use kerf_types::peer::{Body, Tag, Term};
use kerf_types::{HostId, Moment};

use super::{Entry, save};
use crate::core::saved::{Change, MemberPhase};
use crate::core::{Core, Faults};

/// Most keepers of a job that are remembered at once, those that were exchanged among them.
const NAMED_MOST: usize = 16;

/// Furthest that a term may be above the one before it.
const LEAP_MOST: u32 = 1 << 26;

impl<F: Faults> Core<F> {
    /// Whether an order is of the job's coordinator. A later one than was known is followed from here on.
    pub(in crate::core) fn follows(
        &mut self,
        now: Moment,
        from: HostId,
        tag: Tag,
        term: Term,
    ) -> bool {
        let Some(memory) = self.owner.memories.get_mut(&tag.job) else {
            return true;
        };
        if !memory.term.is_shared() {
            // The coordinator of such a job never changes, and each order is looked at for it.
            return !term.is_shared();
        }
        if F::IGNORE_TERM && (from == memory.coordinator || memory.keepers.contains(&from)) {
            memory.coordinator = from;
            self.follow(now, from, tag, term);
            return true;
        }
        if !term.is_shared() {
            // Of a host that knows nothing of the job any more. It has ended, or that host has lost its store.
            return false;
        }
        if term == memory.term {
            return from == memory.coordinator;
        }
        // Where a release has overtaken the reservation nothing is held yet, and nobody was named.
        let is_named = memory.keepers.is_empty() || memory.keepers.contains(&from);
        let may = from == memory.coordinator || is_named;
        // Terms grow by one, and by a million with each force: what is far beyond would outrank all that can come.
        let leaps = term.0 > memory.term.0.saturating_add(LEAP_MOST);
        if term < memory.term || !may || leaps {
            return false;
        }
        memory.term = term;
        memory.coordinator = from;
        self.follow(now, from, tag, term);
        true
    }

    /// Speaks to this coordinator from here on.
    fn follow(&mut self, now: Moment, to: HostId, tag: Tag, term: Term) {
        let of_job = self.owner.members.iter_mut();
        let mut held = false;
        for (_, entry) in of_job.filter(|(own, _)| own.job == tag.job) {
            match entry {
                Entry::Asking(asking) => {
                    asking.coordinator = to;
                    asking.term = term;
                }
                Entry::Held(member) => {
                    member.row.coordinator = to;
                    member.row.term = term;
                    member.next_word = now;
                    save(&mut self.outbox, member);
                    held = true;
                }
            }
        }
        if let Some(memory) = self.owner.memories.get(&tag.job).filter(|_| held) {
            let memory = memory.clone();
            self.outbox.save(Change::PutMemory(tag.job, memory));
        }
    }

    /// What is said to one that is not followed: that it waits for nothing.
    pub(in crate::core) fn not_followed(&mut self, from: HostId, tag: Tag, body: &Body) {
        let reason = "another host coordinates this job".to_owned();
        if let Body::Reserve { .. } = body {
            let record = None;
            self.outbox
                .send(from, tag, Body::Refused { reason, record });
        }
    }

    /// The keepers of a job are others than before. Its coordinator says who they are; one that may follow it may name more
    /// of them, for a coordinator that nobody has named here before the one before it died.
    pub(in crate::core) fn on_keepers(
        &mut self,
        from: HostId,
        tag: Tag,
        term: Term,
        keepers: Vec<HostId>,
    ) {
        let Some(memory) = self.owner.memories.get_mut(&tag.job) else {
            return;
        };
        let before = memory.keepers.clone();
        if memory.coordinator == from && term == memory.term {
            memory.keepers = keepers;
        } else if before.contains(&from) && term >= memory.term {
            let new = keepers.into_iter().filter(|one| !before.contains(one));
            memory.keepers.extend(new);
            memory.keepers.truncate(NAMED_MOST);
        }
        if memory.keepers != before {
            let memory = memory.clone();
            self.outbox.save(Change::PutMemory(tag.job, memory));
        }
    }

    /// Members that are held for an attempt of which nobody has said for a while how it was decided: idle until the
    /// successor of their coordinator says it, or their time is over.
    pub fn in_doubt(&self, now: Moment) -> usize {
        let silent = self.settings.ttl;
        let doubtful = |row: &&crate::core::MemberRow| {
            let waits = matches!(row.phase, MemberPhase::Reserved | MemberPhase::Confirmed);
            waits && row.term.is_shared() && now.since(row.heard) >= silent
        };
        self.owner.rows().filter(doubtful).count()
    }
}
