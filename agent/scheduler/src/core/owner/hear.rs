//! What an owner does with what it hears from the host that submitted a job.

use std::sync::Arc;
use std::time::Duration;

use kerf_types::job::OnPartition;
use kerf_types::peer::{Body, Grant, MemberAsk, SpecHash, Tag, Term};
use kerf_types::{Gang, HostId, Moment, Turn};

use super::queue::Stand;
use super::time::stops_at;
use super::{Asking, Entry, may_live, save};
use crate::core::io::LocalCommand;
use crate::core::job::Submitted;
use crate::core::saved::{Change, MemberPhase, MemberRow};
use crate::core::settings::{LOCAL_SLACK, MEMBER_LIMIT, TTL_LEAST, TTL_MOST};
use crate::core::{Core, Faults};

/// What a reservation wants.
#[derive(Debug, Clone)]
pub(in crate::core) struct Wanted {
    pub spec_hash: SpecHash,
    pub ask: MemberAsk,
    pub ttl: Duration,
    pub master_port: Option<u16>,
    pub turn: Option<Turn>,
    pub term: Term,
    pub keepers: Vec<HostId>,
}

impl<F: Faults> Core<F> {
    pub(in crate::core) fn on_reserve(
        &mut self,
        now: Moment,
        from: HostId,
        tag: Tag,
        mut wanted: Wanted,
    ) {
        self.owner.queue.heard(now, from, tag);
        if self.owner.is_anothers(from, tag.job) {
            return self.refuse(from, tag, "another host has a job of this id");
        }
        if self.owner.is_over(tag) && !F::IGNORE_HIGHEST_ATTEMPT {
            return self.refuse(from, tag, "this attempt is over here");
        }
        let known = match self.owner.members.get(&tag) {
            Some(Entry::Asking(asking)) => Some((asking.coordinator, asking.spec_hash)),
            Some(Entry::Held(held)) => Some((held.row.coordinator, held.row.spec_hash)),
            None => None,
        };
        match known {
            Some(known) if known == (from, wanted.spec_hash) => return self.say_state(from, tag),
            Some(_) => return self.refuse(from, tag, "another host or another job has this id"),
            None => {}
        }
        if self.owner.members.len() >= MEMBER_LIMIT {
            return self.refuse(from, tag, "this host holds as many members as it can");
        }
        if !F::IGNORE_HIGHEST_ATTEMPT {
            let memory = self.owner.note(from, tag.job, tag.attempt);
            memory.term = memory.term.max(wanted.term);
            memory.keepers = std::mem::take(&mut wanted.keepers);
            self.owner.queue.leave_older(tag);
            for old in self.owner.older(tag) {
                self.supersede(now, old);
            }
            if !self.owner.older(tag).is_empty() {
                // Until the hardware of the old one is free, a new one would find it taken.
                return self.refuse(from, tag, "an earlier attempt is still ending here");
            }
        }
        wanted.ttl = wanted.ttl.clamp(TTL_LEAST, TTL_MOST);
        self.reserve_in_turn(now, from, tag, wanted);
    }

    /// Asks the local host for devices.
    pub(super) fn try_to_reserve(&mut self, from: HostId, tag: Tag, wanted: Wanted) {
        let stand = Stand::of(tag, &wanted);
        let ttl = wanted.ttl;
        let command = LocalCommand::Reserve {
            ask: wanted.ask,
            ttl: ttl.saturating_add(LOCAL_SLACK),
            master_port: wanted.master_port,
        };
        let asking = Asking {
            coordinator: from,
            term: wanted.term,
            spec_hash: wanted.spec_hash,
            ttl,
            given_up: false,
            stand,
        };
        self.owner.members.insert(tag, Entry::Asking(asking));
        self.outbox.local(tag, command);
    }

    pub(in crate::core) fn on_confirm(
        &mut self,
        now: Moment,
        from: HostId,
        tag: Tag,
        grant: Grant,
    ) {
        let Some(held) = self.owner.held(tag) else {
            return self.refuse(from, tag, "it is not reserved here any more");
        };
        let row = &mut held.row;
        if row.coordinator != from || row.grant != grant {
            return self.refuse(from, tag, "another grant is reserved here");
        }
        match row.phase {
            MemberPhase::Reserved if F::NEVER_EXPIRE || now < row.heard.after(row.ttl) => {
                row.phase = MemberPhase::Confirmed;
                if !F::CONFIRM_UNSAVED {
                    save(&mut self.outbox, held);
                }
                self.outbox.send(from, tag, Body::Confirmed);
            }
            MemberPhase::Reserved | MemberPhase::Releasing => {
                self.refuse(from, tag, "its reservation has ended");
            }
            MemberPhase::Confirmed | MemberPhase::Starting | MemberPhase::Running => {
                self.outbox.send(from, tag, Body::Confirmed);
            }
            MemberPhase::Ended(_) => self.say_state(from, tag),
        }
    }

