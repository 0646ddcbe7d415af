//! One host: its core, its disk, its hardware, and what happens when it dies.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use kerf_types::peer::{Exit, Tag};
use kerf_types::{HostId, JobId, Moment};

use super::local::LocalHost;
use super::{Event, World, older};
use crate::core::{
    Change, Core, Faults, LocalCommand, LocalEvent, MemberRow, Memory, Saved, Settings,
};
use crate::fleet::Liveness;
use crate::tests::fixture::host_id;

pub struct Node<F: Faults> {
    pub core: Option<Core<F>>,
    /// What is durable.
    pub saved: Saved,
    /// Written and not yet durable.
    pub disk: VecDeque<(u64, Vec<Change>)>,
    pub local: LocalHost,
    /// What the local host was asked and has not done.
    pub todo: VecDeque<(Tag, LocalCommand)>,
    /// Ends of containers that nobody was there to see.
    pub unseen: Vec<(Tag, Option<i32>)>,
    pub life: u64,
    pub wake: Option<Moment>,
    pub outputs: u64,
    /// How much it has said of registers.
    pub told_keepers: u32,
    /// Forces that it has told of: the job, by whom, who was given up.
    pub forced: Vec<(JobId, HostId, Vec<HostId>)>,
    /// Its clock: thousandths of its rate, and what is added in milliseconds.
    clock: (u64, i64),
    number: u8,
}

impl<F: Faults> Node<F> {
    pub fn new(number: u8, slices: usize) -> Self {
        Self {
            core: None,
            saved: Saved::default(),
            disk: VecDeque::new(),
            local: LocalHost::new(number, slices),
            todo: VecDeque::new(),
            unseen: Vec::new(),
            life: 0,
            wake: None,
            outputs: 0,
            told_keepers: 0,
            forced: Vec::new(),
            // Hours apart, and of different rate.
            clock: (
                995 + u64::from(number % 3) * 5,
                i64::from(number) * 3_600_000,
            ),
            number,
        }
    }

    /// What its own clock says.
    pub fn clock(&self, now: Moment) -> Moment {
        let (rate, offset) = self.clock;
        let own = now.0 * rate / 1_000;
        Moment(own.saturating_add_signed(offset))
    }

    /// When its clock says so.
    pub fn world_time(&self, own: Moment) -> Moment {
        let (rate, offset) = self.clock;
        let since = own.0.saturating_add_signed(-offset);
        Moment((since * 1_000).div_ceil(rate))
    }

    /// Its clock begins at zero.
    fn reset_clock(&mut self, now: Moment) {
        let own = now.0 * self.clock.0 / 1_000;
        self.clock.1 = -i64::try_from(own).expect("not so late");
    }
}

impl<F: Faults> World<F> {
    /// A core begins from what is durable.
    pub fn boot(&mut self, host: usize) {
        let seed = self.rng.next_u64();
        let now = self.now;
        let settings = match self.older.contains(&host) {
            true => older::settings(self.settings),
            false => self.settings,
        };
        let node = &mut self.nodes[host];
        if node.core.is_some() {
            return;
        }
        node.life += 1;
        node.wake = None;
        let saved = node.saved.clone();
        let store_epoch = if self.keeps {
            node.local.epoch.into()
        } else {
            0
        };
        let settings = Settings {
            store_epoch,
            ..settings
        };
        let id = host_id(node.number);
        let own = node.clock(now);
        node.core = Some(Core::recover(id, settings, seed, saved, own));
        node.local.expire(now);
        self.handle(Event::Wake(host, self.nodes[host].life));
        self.notice(host, Liveness::Alive, Duration::from_millis(500));
    }

    /// The core and what it was about to do are gone. Of what was asked of disk and hardware, some is done.
    pub fn crash(&mut self, host: usize) {
        if self.nodes[host].core.is_none() {
            return;
        }
        let written = self.nodes[host].disk.len();
        let kept = self.rng.index(written + 1);
        let written = &self.nodes[host].disk;
        let last = kept.checked_sub(1).map(|last| written[last].0);
        if let Some(last) = last {
            self.sync(host, last);
        }
        while !self.nodes[host].todo.is_empty() {
            if self.rng.below(2) == 0 {
                self.do_local(host, false);
            } else {
                self.nodes[host].todo.pop_front();
            }
        }
        let node = &mut self.nodes[host];
        node.disk.clear();
        node.core = None;
        node.life += 1;
        self.notice(host, Liveness::Down, Duration::from_secs(5));
    }

    /// Everything that a core has ever written is gone; what runs goes on, and is taken up by what stands with it.
    pub fn lose_store(&mut self, host: usize) {
        self.crash(host);
        let now = self.now;
        let node = &mut self.nodes[host];
        node.local.epoch += 1;
        node.saved = Saved::default();
        let own = node.clock(now);
        for (tag, container) in &node.local.containers {
            let row = MemberRow {
                grant: container.grant,
                heard: own,
                tag: *tag,
                ..container.row.clone()
            };
            let memory = Memory {
                coordinator: row.coordinator,
                term: row.term,
                keepers: container.keepers.clone(),
                highest: tag.attempt,
                closed: BTreeSet::new(),
            };
            node.saved.members.insert(*tag, row);
            node.saved.memories.insert(tag.job, memory);
        }
        node.local.forget_reservations();
    }

