//! What the core wants of its own host: one task for each member that something is wanted of, which takes its
//! commands one after the other.

use std::time::Duration;

use kerf_scheduler::core::{Input, LocalCommand, LocalEvent};
use kerf_types::Moment;
use kerf_types::peer::Tag;

use super::containers::unseen;
use super::dice::{between, chance};
use super::engine::{Happens, World};
use super::host::{Run, Starting};
use super::kerfd::MS;
use super::mutations::Broken;
use crate::world::{HostIndex, Micros, SECOND};

/// What a container that is refused is told, where another host may be asked.
fn refused(reason: &str) -> LocalEvent {
    LocalEvent::StartRefused {
        reason: reason.to_owned(),
        lasting: false,
    }
}

impl World {
    /// Takes a command of the core.
    pub(super) fn command(&mut self, host: HostIndex, tag: Tag, command: LocalCommand) {
        match command {
            LocalCommand::Guard { until, .. } => return self.put_off(host, tag, until),
            LocalCommand::Stop { grace } => return self.stop(host, tag, grace),
            _ => {}
        }
        let Some(actor) = self.hosts[host].actor(tag) else {
            return;
        };
        if matches!(command, LocalCommand::Start { .. }) {
            // An order to stop was about a container before this one.
            actor.stop = None;
        }
        actor.queue.push_back(command);
        self.begin_next(host, tag);
    }

    fn begin_next(&mut self, host: HostIndex, tag: Tag) {
        let wait = between(&mut self.dice.hosts, MS / 2, 6 * MS);
        let Some(actor) = self.hosts[host].actor(tag) else {
            return;
        };
        if actor.busy {
            return;
        }
        if actor.queue.is_empty() {
            if let Some(kerfd) = &mut self.hosts[host].kerfd {
                kerfd.actors.remove(&tag);
            }
            return;
        }
        actor.busy = true;
        self.soon(host, wait, Happens::Do(tag));
    }

    /// The task of a member takes its next command.
    pub(super) fn next_command(&mut self, host: HostIndex, tag: Tag) {
        let command = self.hosts[host]
            .actor(tag)
            .and_then(|actor| actor.queue.pop_front());
        let Some(command) = command else { return };
        match command {
            LocalCommand::Reserve { ask, ttl, .. } => {
                let (event, time) = self.reserve(host, tag, &ask, ttl);
                self.soon(host, time, Happens::Answer(tag, event));
            }
            LocalCommand::Renew { grant, ttl } => {
                let until = self.hosts[host].clock.at(self.now).after(ttl);
                if let Some(lease) = self.hosts[host].leases.get_mut(&grant.lease) {
                    lease.expires = until;
                }
                self.done(host, tag);
            }
            LocalCommand::Release { grant } => match self.release(host, grant) {
                true => {
                    let event = LocalEvent::Released(grant);
                    let wait = between(&mut self.dice.hosts, MS, 20 * MS);
                    self.soon(host, wait, Happens::Answer(tag, event));
                }
                false => {
                    // The GPU does not answer: it is tried again.
                    if let Some(actor) = self.hosts[host].actor(tag) {
                        actor.queue.push_front(LocalCommand::Release { grant });
                    }
                    self.soon(host, SECOND, Happens::Do(tag));
                }
            },
            LocalCommand::Start {
                grant,
                spec,
                coordinator,
                term,
                keepers,
                guard,
                ..
            } => {
                let spec_hash = self.jobs.get(tag.job).map(|job| job.spec_hash);
                let run = Run {
                    coordinator,
                    term,
                    keepers,
                    spec: spec.clone(),
                    spec_hash: spec_hash.unwrap_or(kerf_types::peer::SpecHash([0; 32])),
                    grant,
                    made: false,
                    ended: None,
                    seen: false,
                    refused: false,
                };
                self.hosts[host].runs.insert(tag, run);
                let starting = Starting { grant, spec, guard };
                if let Some(actor) = self.hosts[host].actor(tag) {
                    actor.starting = Some(starting);
                }
                let wait = self.start_time();
                self.soon(host, wait, Happens::Launch(tag));
            }
            LocalCommand::Find { .. } => {
                let event = self.find(host, tag);
                let wait = between(&mut self.dice.hosts, MS, 20 * MS);
                self.soon(host, wait, Happens::Answer(tag, event));
            }
            LocalCommand::Stop { .. } | LocalCommand::Guard { .. } => self.done(host, tag),
        }
    }

    /// How long a container takes to be made: its image may have to be pulled.
    fn start_time(&mut self) -> Micros {
        let dice = &mut self.dice.hosts;
        match chance(dice, 60) {
            true => between(dice, SECOND, 8 * SECOND),
            false => between(dice, 10 * MS, 120 * MS),
        }
    }

    fn done(&mut self, host: HostIndex, tag: Tag) {
        if let Some(actor) = self.hosts[host].actor(tag) {
            actor.busy = false;
        }
        self.begin_next(host, tag);
    }

