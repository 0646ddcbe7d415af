//! kerfd without its sockets: feeds the core, carries out what it wants in order, and keeps its batches.

use kerf_scheduler::core::{Change, Input, KeeperMessage, Output};
use kerf_types::peer::PeerMessage;
use kerf_types::{HostId, JobId, Timestamp};

use super::dice::between;
use super::engine::{Event, Happens, World};
use super::facts::Fact;
use super::jobs::BY;
use super::mutations::Broken;
use super::store::Batch;
use crate::world::{HostIndex, Micros, SECOND};

/// One millisecond.
pub(super) const MS: Micros = 1_000;

/// A client that got no answer asks again.
const ASK_AGAIN: Micros = 2 * SECOND;

impl World {
    /// A client hands a job over, and again until the host has it in its store.
    pub(super) fn submit(&mut self, id: JobId) {
        let Some(job) = self.jobs.all.get(&id).cloned() else {
            return;
        };
        if job.accepted.is_none() && self.now < self.shape.heal + 5 * SECOND {
            self.after(ASK_AGAIN, Event::Submit(id));
        }
        let host = &self.hosts[job.host];
        // kerfd knows the jobs of its store, also those that have ended; a doubled call is the same job.
        if job.accepted.is_some() || !host.acts(self.now) || host.store.knows(id) {
            return;
        }
        self.tell(Fact::Submitted {
            job: id,
            members: job.spec.members,
        });
        let submit = Input::Submit {
            job: id,
            spec: job.spec,
            spec_hash: job.spec_hash,
            by: BY,
            // All wall clocks are right here: what a wrong one does to the order of jobs is not looked at.
            at: Timestamp(self.now / MS),
        };
        self.step(job.host, submit);
    }

    /// A client wants a job to end. It is told that this is so once it is in the store.
    pub(super) fn cancel(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(id).cloned() else {
            return;
        };
        let host = &mut self.hosts[job.host];
        let saved = &host.store.saved;
        let kept = saved.jobs.contains_key(&id) || saved.registers.contains_key(&id);
        let kept = kept && host.store.full_until <= self.now;
        if !host.acts(self.now) || !kept {
            if job.ended.is_none() && !job.forgotten && self.now < self.shape.heal + 5 * SECOND {
                self.after(ASK_AGAIN, Event::Cancel(id));
            }
            return;
        }
        host.store.cancelled.insert(id);
        self.step(job.host, Input::Cancel { job: id });
    }

    /// A message comes to whichever kerfd is there.
    pub(super) fn deliver(&mut self, to: HostIndex, from: HostIndex, message: PeerMessage) {
        let from = self.hosts[from].id;
        self.step(to, Input::Message { from, message });
    }

    /// Feeds the core of a host.
    pub(super) fn step(&mut self, host: HostIndex, input: Input) {
        let own = self.hosts[host].clock.at(self.now);
        let Some(kerfd) = &mut self.hosts[host].kerfd else {
            return;
        };
        let mut out = Vec::new();
        kerfd.core.step(own, input, &mut out);
        for output in out {
            self.carry_out(host, output);
        }
        self.set_wake(host);
    }

    /// The core is due.
    pub(super) fn wake(&mut self, host: HostIndex) {
        let Some(kerfd) = &mut self.hosts[host].kerfd else {
            return;
        };
        // An alarm that was set for another time meanwhile rings for nothing.
        if kerfd.wake != Some(self.now) {
            let passed = kerfd.wake.is_none_or(|wake| wake > self.now);
            if passed {
                return;
            }
        }
        kerfd.wake = None;
        self.step(host, Input::Wake);
    }

    /// Sets the alarm of a core.
    pub(super) fn set_wake(&mut self, host: HostIndex) {
        let (now, clock) = (self.now, self.hosts[host].clock);
        let Some(kerfd) = &mut self.hosts[host].kerfd else {
            return;
        };
        let Some(due) = kerfd.core.next_wakeup() else {
            return;
        };
        let due = clock.when(due, now + MS);
        if kerfd.wake.is_none_or(|set| due < set) {
            kerfd.wake = Some(due);
            self.soon(host, due - now, Happens::Wake);
        }
    }