    /// The whole host is without power for a moment: containers and leases are gone, and its clock begins anew.
    pub fn lose_power(&mut self, host: usize) {
        self.crash(host);
        let now = self.now;
        let node = &mut self.nodes[host];
        let lost = node.local.containers.keys().map(|tag| (*tag, None));
        node.unseen.extend(lost);
        node.local.clear();
        node.reset_clock(now);
    }

    /// Does the oldest thing that the local host was asked, and answers if somebody is there to hear it.
    pub fn do_local(&mut self, host: usize, answered: bool) {
        let now = self.now;
        let Some((tag, command)) = self.nodes[host].todo.pop_front() else {
            return;
        };
        let local = &mut self.nodes[host].local;
        local.expire(now);
        let event = match command {
            LocalCommand::Reserve { ask, ttl, .. } => {
                Some(local.reserve(now, tag, &ask, ttl, &mut self.rng))
            }
            LocalCommand::Renew { grant, ttl } => {
                local.renew(now, grant, ttl);
                None
            }
            LocalCommand::Release { grant } => Some(local.release(now, grant)),
            LocalCommand::Guard { until, .. } => {
                let until = self.nodes[host].world_time(until);
                let local = &mut self.nodes[host].local;
                if let Some(container) = local.containers.get_mut(&tag) {
                    container.guard = Some(until);
                    self.at(until.since(now), Event::Guard(host, tag));
                }
                None
            }
            LocalCommand::Start {
                grant,
                spec,
                guard,
                coordinator,
                term,
                keepers,
                ..
            } => {
                let guard = guard.map(|guard| self.nodes[host].world_time(guard));
                let local = &mut self.nodes[host].local;
                let event = local.start(now, tag, grant, &spec, guard, &mut self.rng);
                if let Some(container) = local.containers.get_mut(&tag) {
                    container.keepers = keepers;
                    container.row.coordinator = coordinator;
                    container.row.term = term;
                }
                if event == LocalEvent::Started {
                    let ends = local.containers[&tag].ends;
                    let alive = self.tags_alive();
                    self.checker.started(tag, alive.into_iter());
                    self.at(ends.since(now), Event::End(host, tag));
                    if let Some(guard) = guard {
                        self.at(guard.since(now), Event::Guard(host, tag));
                    }
                }
                Some(event)
            }
            LocalCommand::Stop { .. } => {
                self.check_stop(tag);
                self.nodes[host].local.end(tag, Some(137))
            }
            LocalCommand::Find { .. } => Some(self.find(host, tag)),
        };
        if let Some(event) = event.filter(|_| answered) {
            self.answer(host, tag, event);
        }
    }

    /// I3, where nothing else may end a gang: one that runs whole is not ended for another.
    fn check_stop(&mut self, tag: Tag) {
        let of_attempt = |other: &Tag| (other.job, other.attempt) == (tag.job, tag.attempt);
        let alive = self.tags_alive().into_iter().filter(of_attempt).count();
        let members = self.checker.members.get(&tag.job).copied();
        if self.calm && u32::try_from(alive).ok() == members {
            let text = format!("I3: {tag} is stopped while all of its gang runs");
            self.checker.violations.push(text);
        }
    }

    fn find(&mut self, host: usize, tag: Tag) -> LocalEvent {
        let node = &mut self.nodes[host];
        if node.local.containers.contains_key(&tag) {
            return LocalEvent::Started;
        }
        let seen = node.unseen.iter().position(|(ended, _)| *ended == tag);
        match seen.map(|at| node.unseen.remove(at)) {
            Some((_, code)) => LocalEvent::Ended(Exit {
                timed_out: false,
                code,
                reason: format!("exit {code:?}"),
            }),
            None => LocalEvent::NotFound,
        }
    }

    /// A guard passes: unless it was renewed, the container ends, also where no core is alive.
    pub fn guard(&mut self, host: usize, tag: Tag) {
        let container = self.nodes[host].local.containers.get(&tag);
        let guard = container.and_then(|container| container.guard);
        if guard.is_some_and(|guard| guard <= self.now) {
            self.end_container(host, tag, Some(137));
        }
    }

    /// A container ends, by itself or by a signal.
    pub fn end_container(&mut self, host: usize, tag: Tag, signal: Option<i32>) {
        let node = &mut self.nodes[host];
        let Some(own) = node.local.containers.get(&tag).map(|one| one.code) else {
            return;
        };
        let code = signal.unwrap_or(own);
        let event = node.local.end(tag, Some(code));
        if node.core.is_none() {
            node.unseen.push((tag, Some(code)));
        } else if let Some(event) = event {
            self.answer(host, tag, event);
        }
    }

    fn answer(&mut self, host: usize, tag: Tag, event: LocalEvent) {
        let life = self.nodes[host].life;
        let wait = Duration::from_millis(1 + self.rng.below(20));
        self.at(wait, Event::Answer(host, life, tag, event));
    }
}