    pub(in crate::core) fn on_start(
        &mut self,
        now: Moment,
        from: HostId,
        tag: Tag,
        submitted: Submitted,
        gang: Option<Arc<Gang>>,
    ) {
        let (local, settings) = (self.id, self.settings);
        let home = self.home_of(tag.job).unwrap_or(from);
        let memory = self.owner.memories.get(&tag.job);
        let keepers = memory.map_or_else(Vec::new, |memory| memory.keepers.clone());
        let Some(held) = self.owner.held(tag) else {
            return self.refuse_start(from, tag, "it is not held here any more");
        };
        let row = &mut held.row;
        if row.coordinator != from || row.spec_hash != submitted.spec_hash {
            return self.refuse_start(from, tag, "another job is held here");
        }
        match row.phase {
            MemberPhase::Confirmed if F::NEVER_EXPIRE || now < row.heard.after(row.ttl) => {
                row.phase = MemberPhase::Starting;
                row.on_partition = submitted.spec.on_partition;
                row.grace = Duration::from_secs(submitted.spec.checkpoint_grace_seconds);
                let guard = stops_at::<F>(row, local, &settings);
                let guard = guard.filter(|_| !F::NEVER_STOP_SILENT);
                let command = start(row, (home, keepers), submitted, gang, guard);
                if !F::START_UNSAVED {
                    save(&mut self.outbox, held);
                }
                self.outbox.local(tag, command);
            }
            MemberPhase::Starting | MemberPhase::Running if F::START_AGAIN => {
                let command = start(row, (home, keepers), submitted, gang, None);
                self.outbox.local(tag, command);
            }
            MemberPhase::Reserved => self.refuse_start(from, tag, "it was not confirmed here"),
            MemberPhase::Confirmed | MemberPhase::Releasing => {
                self.refuse_start(from, tag, "its reservation has ended");
            }
            MemberPhase::Starting | MemberPhase::Running | MemberPhase::Ended(_) => {
                self.say_state(from, tag);
            }
        }
    }

    pub(in crate::core) fn on_release(&mut self, now: Moment, from: HostId, tag: Tag, term: Term) {
        self.owner.queue.leave_of(from, tag);
        match self.owner.members.get(&tag) {
            None => {
                // A reservation that this release has overtaken must find it closed. Kept in memory alone: a crash
                // that forgets it costs a reservation that is given back.
                if !self.owner.is_anothers(from, tag.job) && !self.owner.is_over(tag) {
                    self.save_forgotten(from, tag);
                    if let Some(memory) = self.owner.memories.get_mut(&tag.job) {
                        memory.term = memory.term.max(term);
                    }
                }
                self.outbox.send(from, tag, Body::Released);
            }
            Some(Entry::Asking(asking)) if asking.coordinator != from => {}
            Some(Entry::Held(held)) if held.row.coordinator != from => {}
            Some(_) => {
                self.supersede(now, tag);
                if F::RELEASED_AT_ONCE || !self.owner.members.contains_key(&tag) {
                    self.outbox.send(from, tag, Body::Released);
                }
            }
        }
    }

    pub(in crate::core) fn on_keep(&mut self, now: Moment, from: HostId, tag: Tag, sent: Moment) {
        let (local, settings) = (self.id, self.settings);
        let Some(held) = self.owner.held(tag) else {
            return;
        };
        let row = &mut held.row;
        // An echo from the future is of an earlier boot, or a lie.
        if row.coordinator != from || sent <= row.heard || sent > now {
            return;
        }
        row.heard = if F::COUNT_FROM_ANSWER { now } else { sent };
        if matches!(row.phase, MemberPhase::Reserved | MemberPhase::Confirmed) {
            let until = row.heard.after(row.ttl).after(LOCAL_SLACK);
            let command = LocalCommand::Renew {
                grant: row.grant,
                ttl: until.since(now),
            };
            self.outbox.local(tag, command);
        } else if let Some(until) = stops_at::<F>(row, local, &settings) {
            let command = LocalCommand::Guard {
                grant: row.grant,
                until,
            };
            self.outbox.local(tag, command);
        }
    }

