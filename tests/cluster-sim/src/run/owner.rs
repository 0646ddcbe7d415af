//! The owner of the devices: leases, by the real planner, and what is told of them.

use std::sync::Arc;
use std::time::Duration;

use kerf_scheduler::compact;
use kerf_scheduler::core::{Input, LocalEvent};
use kerf_types::host_record::{Admission, Amount, CutPolicy, RecordVersion};
use kerf_types::peer::{Grant, MemberAsk, Tag};
use kerf_types::{HostRecord, LeaseId};

use super::devices::{Called, Devices};
use super::dice::between;
use super::engine::{Happens, World};
use super::facts::{Fact, Share};
use super::host::Lease;
use super::kerfd::MS;
use super::mutations::Broken;
use crate::world::{HostIndex, Micros, SECOND};

/// A call of the driver that does not return is given up after this.
const DEADLINE: Micros = SECOND;

fn refused(reason: String, room: bool) -> LocalEvent {
    LocalEvent::Refused {
        reason,
        room,
        record: None,
    }
}

impl World {
    /// Promises devices. Returns what is told, and how long it took.
    pub(super) fn reserve(
        &mut self,
        host: HostIndex,
        tag: Tag,
        ask: &MemberAsk,
        ttl: Duration,
    ) -> (LocalEvent, Micros) {
        let usual = between(&mut self.dice.hosts, 5 * MS, 60 * MS);
        self.drop_vanished(host);
        let (shares, time) = match &ask.accelerator {
            None => (Vec::new(), usual / 5),
            Some(wanted) => {
                let one = &mut self.hosts[host];
                let mut taken = one.taken();
                if self.broken == Broken::PlansWithoutLeases {
                    taken.clear();
                }
                let choice = match one.devices.choose(wanted, taken.iter()) {
                    Ok(choice) => choice,
                    Err(none) => return (refused(none.to_string(), true), usual / 5),
                };
                let Some(time) = one.devices.time_for(&choice.picks, usual) else {
                    one.devices.look(true);
                    return (refused("a GPU does not answer".to_owned(), false), DEADLINE);
                };
                if let Err(why) = one.devices.make(&choice.picks) {
                    self.tell(Fact::DriverRefused { host, why: &why });
                    return (refused(why, false), usual);
                }
                (Devices::shares(&choice.picks), time)
            }
        };
        let grant = self.write_lease(host, tag, shares, ttl);
        (LocalEvent::Reserved(grant), time)
    }

    fn write_lease(
        &mut self,
        host: HostIndex,
        tag: Tag,
        shares: Vec<Share>,
        ttl: Duration,
    ) -> Grant {
        let mut random = [0; 10];
        random[2..].copy_from_slice(&self.dice.seeds.next_u64().to_be_bytes());
        let one = &mut self.hosts[host];
        let grant = Grant {
            lease: LeaseId::new(self.now / 1_000, random),
            fence: one.next_fence(),
        };
        let lease = Lease {
            grant,
            tag,
            shares: shares.clone(),
            expires: one.clock.at(self.now).after(ttl),
            active: false,
            releasing: false,
        };
        one.leases.insert(grant.lease, lease);
        one.lease_changes += 1;
        self.tell(Fact::Granted {
            host,
            tag,
            grant,
            shares: &shares,
        });
        if self.broken == Broken::AnyFenceWillDo {
            self.meter.given.insert((host, tag), shares);
        }
        grant
    }

    /// kerfd died in the middle of a promise: it cut and wrote nothing down, or wrote it and told nobody.
    pub(super) fn half_reserve(
        &mut self,
        host: HostIndex,
        tag: Tag,
        ask: &MemberAsk,
        ttl: Duration,
    ) {
        if self.dice.hosts.below(2) == 0 {
            self.reserve(host, tag, ask, ttl);
            return;
        }
        self.drop_vanished(host);
        let one = &mut self.hosts[host];
        let taken = one.taken();
        if let Some(wanted) = &ask.accelerator
            && let Ok(choice) = one.devices.choose(wanted, taken.iter())
            && one.devices.time_for(&choice.picks, MS).is_some()
        {
            drop(one.devices.make(&choice.picks));
        }
    }

    /// Ends a lease that no container has: it is gone once all of it is clean. Says whether it is.
    pub(super) fn release(&mut self, host: HostIndex, grant: Grant) -> bool {
        let one = &mut self.hosts[host];
        let Some(lease) = one.leases.get_mut(&grant.lease) else {
            return true;
        };
        if lease.grant != grant {
            return true;
        }
        lease.releasing = true;
        let shares = lease.shares.clone();
        for share in &shares {
            if self.broken == Broken::ReleasesUnclean {
                continue;
            }
            match self.hosts[host].devices.clean(share) {
                Called::Hangs => return false,
                Called::Done(gone) => {
                    for owner in gone {
                        self.tell(Fact::Destroyed { host, owner });
                    }
                    self.tell(Fact::Cleaned {
                        host,
                        share: *share,
                    });
                }
            }
        }
        self.hosts[host].drop_lease(grant);
        self.tell(Fact::Released { host, grant });
        true
    }

