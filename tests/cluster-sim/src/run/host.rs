//! One host: what dies with kerfd, what dies with the power, and what outlives both.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use kerf_scheduler::core::LocalCommand;
use kerf_types::job::JobSpec;
use kerf_types::peer::{Attempt, Exit, Grant, SpecHash, Tag, Term};
use kerf_types::{Fence, HostId, HostRecord, JobId, LeaseId, Moment};

use super::clock::Clock;
use super::devices::Devices;
use super::facts::Share;
use super::gossip::Peers;
use super::protocol::Protocol;
use super::store::Store;
use crate::world::{HostIndex, Micros};

/// A promise of devices, in the store.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Its name and fence.
    pub grant: Grant,
    /// For whom.
    pub tag: Tag,
    /// What of the GPUs.
    pub shares: Vec<Share>,
    /// When it ends by itself while no container has it, on the host's clock.
    pub expires: Moment,
    /// A container came to it.
    pub active: bool,
    /// It is being made clean.
    pub releasing: bool,
}

/// A container and its processes.
#[derive(Debug, Clone)]
pub struct Container {
    /// The lease that it came with.
    pub grant: Grant,
    /// What it uses.
    pub shares: Vec<Share>,
    /// Tells it from another one of the same name.
    pub number: u64,
    /// When it must begin to end, on the host's clock; kept by a process of its own.
    pub guard: Option<Moment>,
    /// Time between the signals.
    pub grace: Duration,
    /// A signal was sent.
    pub stopping: bool,
    /// kerf started it.
    pub ours: bool,
}

/// What is written in the run folder of a member: it outlives kerfd and its store, and goes with the boot.
#[derive(Debug, Clone)]
pub struct Run {
    /// The host that coordinated its job when it was started.
    pub coordinator: HostId,
    /// In which term.
    pub term: Term,
    /// Those that may take over.
    pub keepers: Vec<HostId>,
    /// Its description.
    pub spec: Arc<JobSpec>,
    /// Hash of the description.
    pub spec_hash: SpecHash,
    /// Its lease.
    pub grant: Grant,
    /// Its container was made once.
    pub made: bool,
    /// How it ended, as containerd knows it.
    pub ended: Option<Exit>,
    /// kerfd has seen that end, and cleared up after it.
    pub seen: bool,
    /// It will not be made.
    pub refused: bool,
}

/// The task of one member.
#[derive(Debug, Default)]
pub struct Actor {
    /// Commands that wait.
    pub queue: VecDeque<LocalCommand>,
    /// One is being carried out.
    pub busy: bool,
    /// A start that is being made.
    pub starting: Option<Starting>,
    /// The member is to stop.
    pub stop: Option<Duration>,
}

/// A container that is being made.
#[derive(Debug, Clone)]
pub struct Starting {
    /// Its lease.
    pub grant: Grant,
    /// Its description.
    pub spec: Arc<JobSpec>,
    /// When it must begin to end.
    pub guard: Option<Moment>,
}

/// kerfd while it lives.
#[derive(Debug)]
pub struct Kerfd {
    /// The scheduler.
    pub core: Box<dyn Protocol>,
    /// When it is woken next.
    pub wake: Option<Micros>,
    /// The tasks of members.
    pub actors: BTreeMap<Tag, Actor>,
    /// What it knows of the other hosts.
    pub peers: Peers,
    /// The disk is at work.
    pub writing: bool,
    /// The record as it was last told.
    pub record: Option<Arc<HostRecord>>,
    /// What it was made from: changes of devices and of leases.
    pub told_of: (u64, u64),
    /// How many parts of GPUs it said are taken.
    pub told_taken: usize,
    /// When that was.
    pub told_at: Micros,
    /// Records of this life.
    pub revision: u64,
    /// When this life began.
    pub since: Micros,
}

/// One host.
#[derive(Debug)]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// Its number.
    pub index: HostIndex,
    /// Its boot clock.
    pub clock: Clock,
    /// Grows with every start and end of kerfd: what was meant for another life is lost.
    pub life: u64,
    /// kerfd, while it lives.
    pub kerfd: Option<Kerfd>,
    /// It has power.
    pub on: bool,
    /// It is not coming back.
    pub gone: bool,
    /// Its clock has jumped.
    pub jumped: bool,
    /// kerfd does nothing until then.
    pub paused_until: Micros,
    /// The store.
    pub store: Store,
    /// The GPUs.
    pub devices: Devices,
    /// Promises, in the store.
    pub leases: BTreeMap<LeaseId, Lease>,
    /// Grows with every lease that comes or goes.
    pub lease_changes: u64,
    /// The last number of a fence in this epoch of the store.
    pub fence: u64,
    /// Containers.
    pub containers: BTreeMap<Tag, Container>,
    /// The run folder.
    pub runs: BTreeMap<Tag, Run>,
}

impl Host {
    /// A host that is on and whose kerfd was never started.
    pub fn new(index: HostIndex, id: HostId, clock: Clock, gpus: u8) -> Self {
        Self {
            id,
            index,
            clock,
            life: 0,
            kerfd: None,
            on: true,
            gone: false,
            jumped: false,
            paused_until: 0,
            store: Store::default(),
            devices: Devices::new(gpus),
            leases: BTreeMap::new(),
            lease_changes: 0,
            fence: 0,
            containers: BTreeMap::new(),
            runs: BTreeMap::new(),
        }
    }

    /// Whether kerfd lives and is not held up.
    pub fn acts(&self, now: Micros) -> bool {
        self.kerfd.is_some() && self.paused_until <= now
    }

    /// The next fence.
    pub fn next_fence(&mut self) -> Fence {
        self.fence += 1;
        Fence::new(self.store.epoch, self.fence)
    }

    /// A process that kerf does not know runs here.
    pub fn add_stranger(&mut self) {
        let job = JobId::new(0, [0; 10]);
        let tag = Tag {
            job,
            attempt: Attempt::FIRST,
            member: 0,
        };
        let grant = Grant {
            lease: LeaseId::new(0, [0; 10]),
            fence: Fence(0),
        };
        let stranger = Container {
            grant,
            shares: Vec::new(),
            number: 0,
            guard: None,
            grace: Duration::ZERO,
            stopping: false,
            ours: false,
        };
        self.containers.insert(tag, stranger);
    }

    /// Parts of GPUs that are promised.
    pub fn taken(&self) -> Vec<Share> {
        let leases = self.leases.values();
        leases.flat_map(|lease| &lease.shares).copied().collect()
    }

    /// A lease is gone.
    pub fn drop_lease(&mut self, grant: Grant) {
        self.leases.remove(&grant.lease);
        self.lease_changes += 1;
    }

    /// Whether a container came with this lease and lives.
    pub fn has_container(&self, grant: Grant) -> bool {
        self.containers.values().any(|one| one.grant == grant)
    }

    /// The task of a member.
    pub fn actor(&mut self, tag: Tag) -> Option<&mut Actor> {
        Some(self.kerfd.as_mut()?.actors.entry(tag).or_default())
    }
}
