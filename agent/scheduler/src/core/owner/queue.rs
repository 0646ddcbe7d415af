//! Those who wait here for their turn, and what that means for the others.
//!
//! Only an ask that says so waits; any other is refused at once, as ever, and takes its chance elsewhere. Who waits
//! is in one line, ordered by place ([`kerf_types::turn`]). Three rules make it end:
//! - nobody overtakes: while an older job waits, a younger one gets nothing of the kind that it waits for;
//! - an older job wounds: the submitting hosts of younger ones that merely have a reservation are told to give it up.
//!   Which they do unless their attempt is decided, and only they know that: nothing is taken here;
//! - a wait is short: [`Settings::hold_most`] for each, less for one whose submitting host is silent. A host that has kept devices
//!   idle for so long in vain rests: for [`Settings::hold_rest`] an ask waits for reservations of others alone, which
//!   end soon by themselves, and not for containers that run.
//!
//! It is in memory alone. A crash forgets it, and those who wait ask again: they do so all the time.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::peer::{Body, MemberAsk, Tag};
use kerf_types::{HostId, JobId, Moment, Place};

use super::hear::Wanted;
use super::{Entry, Held, Owner};
use crate::core::saved::MemberPhase;
use crate::core::settings::{LINE_LIMIT, Settings};
use crate::core::{Core, Faults};

/// The line.
#[derive(Debug, Default)]
pub(super) struct Queue {
    line: BTreeMap<(Place, Tag), Waiter>,
    /// Members whose submitting host was told to give them up.
    wounded: BTreeSet<Tag>,
    /// Until when nothing is kept idle for those who wait.
    rest_until: Option<Moment>,
    /// Whether something has become free, or somebody has left.
    woken: bool,
}

#[derive(Debug)]
struct Waiter {
    coordinator: HostId,
    wanted: Wanted,
    since: Moment,
    heard: Moment,
    /// Whether the local host is being asked for it.
    trying: bool,
}

/// Where a member that asks or is held stands, and what it is there for. Not known after a crash, nor of hosts that do
/// not know of turns: such a member is never told to give way.
#[derive(Debug, Clone)]
pub(super) struct Stand {
    pub place: Place,
    pub ask: MemberAsk,
}

impl Stand {
    pub(super) fn of(tag: Tag, wanted: &Wanted) -> Option<Self> {
        let turn = wanted.turn?;
        Some(Self {
            place: turn.place(tag.job),
            ask: wanted.ask.clone(),
        })
    }
}

/// Whether two want something of one kind. What exactly they would get, only the local host could say: so an ask for
/// another profile, on another GPU, waits too.
fn overlap(one: &MemberAsk, other: &MemberAsk) -> bool {
    (one.accelerator.is_some() && other.accelerator.is_some())
        || (one.cpu_milli.is_some() && other.cpu_milli.is_some())
        || (one.memory.is_some() && other.memory.is_some())
}

impl Queue {
    /// The oldest job that waits for what `job` wants too, where it is older. One without a place is the youngest.
    fn ahead(&self, place: Option<Place>, job: JobId, ask: &MemberAsk) -> Option<JobId> {
        let before = |other: &Place| place.is_none_or(|place| *other < place);
        let mut line = self.line.iter();
        let found = line.find(|((other, _), waiter)| {
            before(other) && other.job != job && overlap(&waiter.wanted.ask, ask)
        });
        found.map(|((other, _), _)| other.job)
    }

    /// Lines up. `false` where too many wait.
    fn join(&mut self, now: Moment, place: Place, tag: Tag, from: HostId, wanted: Wanted) -> bool {
        if let Some(known) = self.line.get_mut(&(place, tag)) {
            known.heard = now;
            return true;
        }
        if self.line.len() >= LINE_LIMIT {
            return false;
        }
        let waiter = Waiter {
            coordinator: from,
            wanted,
            since: now,
            heard: now,
            trying: false,
        };
        self.line.insert((place, tag), waiter);
        true
    }

    fn key(&self, tag: Tag) -> Option<(Place, Tag)> {
        self.line.keys().find(|(_, other)| *other == tag).copied()
    }

    /// Its submitting host still wants it.
    pub(super) fn heard(&mut self, now: Moment, from: HostId, tag: Tag) {
        let key = self.key(tag);
        let waiter = key.and_then(|key| self.line.get_mut(&key));
        if let Some(waiter) = waiter.filter(|waiter| waiter.coordinator == from) {
            waiter.heard = now;
        }
    }

