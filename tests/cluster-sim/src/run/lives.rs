//! Starts and ends of kerfd and of whole hosts, and what is found after each.

use std::collections::BTreeSet;

use kerf_scheduler::core::{Input, MemberPhase, MemberRow, Memory};
use kerf_scheduler::{Saved, Settings};
use kerf_types::Moment;
use kerf_types::peer::Tag;

use super::devices::UNITS;
use super::engine::{Happens, World};
use super::facts::{Fact, Owner, Share};
use super::gossip::Peers;
use super::host::{Container, Host, Kerfd};
use super::kerfd::MS;
use super::mutations::Broken;
use super::store::Batch;
use crate::world::HostIndex;

impl World {
    /// kerfd starts: from its store, and from what the host shows besides.
    pub(super) fn start_kerfd(&mut self, index: HostIndex) {
        let host = &mut self.hosts[index];
        if host.kerfd.is_some() || !host.on || host.gone {
            return;
        }
        host.life += 1;
        host.store.starts += 1;
        host.paused_until = 0;
        self.first_look(index);
        let host = &mut self.hosts[index];
        let own = host.clock.at(self.now);
        let durable = host.store.saved.clone();
        let mut saved = durable.clone();
        adopt(&mut saved, host, &self.shape.settings, own);
        let cancelled: Vec<_> = host.store.cancelled.iter().copied().collect();
        let seed = self.dice.seeds.next_u64();
        let settings = Settings {
            store_epoch: match self.shape.keeps {
                true => host.store.epoch.into(),
                false => 0,
            },
            ..self.shape.settings
        };
        let core = (self.recover)(host.id, settings, seed, saved.clone(), own);
        let (jobs, members) = (core.jobs(), core.members());
        let peers = Peers::new(self, index);
        self.hosts[index].kerfd = Some(Kerfd {
            core,
            wake: None,
            actors: Default::default(),
            peers,
            writing: false,
            record: None,
            told_of: (0, 0),
            told_taken: 0,
            told_at: 0,
            revision: 0,
            since: self.now,
        });
        self.tell(Fact::Recovered {
            host: index,
            saved: &durable,
            jobs,
            members,
        });
        self.show(index);
        self.step(index, Input::Wake);
        for job in cancelled {
            self.step(index, Input::Cancel { job });
        }
        self.soon(index, MS, Happens::Tend);
        self.join(index);
    }

    /// kerfd is gone, with all that it was about to do. Of what it asked of disk and hardware, some is done.
    pub(super) fn end_kerfd(&mut self, index: HostIndex) {
        if self.hosts[index].kerfd.is_none() {
            return;
        }
        self.finish_some(index);
        let waiting = self.hosts[index].store.waiting.len();
        let full = self.hosts[index].store.full_until > self.now;
        let kept = match full {
            true => 0,
            false => self.dice.hosts.index(waiting + 1),
        };
        for _ in 0..kept {
            if let Some(batch) = self.hosts[index].store.write_next() {
                self.made_durable(index, &batch);
            }
        }
        if self.broken == Broken::StoreTearsBatches && !full {
            self.tear(index);
        }
        let host = &mut self.hosts[index];
        host.store.waiting.clear();
        host.kerfd = None;
        host.life += 1;
    }

    /// Half of the next batch is kept. The checkers hear of no whole one.
    fn tear(&mut self, index: HostIndex) {
        let store = &mut self.hosts[index].store;
        if let Some(Batch { changes, .. }) = store.waiting.pop_front() {
            let half = changes.len() / 2;
            for change in changes.iter().take(half) {
                store.apply(change);
            }
        }
    }

    /// The store of a host without kerfd is gone.
    pub(super) fn lose_store(&mut self, index: HostIndex) {
        self.end_kerfd(index);
        let forgets = self.broken == Broken::EpochIsForgotten;
        let host = &mut self.hosts[index];
        host.store.lose(forgets);
        host.fence = 0;
        // A promise that a container came to is in the run folder as well.
        let alive: Vec<_> = host.containers.values().map(|one| one.grant).collect();
        let lost: Vec<_> = host
            .leases
            .values()
            .map(|lease| lease.grant)
            .filter(|grant| !alive.contains(grant))
            .collect();
        for grant in lost {
            self.hosts[index].drop_lease(grant);
            self.tell(Fact::Released { host: index, grant });
        }
        for job in self.jobs.all.values_mut() {
            let known = job.accepted.is_some() && job.ended.is_none();
            job.forgotten |= job.host == index && known && !job.shared;
        }
        self.tell(Fact::StoreLost { host: index });
    }