    pub(in crate::core) fn on_query(&mut self, from: HostId, tag: Tag) {
        match self.owner.members.get(&tag) {
            Some(_) => self.say_state(from, tag),
            None => self.outbox.send(from, tag, Body::Released),
        }
    }

    /// Says how a member is. Where it is between two states, the end of that is said in time.
    fn say_state(&mut self, to: HostId, tag: Tag) {
        let Some(held) = self.owner.held(tag) else {
            return;
        };
        let body = match &held.row.phase {
            MemberPhase::Reserved => Body::Reserved(held.row.grant),
            MemberPhase::Confirmed => Body::Confirmed,
            MemberPhase::Running => Body::Started,
            MemberPhase::Ended(exit) => Body::Ended(exit.clone()),
            MemberPhase::Starting | MemberPhase::Releasing => return,
        };
        self.outbox.send(to, tag, body);
    }

    /// Ends a member that nobody wants any more.
    pub(super) fn supersede(&mut self, now: Moment, tag: Tag) {
        let held = match self.owner.members.get_mut(&tag) {
            None => return,
            Some(Entry::Asking(asking)) => {
                asking.given_up = true;
                return;
            }
            Some(Entry::Held(held)) => held,
        };
        held.released = true;
        if may_live(&held.row.phase) {
            return self.stop(tag);
        }
        match held.row.phase {
            MemberPhase::Ended(_) => self.close_member(tag),
            MemberPhase::Reserved | MemberPhase::Confirmed => self.give_back(now, tag),
            _ => {}
        }
    }

    /// Orders the end of a container, once.
    pub(super) fn stop(&mut self, tag: Tag) {
        let Some(held) = self.owner.held(tag) else {
            return;
        };
        if !std::mem::replace(&mut held.stopping, true) {
            let grace = held.row.grace;
            self.outbox.local(tag, LocalCommand::Stop { grace });
        }
    }

    /// Gives a lease back that no container has.
    pub(super) fn give_back(&mut self, now: Moment, tag: Tag) {
        let Some(held) = self.owner.held(tag) else {
            return;
        };
        held.row.phase = MemberPhase::Releasing;
        held.next_word = now;
        let grant = held.row.grant;
        save(&mut self.outbox, held);
        self.outbox.local(tag, LocalCommand::Release { grant });
    }

    pub(super) fn refuse(&mut self, to: HostId, tag: Tag, reason: &str) {
        // Where the store fails, refusals line up, and each would hold a record of its own.
        let speaks = !self.outbox.is_blocked();
        let own = self.fleet.get(self.id).filter(|_| speaks);
        let record = own.map(|host| Box::new(host.model.record().as_ref().clone()));
        let reason = reason.to_owned();
        self.outbox.send(to, tag, Body::Refused { reason, record });
    }

    fn refuse_start(&mut self, to: HostId, tag: Tag, reason: &str) {
        let reason = reason.to_owned();
        let lasting = false;
        self.outbox
            .send(to, tag, Body::StartRefused { reason, lasting });
    }
}

/// The order to start a held member.
fn start(
    row: &MemberRow,
    (home, keepers): (HostId, Vec<HostId>),
    submitted: Submitted,
    gang: Option<Arc<Gang>>,
    guard: Option<Moment>,
) -> LocalCommand {
    LocalCommand::Start {
        term: row.term,
        home,
        keepers,
        grant: row.grant,
        spec: submitted.spec,
        by: submitted.by,
        coordinator: row.coordinator,
        gang,
        guard,
    }
}

/// A row that is new: what an owner writes when its host has promised the devices.
pub(super) fn new_row(tag: Tag, asking: &Asking, grant: Grant, now: Moment) -> MemberRow {
    MemberRow {
        tag,
        coordinator: asking.coordinator,
        term: asking.term,
        spec_hash: asking.spec_hash,
        grant,
        phase: MemberPhase::Reserved,
        heard: now,
        ttl: asking.ttl,
        on_partition: OnPartition::Stop,
        grace: Duration::ZERO,
    }
}

/// What is written together with a new row, so that a crash forgets neither.
pub(super) fn memory_change(core_memory: Option<&crate::core::Memory>, tag: Tag) -> Option<Change> {
    core_memory.map(|memory| Change::PutMemory(tag.job, memory.clone()))
}