    /// It has what it waited for, or nobody wants it any more.
    pub(super) fn leave(&mut self, tag: Tag) {
        if let Some(key) = self.key(tag) {
            self.line.remove(&key);
            self.woken = true;
        }
    }

    /// Its submitting host wants it no more.
    pub(super) fn leave_of(&mut self, from: HostId, tag: Tag) {
        let key = self.key(tag).and_then(|key| self.line.get(&key));
        if key.is_some_and(|waiter| waiter.coordinator == from) {
            self.leave(tag);
        }
    }

    /// A higher attempt at the same job asks: those of lower ones are over.
    pub(super) fn leave_older(&mut self, tag: Tag) {
        let over = |other: &Tag| other.job == tag.job && other.attempt < tag.attempt;
        let before = self.line.len();
        self.line.retain(|(_, other), _| !over(other));
        self.woken |= self.line.len() < before;
    }

    /// Something has become free.
    pub(super) fn wake(&mut self) {
        self.woken = !self.line.is_empty();
    }

    /// When one in the line has waited for as long as it may.
    fn ends(waiter: &Waiter, settings: &Settings) -> Moment {
        let silent = waiter.heard.after(waiter.wanted.ttl);
        silent.min(waiter.since.after(settings.hold_most))
    }

    pub(super) fn wakeup(&self, settings: &Settings) -> Option<Moment> {
        if self.woken && !self.line.is_empty() {
            return Some(Moment(0));
        }
        let waiting = self.line.values().filter(|waiter| !waiter.trying);
        waiting.map(|waiter| Self::ends(waiter, settings)).min()
    }
}

impl Owner {
    /// Members of other jobs with a reservation of what is wanted, by place; those without one last.
    fn rivals(&self, job: JobId, ask: &MemberAsk) -> Vec<(Option<Place>, &Held)> {
        let held = self.members.values().filter_map(|entry| match entry {
            Entry::Held(held) => Some(held),
            Entry::Asking(_) => None,
        });
        let reserved = held.filter(|held| {
            let stand = held.stand.as_ref();
            held.row.phase == MemberPhase::Reserved
                && held.row.tag.job != job
                && stand.is_none_or(|stand| overlap(&stand.ask, ask))
        });
        let placed = |held: &Held| held.stand.as_ref().map(|stand| stand.place);
        let mut rivals: Vec<_> = reserved.map(|held| (placed(held), held)).collect();
        rivals.sort_by_key(|(place, held)| (place.is_none(), *place, held.row.tag));
        rivals
    }

    /// Whether something of another job here will soon be decided or gone.
    fn is_settling(&self, job: JobId) -> bool {
        let mut others = self.members.iter().filter(|(tag, _)| tag.job != job);
        others.any(|(_, entry)| match entry {
            Entry::Asking(_) => true,
            Entry::Held(held) => matches!(
                held.row.phase,
                MemberPhase::Reserved | MemberPhase::Releasing
            ),
        })
    }
}

impl<F: Faults> Core<F> {
    /// An ask that nothing else speaks against: it is tried, or waits for its turn, or must come again.
    pub(super) fn reserve_in_turn(&mut self, now: Moment, from: HostId, tag: Tag, wanted: Wanted) {
        let place = wanted.turn.map(|turn| turn.place(tag.job));
        let waits = wanted.turn.is_some_and(|turn| turn.waits);
        let ahead = self.owner.queue.ahead(place, tag.job, &wanted.ask);
        let ahead = ahead.filter(|_| !F::OVERTAKE);
        match (place.filter(|_| waits), ahead) {
            (None, None) => self.try_to_reserve(from, tag, wanted),
            (None, Some(job)) => {
                self.refuse(from, tag, &format!("job {job} waits its turn here"));
            }
            (Some(place), ahead) => {
                if !self.owner.queue.join(now, place, tag, from, wanted) {
                    return self.refuse(from, tag, "as many jobs wait here as may");
                }
                match ahead {
                    Some(job) => self.say_waiting(from, tag, Some(job), "its turn is before"),
                    None => self.try_in_turn(place, tag),
                }
            }
        }
    }

    fn try_in_turn(&mut self, place: Place, tag: Tag) {
        let Some(waiter) = self.owner.queue.line.get_mut(&(place, tag)) else {
            return;
        };
        waiter.trying = true;
        let (from, wanted) = (waiter.coordinator, waiter.wanted.clone());
        self.try_to_reserve(from, tag, wanted);
    }