    /// The host has no power any more.
    pub(super) fn lose_power(&mut self, index: HostIndex) {
        self.end_kerfd(index);
        for (tag, one) in std::mem::take(&mut self.hosts[index].containers) {
            if one.ours {
                self.tell(Fact::Ended { host: index, tag });
            }
        }
        let host = &mut self.hosts[index];
        host.on = false;
        // The run folder goes with the boot. What the store says of a member is enough to know that it is gone.
        for run in host.runs.values_mut().filter(|run| run.ended.is_none()) {
            run.ended = run.made.then(super::containers::unseen);
            run.refused |= !run.made;
        }
        host.devices.boot();
        self.tell(Fact::PowerLost { host: index });
    }

    /// It has power again.
    pub(super) fn boot(&mut self, index: HostIndex) {
        let host = &mut self.hosts[index];
        if host.on || host.gone {
            return;
        }
        host.on = true;
        host.clock.restart(self.now);
        // Every promise of before ends with the first look.
        let grants: Vec<_> = host.leases.values().map(|lease| lease.grant).collect();
        for grant in grants {
            self.hosts[index].drop_lease(grant);
            self.tell(Fact::Released { host: index, grant });
        }
        if self.hosts[index].devices.has_stranger() {
            self.hosts[index].add_stranger();
        }
        self.start_kerfd(index);
    }

    /// What the store promises is set against what the hardware shows and what runs.
    fn first_look(&mut self, index: HostIndex) {
        self.hosts[index].devices.look(true);
        if self.broken == Broken::FencesBeginAnew {
            self.hosts[index].fence = 0;
        }
        self.reap(index);
        self.drop_vanished(index);
        self.release_ended(index);
        let taken = self.hosts[index].taken();
        let victims = |owner| match self.broken {
            Broken::OrphansStay => false,
            Broken::DestroysOperators => owner != Owner::Stranger,
            _ => owner == Owner::Kerf,
        };
        let gone = self.hosts[index].devices.sweep(&taken, victims);
        for owner in gone {
            self.tell(Fact::Destroyed { host: index, owner });
        }
        self.wipe_free(index, &taken);
        let orphans = self.hosts[index].devices.orphans(&taken);
        self.tell(Fact::FirstLook {
            host: index,
            orphans,
        });
    }

    /// No process is on what nobody has: the look has shown it, and a slice whose lease was forgotten is clean by it.
    fn wipe_free(&mut self, index: HostIndex, taken: &[Share]) {
        if self.broken == Broken::ReleasesUnclean {
            return;
        }
        for gpu in self.hosts[index].devices.addresses() {
            for start in 0..UNITS {
                let share = Share {
                    gpu,
                    start,
                    size: 1,
                };
                if !taken.iter().any(|other| other.overlaps(&share)) {
                    self.tell(Fact::Cleaned { host: index, share });
                }
            }
        }
    }

    /// Containers that kerf started and that nobody knows any more are ended. Others are left alone.
    fn reap(&mut self, index: HostIndex) {
        let host = &self.hosts[index];
        let victim = |(tag, one): (&Tag, &Container)| {
            let unknown = one.ours && !host.runs.contains_key(tag);
            let stranger = !one.ours && self.broken == Broken::KillsStrangers;
            (unknown || stranger).then_some((*tag, one.number))
        };
        let victims: Vec<_> = host.containers.iter().filter_map(victim).collect();
        for (tag, number) in victims {
            self.kill(index, tag);
            self.end_container(index, tag, number, None);
        }
    }
}

/// What runs without the core's knowledge is taken up where it is: its store was lost.
fn adopt(saved: &mut Saved, host: &Host, settings: &Settings, now: Moment) {
    for (tag, run) in &host.runs {
        let active = !run.seen && !run.refused;
        if !active || saved.members.contains_key(tag) {
            continue;
        }
        let row = MemberRow {
            tag: *tag,
            coordinator: run.coordinator,
            term: run.term,
            spec_hash: run.spec_hash,
            grant: run.grant,
            phase: match run.made {
                true => MemberPhase::Running,
                false => MemberPhase::Starting,
            },
            heard: now,
            ttl: settings.ttl,
            on_partition: run.spec.on_partition,
            grace: std::time::Duration::from_secs(run.spec.checkpoint_grace_seconds),
        };
        let memory = saved.memories.entry(tag.job).or_insert(Memory {
            coordinator: run.coordinator,
            term: run.term,
            keepers: run.keepers.clone(),
            highest: tag.attempt,
            closed: BTreeSet::new(),
        });
        memory.highest = memory.highest.max(tag.attempt);
        saved.members.insert(*tag, row);
    }
}