    /// What came of a command is told, and the next one begins.
    pub(super) fn answer(&mut self, host: HostIndex, tag: Tag, event: LocalEvent) {
        self.show(host);
        let event = match event {
            LocalEvent::Refused { reason, room, .. } => {
                let record = self.hosts[host]
                    .kerfd
                    .as_ref()
                    .and_then(|kerfd| kerfd.record.clone());
                let record = record.map(|record| Box::new(record.as_ref().clone()));
                LocalEvent::Refused {
                    reason,
                    room,
                    record,
                }
            }
            other => other,
        };
        self.step(host, Input::Local { tag, event });
        self.show(host);
        self.done(host, tag);
    }

    /// The container of a member is asked for: with a lease that is there, unless it is not wanted any more.
    pub(super) fn launch(&mut self, host: HostIndex, tag: Tag) {
        let own = self.hosts[host].clock.at(self.now);
        let Some(actor) = self.hosts[host].actor(tag) else {
            return;
        };
        let Some(starting) = actor.starting.take() else {
            return;
        };
        let stopped = actor.stop.is_some();
        let passed = starting.guard.is_some_and(|guard| guard <= own);
        let event = if stopped {
            refused("it was stopped before it ran")
        } else if passed && self.broken != Broken::StartsUnguarded {
            refused("its submitting host is silent")
        } else if chance(&mut self.dice.hosts, 15) && self.setup.scenario != super::Scenario::Gang {
            refused("its image cannot be read")
        } else {
            match self.make_container(host, tag, &starting) {
                Ok(()) => LocalEvent::Started,
                Err(reason) => refused(&reason),
            }
        };
        if let Some(run) = self.hosts[host].runs.get_mut(&tag) {
            run.refused |= event != LocalEvent::Started;
        }
        self.answer(host, tag, event);
    }

    /// Orders the end of a container, or of one that is being made.
    fn stop(&mut self, host: HostIndex, tag: Tag, grace: Duration) {
        if self.hosts[host].containers.contains_key(&tag) {
            return self.signal(host, tag, grace);
        }
        if let Some(actor) = self.hosts[host].actor(tag) {
            actor.stop = Some(grace);
        }
        self.begin_next(host, tag);
    }

    /// Puts the end of a container off, or of one that is being made.
    fn put_off(&mut self, host: HostIndex, tag: Tag, until: Moment) {
        let one = &mut self.hosts[host];
        if let Some(container) = one.containers.get_mut(&tag)
            && container.guard.is_some()
        {
            container.guard = Some(until);
            let number = container.number;
            return self.stand_guard(host, tag, number, until);
        }
        let actor = one
            .kerfd
            .as_mut()
            .and_then(|kerfd| kerfd.actors.get_mut(&tag));
        let Some(actor) = actor else { return };
        if let Some(starting) = &mut actor.starting {
            starting.guard = starting.guard.map(|_| until);
        }
        for command in &mut actor.queue {
            if let LocalCommand::Start { guard, .. } = command {
                *guard = guard.map(|_| until);
            }
        }
    }

    /// Says how a member is that an earlier kerfd has started.
    fn find(&mut self, host: HostIndex, tag: Tag) -> LocalEvent {
        let runs = self.hosts[host].containers.contains_key(&tag);
        if runs && self.broken == Broken::FindsNothing {
            return LocalEvent::NotFound;
        }
        let Some(run) = self.hosts[host].runs.get_mut(&tag) else {
            return LocalEvent::NotFound;
        };
        if runs {
            return LocalEvent::Started;
        }
        if !run.made {
            run.refused = true;
            return LocalEvent::NotFound;
        }
        run.seen = true;
        LocalEvent::Ended(run.ended.get_or_insert_with(unseen).clone())
    }

    /// Of what kerfd was doing when it died, some was done.
    pub(super) fn finish_some(&mut self, host: HostIndex) {
        let Some(kerfd) = &mut self.hosts[host].kerfd else {
            return;
        };
        let actors = std::mem::take(&mut kerfd.actors);
        for (tag, actor) in actors {
            if let Some(starting) = actor.starting {
                // containerd was asked a moment ago, and makes it although nobody waits for it.
                let own = self.hosts[host].clock.at(self.now);
                let passed = starting.guard.is_some_and(|guard| guard <= own);
                if !passed && chance(&mut self.dice.hosts, 400) {
                    drop(self.make_container(host, tag, &starting));
                }
                continue;
            }
            match actor.queue.front() {
                Some(LocalCommand::Reserve { ask, ttl, .. })
                    if chance(&mut self.dice.hosts, 300) =>
                {
                    self.half_reserve(host, tag, ask, *ttl);
                }
                Some(LocalCommand::Release { grant }) if chance(&mut self.dice.hosts, 500) => {
                    self.release(host, *grant);
                }
                _ => {}
            }
        }
    }
}