    /// The local host has refused, for want of room or not: whether the ask waits on all the same.
    pub(super) fn waits_on(&mut self, now: Moment, tag: Tag, room: bool, reason: &str) -> bool {
        let Some(key) = self.owner.queue.key(tag) else {
            return false;
        };
        let Some(waiter) = self.owner.queue.line.get_mut(&key) else {
            return false;
        };
        waiter.trying = false;
        let (from, ask) = (waiter.coordinator, waiter.wanted.ask.clone());
        let rests = self.owner.queue.rest_until.is_some_and(|until| now < until);
        if !room || (rests && !self.owner.is_settling(tag.job)) {
            self.owner.queue.leave(tag);
            return false;
        }
        let (place, _) = key;
        let rivals = self.owner.rivals(tag.job, &ask);
        let older = |rival: &Option<Place>| rival.is_some_and(|rival| rival < place);
        let older = rivals.iter().find(|(rival, _)| older(rival));
        let before = older.map(|(_, held)| held.row.tag.job);
        let wounded = self.wound(place, &ask);
        match (before, wounded) {
            (Some(job), _) => self.say_waiting(from, tag, Some(job), "it has a reservation"),
            (None, Some(job)) => {
                let reason = format!("job {job}, whose turn is later, is to give way");
                self.say_waiting(from, tag, None, &reason);
            }
            (None, None) => self.say_waiting(from, tag, None, reason),
        }
        true
    }

    /// Tells the submitting host of a younger reservation to give it up: of the youngest that was not told so, since
    /// one may be enough; where all were told, all again, since a message may be lost. Returns a job that was told.
    fn wound(&mut self, place: Place, ask: &MemberAsk) -> Option<JobId> {
        if F::NEVER_WOUND {
            return None;
        }
        let rivals = self.owner.rivals(place.job, ask);
        let younger = rivals
            .into_iter()
            .rev()
            .filter(|(rival, held)| rival.is_some_and(|rival| rival > place) && !held.released);
        let younger: Vec<(Tag, HostId)> = younger
            .map(|(_, held)| (held.row.tag, held.row.coordinator))
            .collect();
        let members = &self.owner.members;
        let wounded = &mut self.owner.queue.wounded;
        wounded.retain(|tag| members.contains_key(tag));
        let fresh = younger.iter().find(|(tag, _)| !wounded.contains(tag));
        let told: Vec<(Tag, HostId)> = match fresh.copied() {
            Some(youngest) => vec![youngest],
            None => younger,
        };
        for (tag, to) in &told {
            wounded.insert(*tag);
            self.outbox.send(*to, *tag, Body::Wound { by: place.job });
        }
        told.first().map(|(tag, _)| tag.job)
    }

    fn say_waiting(&mut self, to: HostId, tag: Tag, behind: Option<JobId>, reason: &str) {
        let reason = reason.to_owned();
        self.outbox.send(to, tag, Body::Waiting { behind, reason });
    }

    /// Lets those go who have waited too long, and tries those whose turn it is once something is free.
    pub(super) fn queue_tick(&mut self, now: Moment) {
        let settings = self.settings;
        let over = |waiter: &Waiter| !waiter.trying && Queue::ends(waiter, &settings) <= now;
        let line = self.owner.queue.line.iter();
        let over: Vec<(Place, Tag)> = line
            .filter(|(_, waiter)| over(waiter))
            .map(|(key, _)| *key)
            .collect();
        for (place, tag) in over {
            self.let_go(now, place, tag);
        }
        if !std::mem::take(&mut self.owner.queue.woken) {
            return;
        }
        let queue = &self.owner.queue;
        let first = |(key, waiter): (&(Place, Tag), &Waiter)| {
            let (place, _) = *key;
            let ahead = queue.ahead(Some(place), place.job, &waiter.wanted.ask);
            (!waiter.trying && (F::OVERTAKE || ahead.is_none())).then_some(*key)
        };
        let first: Vec<(Place, Tag)> = queue.line.iter().filter_map(first).collect();
        for (place, tag) in first {
            self.try_in_turn(place, tag);
        }
    }

    fn let_go(&mut self, now: Moment, place: Place, tag: Tag) {
        let queue = &mut self.owner.queue;
        let Some(waiter) = queue.line.remove(&(place, tag)) else {
            return;
        };
        queue.woken = true;
        let in_vain = waiter.since.after(self.settings.hold_most) <= now;
        let ask = &waiter.wanted.ask;
        if in_vain && queue.ahead(Some(place), place.job, ask).is_none() {
            queue.rest_until = Some(now.after(self.settings.hold_rest));
        }
        self.save_forgotten(waiter.coordinator, tag);
        self.refuse(
            waiter.coordinator,
            tag,
            "its turn here did not come in time",
        );
    }
}