    fn carry_out(&mut self, host: HostIndex, output: Output) {
        match output {
            Output::Persist { batch, changes } => {
                let batch = Batch {
                    number: batch,
                    changes,
                };
                self.hosts[host].store.waiting.push_back(batch);
                if self.broken == Broken::StoreAcksEarly {
                    self.acknowledge_early(host);
                }
                self.write(host);
            }
            Output::Send { to, message } => self.send(host, to, message),
            Output::Local { tag, command } => self.command(host, tag, command),
            Output::Report(_) => {}
            Output::ToKeeper { to, message } => self.send_keeper(host, to, &message),
            // What a host lists for people is not looked at here.
            Output::Handed { .. } | Output::Took { .. } | Output::Forced { .. } => {}
        }
    }

    /// Sends to a peer, over a network that does its worst.
    fn send(&mut self, from: HostIndex, to: HostId, message: PeerMessage) {
        let Some(to) = self.places.get(&to).copied() else {
            return;
        };
        for delay in self.network.datagram(from, to) {
            self.after(delay, Event::Deliver(to, from, message.clone()));
        }
    }

    /// Sends to a peer that keeps the same job.
    fn send_keeper(&mut self, from: HostIndex, to: HostId, message: &KeeperMessage) {
        let Some(to) = self.places.get(&to).copied() else {
            return;
        };
        for delay in self.network.datagram(from, to) {
            let message = Box::new(message.clone());
            self.after(delay, Event::Keeper(to, from, message));
        }
    }

    /// Lets the disk begin with the oldest batch, unless it is at work.
    fn write(&mut self, host: HostIndex) {
        let now = self.now;
        let one = &mut self.hosts[host];
        let full = one.store.full_until > now;
        let Some(kerfd) = &mut one.kerfd else { return };
        if kerfd.writing || one.store.waiting.is_empty() {
            return;
        }
        kerfd.writing = true;
        let wait = match full {
            // It is tried again once a second.
            true => SECOND,
            false => between(&mut self.dice.hosts, MS, 12 * MS),
        };
        self.soon(host, wait, Happens::Written);
    }

    /// The disk has done what it was asked, or is full.
    pub(super) fn written(&mut self, host: HostIndex) {
        let now = self.now;
        let one = &mut self.hosts[host];
        if let Some(kerfd) = &mut one.kerfd {
            kerfd.writing = false;
        }
        if one.store.full_until <= now {
            // One commit takes in all that waits: they are acknowledged together.
            let mut last = None;
            while let Some(batch) = self.hosts[host].store.write_next() {
                last = Some(batch.number);
                self.made_durable(host, &batch);
            }
            if let Some(batch) = last.filter(|_| self.broken != Broken::StoreAcksEarly) {
                self.tell(Fact::Acknowledged { host, batch });
                self.step(host, Input::Persisted { batch });
            }
        }
        self.write(host);
    }

    /// Tells that a batch is durable. From here on a client is told that its job was taken.
    pub(super) fn made_durable(&mut self, host: HostIndex, batch: &Batch) {
        for change in &batch.changes {
            let (id, shared, over) = match change {
                Change::PutJob(row) => (row.job, row.term.is_shared(), false),
                Change::EndJob(id, _) => (*id, false, true),
                _ => continue,
            };
            if let Some(job) = self.jobs.all.get_mut(&id) {
                job.shared |= shared;
                job.accepted = job.accepted.or(Some(self.now));
                if over {
                    job.ended = job.ended.or(Some(self.now));
                }
            }
        }
        self.tell(Fact::Durable { host, batch });
    }

    /// A store without a flush says that all is kept that it was handed.
    fn acknowledge_early(&mut self, host: HostIndex) {
        let last = self.hosts[host].store.waiting.back();
        let Some(batch) = last.map(|batch| batch.number) else {
            return;
        };
        self.tell(Fact::Acknowledged { host, batch });
        self.after_step(host, batch);
    }

    fn after_step(&mut self, host: HostIndex, batch: u64) {
        let own = self.hosts[host].clock.at(self.now);
        let Some(kerfd) = &mut self.hosts[host].kerfd else {
            return;
        };
        let mut out = Vec::new();
        kerfd.core.step(own, Input::Persisted { batch }, &mut out);
        for output in out {
            self.carry_out(host, output);
        }
    }
}
