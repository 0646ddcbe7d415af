//! The owner's side: what this host holds for jobs, whoever submitted them.
//!
//! It alone grants, and a grant lives only as long as somebody says that it is wanted. How long that is counts
//! on this host's own clock: the moment of the last `Alive` that was answered, so that no delay of the answer
//! makes it longer.

mod follow;
mod hear;
mod local;
mod queue;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kerf_types::peer::{Attempt, SpecHash, Tag, Term};
use kerf_types::{HostId, JobId, Moment};

use super::outbox::Outbox;
use super::saved::{Change, MemberPhase, MemberRow, Memory};
use super::settings::MEMORY_LIMIT;
use super::{Core, Faults};

pub(super) use hear::Wanted;
use queue::{Queue, Stand};

/// What this host holds, and what it knows of attempts.
#[derive(Debug, Default)]
pub(super) struct Owner {
    members: BTreeMap<Tag, Entry>,
    memories: BTreeMap<JobId, Memory>,
    queue: Queue,
}

/// A member of which something is here.
#[derive(Debug)]
enum Entry {
    /// The local host was asked for devices and has not answered.
    Asking(Asking),
    /// It has a grant, or had one.
    Held(Held),
}

#[derive(Debug)]
struct Asking {
    coordinator: HostId,
    term: Term,
    spec_hash: SpecHash,
    ttl: Duration,
    /// Nobody wants it any more: what comes is given back.
    given_up: bool,
    stand: Option<Stand>,
}

#[derive(Debug)]
struct Held {
    row: MemberRow,
    /// When it next says that it is here, or that it has ended.
    next_word: Moment,
    /// Its end was ordered.
    stopping: bool,
    /// Its submitter wants nothing of it any more.
    released: bool,
    stand: Option<Stand>,
}

impl Owner {
    pub(super) fn recover(
        rows: BTreeMap<Tag, MemberRow>,
        memories: BTreeMap<JobId, Memory>,
        now: Moment,
    ) -> Self {
        let entry = |(tag, mut row): (Tag, MemberRow)| {
            if may_live(&row.phase) {
                // Nobody writes down each time that a member was kept, so the row's own moment is long past. What
                // bounds a container meanwhile is its guard, which knows the true one and is put off by the next
                // answer alone. Just before now: an answer to a word of this very moment must count.
                row.heard = Moment(now.0.saturating_sub(1));
            } else {
                // After a boot the clock begins anew; what is then in the future is taken for now.
                row.heard = row.heard.min(now);
            }
            let held = Held {
                row,
                next_word: now,
                stopping: false,
                released: false,
                stand: None,
            };
            (tag, Entry::Held(held))
        };
        Self {
            members: rows.into_iter().map(entry).collect(),
            memories,
            queue: Queue::default(),
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &MemberRow> {
        self.members.values().filter_map(|entry| match entry {
            Entry::Held(held) => Some(&held.row),
            Entry::Asking(_) => None,
        })
    }

    fn held(&mut self, tag: Tag) -> Option<&mut Held> {
        match self.members.get_mut(&tag)? {
            Entry::Held(held) => Some(held),
            Entry::Asking(_) => None,
        }
    }

    /// The host tells something new of itself: what somebody waits for may be free.
    pub(super) fn own_record(&mut self) {
        self.queue.wake();
    }

    /// Whether a member is over here, or its attempt is.
    fn is_over(&self, tag: Tag) -> bool {
        self.memories.get(&tag.job).is_some_and(|memory| {
            tag.attempt < memory.highest
                || (tag.attempt == memory.highest && memory.closed.contains(&tag.member))
        })
    }

    /// Whether a job is known under this id that was submitted to another host. Ids are no secret, and whoever
    /// repeats one must neither end that job nor keep it away.
    fn is_anothers(&self, coordinator: HostId, job: JobId) -> bool {
        let known = self.memories.get(&job);
        known.is_some_and(|memory| memory.coordinator != coordinator)
    }

    /// Takes note that an attempt exists.
    fn note(&mut self, coordinator: HostId, job: JobId, attempt: Attempt) -> &mut Memory {
        let memory = self.memories.entry(job).or_insert_with(|| Memory {
            coordinator,
            term: Term::NONE,
            keepers: Vec::new(),
            highest: attempt,
            closed: BTreeSet::new(),
        });
        if attempt > memory.highest {
            memory.highest = attempt;
            memory.closed.clear();
        }
        memory
    }

    /// Takes note that a member is over. Returns what is to be saved.
    fn close(&mut self, coordinator: HostId, tag: Tag) -> Vec<Change> {
        let memory = self.note(coordinator, tag.job, tag.attempt);
        if tag.attempt == memory.highest {
            memory.closed.insert(tag.member);
        }
        let mut changes = vec![Change::PutMemory(tag.job, memory.clone())];
        while self.memories.len() > MEMORY_LIMIT {
            // Job ids begin with their time, so the first that nothing is held for is the oldest.
            let busy: BTreeSet<JobId> = self.members.keys().map(|tag| tag.job).collect();
            let mut idle = self.memories.keys().filter(|job| !busy.contains(job));
            let Some(oldest) = idle.next().copied().filter(|job| *job != tag.job) else {
                break;
            };
            self.memories.remove(&oldest);
            changes.push(Change::DropMemory(oldest));
        }
        changes
    }

    /// Members of lower attempts at a job.
    fn older(&self, tag: Tag) -> Vec<Tag> {
        let of_job = self.members.keys().filter(|own| own.job == tag.job);
        of_job
            .filter(|own| own.attempt < tag.attempt)
            .copied()
            .collect()
    }
}

/// Writes a member down.
fn save<F: Faults>(outbox: &mut Outbox<F>, held: &Held) {
    outbox.save(Change::PutMember(Box::new(held.row.clone())));
}

impl<F: Faults> Core<F> {
    /// Takes note that a member is over, in memory alone; what is forgotten for it is forgotten in the store too.
    fn save_forgotten(&mut self, coordinator: HostId, tag: Tag) {
        for change in self.owner.close(coordinator, tag) {
            if matches!(change, Change::DropMemory(_)) {
                self.outbox.save(change);
            }
        }
    }

    /// Nothing of a member is left: writes that down.
    fn close_member(&mut self, tag: Tag) {
        let coordinator = match self.owner.members.remove(&tag) {
            Some(Entry::Held(held)) => held.row.coordinator,
            Some(Entry::Asking(asking)) => asking.coordinator,
            None => return,
        };
        self.owner.queue.wake();
        self.outbox.save(Change::DropMember(tag));
        for change in self.owner.close(coordinator, tag) {
            if !F::FORGET_CLOSED {
                self.outbox.save(change);
            }
        }
    }
}

/// Whether a phase is one in which a container may be alive.
fn may_live(phase: &MemberPhase) -> bool {
    matches!(phase, MemberPhase::Starting | MemberPhase::Running)
}