    /// Leases of what a reset or a boot has taken away: a look at the hardware shows that it is gone.
    pub(super) fn drop_vanished(&mut self, host: HostIndex) {
        let one = &self.hosts[host];
        let vanished = |lease: &&Lease| {
            let gone = lease
                .shares
                .iter()
                .any(|share| one.devices.has_vanished(share));
            gone && !one.has_container(lease.grant)
        };
        let leases = one.leases.values().filter(vanished);
        for grant in leases.map(|lease| lease.grant).collect::<Vec<_>>() {
            self.hosts[host].drop_lease(grant);
            self.tell(Fact::Released { host, grant });
        }
    }

    /// Leases whose container ended while no kerfd was there.
    pub(super) fn release_ended(&mut self, host: HostIndex) {
        let one = &self.hosts[host];
        let over = |lease: &&Lease| {
            let gone = lease.active || lease.releasing;
            gone && !one.has_container(lease.grant)
        };
        let over: Vec<Grant> = one
            .leases
            .values()
            .filter(over)
            .map(|lease| lease.grant)
            .collect();
        for grant in over {
            self.release(host, grant);
        }
    }

    /// Once a second: promises end whose container never came, and what could not be made clean is tried again.
    pub(super) fn tend(&mut self, host: HostIndex) {
        let own = self.hosts[host].clock.at(self.now);
        let one = &self.hosts[host];
        let starting = |tag: &Tag| {
            let kerfd = one.kerfd.as_ref();
            let actor = kerfd.and_then(|kerfd| kerfd.actors.get(tag));
            actor.is_some_and(|actor| actor.starting.is_some())
        };
        let careless = self.broken == Broken::ExpiresUnderContainers;
        let due = |lease: &&Lease| {
            let promised = !lease.active && !starting(&lease.tag);
            let over = lease.expires <= own && (promised || careless);
            over || (lease.releasing && !one.has_container(lease.grant))
        };
        let due: Vec<Grant> = one
            .leases
            .values()
            .filter(due)
            .map(|lease| lease.grant)
            .collect();
        if self.broken != Broken::PromisesStay {
            for grant in due {
                self.release(host, grant);
            }
        }
        self.hosts[host].devices.look(false);
        self.drop_vanished(host);
        self.show(host);
        self.gossip_tick(host);
        self.soon(host, SECOND, Happens::Tend);
    }

    /// Tells the core and the fleet how the host is, if it is another than before.
    pub(super) fn show(&mut self, host: HostIndex) {
        let one = &self.hosts[host];
        let Some(kerfd) = &one.kerfd else { return };
        let now_of = (one.devices.changes, one.lease_changes);
        if kerfd.record.is_some() && kerfd.told_of == now_of {
            return;
        }
        let taken = one.taken();
        if self.broken == Broken::FreesUntold && taken.len() < kerfd.told_taken {
            return;
        }
        let usage = one.devices.usage(taken.iter());
        let mut record = describe(self, host, &usage);
        if let Some(known) = &kerfd.record {
            record.version = known.version;
            if **known == record {
                if let Some(kerfd) = &mut self.hosts[host].kerfd {
                    kerfd.told_of = now_of;
                }
                return;
            }
        }
        let one = &mut self.hosts[host];
        let (epoch, starts) = (one.store.epoch, one.store.starts);
        let Some(kerfd) = &mut one.kerfd else { return };
        kerfd.told_of = now_of;
        kerfd.told_taken = taken.len();
        kerfd.revision += 1;
        record.version = RecordVersion {
            epoch,
            revision: (starts << 32) | kerfd.revision,
        };
        let record = Arc::new(record);
        kerfd.record = Some(Arc::clone(&record));
        kerfd.told_at = self.now;
        self.step(host, Input::Record(Arc::clone(&record)));
        self.publish(host, &record);
    }
}

fn describe(world: &World, host: HostIndex, usage: &kerf_planner::Usage) -> HostRecord {
    let one = &world.hosts[host];
    let (models, gpus) = compact(&one.devices.inventory, usage);
    let all = |total| Amount { total, free: total };
    HostRecord {
        id: one.id,
        name: format!("host-{host}").parse().expect("it is a name"),
        address: format!("10.0.0.{host}:9451"),
        version: RecordVersion::default(),
        labels: Default::default(),
        host_network: true,
        keeps_jobs: world.shape.keeps,
        admission: Admission::Open,
        policy: CutPolicy {
            on_demand: true,
            mode_change_when_idle: true,
        },
        models,
        gpus,
        cpu_milli: all(64_000),
        memory_bytes: all(512 << 30),
        load_per_mille: 0,
        jobs: 0,
        job_labels: Vec::new(),
        price_milli_per_hour: None,
    }
}
