//! Containers, their guards and their ends. They outlive kerfd, as processes do.

use std::time::Duration;

use kerf_scheduler::core::{Input, LocalEvent};
use kerf_types::Moment;
use kerf_types::peer::{Exit, Tag};

use super::devices::State;
use super::dice::{between, chance};
use super::engine::{Event, Happens, World};
use super::facts::{Fact, Share};
use super::host::{Container, Starting};
use super::kerfd::MS;
use super::mutations::Broken;
use crate::world::{HostIndex, Micros, SECOND};

/// How long a guard is late at most, beyond the job's own grace.
const GUARD_LATE: Micros = SECOND;

/// An end that nobody saw.
pub(super) fn unseen() -> Exit {
    Exit {
        code: None,
        timed_out: false,
        reason: "nobody saw its exit code".to_owned(),
    }
}

fn exit(code: Option<i32>) -> Exit {
    match code {
        None => unseen(),
        Some(code) => Exit {
            code: Some(code),
            timed_out: false,
            reason: format!("exit code {code}"),
        },
    }
}

fn micros(time: Duration) -> Micros {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 2)
}

impl World {
    /// Makes a container, if the lease that it comes with is there. This is the last fence.
    pub(super) fn make_container(
        &mut self,
        host: HostIndex,
        tag: Tag,
        starting: &Starting,
    ) -> Result<(), String> {
        let grant = starting.grant;
        let one = &mut self.hosts[host];
        let lease = one.leases.get_mut(&grant.lease);
        let fits = |lease: &super::host::Lease| {
            lease.grant == grant && lease.tag == tag && !lease.releasing
        };
        let shares = match lease {
            Some(lease) if fits(lease) => {
                lease.active = true;
                lease.shares.clone()
            }
            _ if self.broken == Broken::AnyFenceWillDo => self.last_shares(host, tag),
            _ => return Err("its lease is gone".to_owned()),
        };
        let there = |share: &Share| {
            let devices = &self.hosts[host].devices;
            devices.state(share.gpu) != State::Lost && !devices.has_vanished(share)
        };
        if self.broken != Broken::AnyFenceWillDo && !shares.iter().all(there) {
            return Err("its devices are gone".to_owned());
        }
        self.meter.containers += 1;
        let number = self.meter.containers;
        let container = Container {
            grant,
            shares: shares.clone(),
            number,
            guard: starting.guard,
            grace: Duration::from_secs(starting.spec.checkpoint_grace_seconds),
            stopping: false,
            ours: true,
        };
        let one = &mut self.hosts[host];
        one.containers.insert(tag, container);
        if let Some(run) = one.runs.get_mut(&tag) {
            run.made = true;
        }
        self.tell(Fact::Started {
            host,
            tag,
            grant,
            shares: &shares,
        });
        if let Some(until) = starting.guard {
            self.stand_guard(host, tag, number, until);
        }
        self.let_it_run(host, tag, number);
        Ok(())
    }

    /// What a member had when its lease was given, whether it still has it or not.
    fn last_shares(&self, host: HostIndex, tag: Tag) -> Vec<Share> {
        self.meter
            .given
            .get(&(host, tag))
            .cloned()
            .unwrap_or_default()
    }

    fn let_it_run(&mut self, host: HostIndex, tag: Tag, number: u64) {
        let runs = self.jobs.get(tag.job).map_or(SECOND, |job| job.runs);
        let gang = self.setup.scenario == super::Scenario::Gang;
        let fails = !gang && chance(&mut self.dice.hosts, 60);
        let code = i32::from(fails);
        self.after(runs, Event::End(host, tag, number, Some(code)));
    }

    /// A guard looks at the deadline as it is then.
    pub(super) fn stand_guard(&mut self, host: HostIndex, tag: Tag, number: u64, until: Moment) {
        let one = &self.hosts[host];
        let grace = one.containers.get(&tag).map_or(0, |one| micros(one.grace));
        let late = between(&mut self.dice.hosts, GUARD_LATE / 10, GUARD_LATE);
        let at = one.clock.when(until, self.now).saturating_add(grace + late);
        self.at(at, Event::Guard(host, tag, number));
    }

    /// The guard of a container may have passed: it kills it, also where no kerfd is alive.
    pub(super) fn guard(&mut self, host: HostIndex, tag: Tag, number: u64) {
        let one = &self.hosts[host];
        let own = one.clock.at(self.now);
        let passed = one.containers.get(&tag).is_some_and(|container| {
            let end = container.guard.map(|until| until.after(container.grace));
            container.number == number && end.is_some_and(|end| end <= own)
        });
        if passed && self.broken != Broken::GuardSleeps {
            self.kill(host, tag);
            self.end_container(host, tag, number, None);
        }
    }

    /// Says that a container is killed.
    pub(super) fn kill(&mut self, host: HostIndex, tag: Tag) {
        let ours = self.hosts[host]
            .containers
            .get(&tag)
            .is_some_and(|one| one.ours);
        self.tell(Fact::Killed { host, ours });
    }

    /// Signals a container: it ends by itself within the grace, or is killed after it.
    pub(super) fn signal(&mut self, host: HostIndex, tag: Tag, grace: Duration) {
        let obeys = chance(&mut self.dice.hosts, 700);
        let after = match obeys {
            true => between(&mut self.dice.hosts, 5 * MS, micros(grace).max(20 * MS)),
            false => micros(grace) + between(&mut self.dice.hosts, 5 * MS, 50 * MS),
        };
        let Some(container) = self.hosts[host].containers.get_mut(&tag) else {
            return;
        };
        if std::mem::replace(&mut container.stopping, true) {
            return;
        }
        let number = container.number;
        self.kill(host, tag);
        self.after(after, Event::End(host, tag, number, None));
    }

    /// A container ends. containerd knows it, whoever looks.
    pub(super) fn end_container(
        &mut self,
        host: HostIndex,
        tag: Tag,
        number: u64,
        code: Option<i32>,
    ) {
        let one = &mut self.hosts[host];
        let is_it = |one: &Container| one.number == number;
        if !one.containers.get(&tag).is_some_and(is_it) {
            return;
        }
        one.containers.remove(&tag);
        let exit = exit(code);
        self.tell(Fact::Ended { host, tag });
        if self.hosts[host].kerfd.is_some() {
            let wait = between(&mut self.dice.hosts, MS, 15 * MS);
            self.soon(host, wait, Happens::Tidy(tag, exit));
        }
        // Where kerfd dies before it has seen that, the exit code stays with containerd.
        if let Some(run) = self.hosts[host].runs.get_mut(&tag) {
            run.ended = Some(self::exit(code));
        }
    }

    /// kerfd sees the end: what the container had is made clean, and the core hears of it.
    pub(super) fn tidy(&mut self, host: HostIndex, tag: Tag, exit: Exit) {
        let run = self.hosts[host].runs.get_mut(&tag);
        let grant = run.map(|run| {
            run.seen = true;
            run.grant
        });
        if let Some(grant) = grant {
            self.release(host, grant);
        }
        self.show(host);
        let event = LocalEvent::Ended(exit);
        self.step(host, Input::Local { tag, event });
        self.show(host);
    }
}
