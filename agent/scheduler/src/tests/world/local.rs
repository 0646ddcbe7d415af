//! A model of a host's owner and launcher: slices, leases, containers. It outlives the core that drives it, as
//! hardware, store and containerd outlive kerfd, and it notes what must never happen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kerf_types::host_record::Occupancy;
use kerf_types::job::JobSpec;
use kerf_types::peer::{Exit, Grant, MemberAsk, Tag, Term};
use kerf_types::{Ask, Fence, HostId, HostRecord, LeaseId, Moment};

use crate::core::{LocalEvent, MemberPhase, MemberRow};
use crate::rng::Rng;
use crate::tests::fixture;

/// Slices of one GPU of the model.
const PER_GPU: u32 = 7;

pub struct LocalHost {
    number: u8,
    /// Who has each slice.
    slices: Vec<Option<LeaseId>>,
    pub leases: BTreeMap<LeaseId, Lease>,
    pub containers: BTreeMap<Tag, Container>,
    /// Starts that were carried out, ever.
    pub starts: BTreeMap<Tag, u32>,
    released: BTreeSet<LeaseId>,
    fence: u64,
    revision: u64,
    /// Which store its host has.
    pub epoch: u16,
    /// The last record, with what it says of the slices.
    told: Option<(Vec<bool>, Arc<HostRecord>)>,
    pub violations: Vec<String>,
    /// When a lease last went, or came, that no container had.
    pub last_reserved: Option<Moment>,
}

pub struct Lease {
    pub grant: Grant,
    pub tag: Tag,
    pub expires: Moment,
}

pub struct Container {
    pub grant: Grant,
    pub ends: Moment,
    pub code: i32,
    /// When it is ended by what outlives the core.
    pub guard: Option<Moment>,
    /// What stands with it, so that a host without a memory can take it up.
    pub row: MemberRow,
    pub keepers: Vec<HostId>,
}

impl LocalHost {
    pub fn new(number: u8, slices: usize) -> Self {
        Self {
            number,
            slices: vec![None; slices],
            leases: BTreeMap::new(),
            containers: BTreeMap::new(),
            starts: BTreeMap::new(),
            released: BTreeSet::new(),
            fence: 0,
            revision: 0,
            epoch: 1,
            told: None,
            violations: Vec::new(),
            last_reserved: None,
        }
    }

    pub fn free(&self) -> usize {
        self.slices.iter().filter(|slice| slice.is_none()).count()
    }

    /// What the host tells of itself now; the same again while nothing has changed.
    pub fn record(&mut self) -> Arc<HostRecord> {
        let held: Vec<bool> = self.slices.iter().map(Option::is_some).collect();
        let same = |(told, record): &&(Vec<bool>, Arc<HostRecord>)| {
            *told == held && record.version.epoch == self.epoch
        };
        if let Some((_, record)) = self.told.as_ref().filter(same) {
            return Arc::clone(record);
        }
        self.revision += 1;
        let count = u32::try_from(self.slices.len()).expect("few slices");
        let mut record = fixture::record(self.number, count.div_ceil(PER_GPU));
        record.version.revision = self.revision;
        record.version.epoch = self.epoch;
        record.policy.on_demand = false;
        for (at, held) in (0..).zip(&held) {
            let occupancy = if *held {
                Occupancy::Leased
            } else {
                Occupancy::Free
            };
            let gpu: usize = usize::try_from(at / PER_GPU).expect("a small number");
            record.gpus[gpu]
                .slices
                .push(fixture::slice(at % PER_GPU, occupancy));
        }
        let record = Arc::new(record);
        self.told = Some((held, Arc::clone(&record)));
        record
    }

    pub fn reserve(
        &mut self,
        now: Moment,
        tag: Tag,
        ask: &MemberAsk,
        ttl: Duration,
        rng: &mut Rng,
    ) -> LocalEvent {
        let count = match &ask.accelerator {
            Some(Ask::Slice { count, .. }) => usize::try_from(*count).expect("a small count"),
            _ => 0,
        };
        let free = (0..self.slices.len()).filter(|at| self.slices[*at].is_none());
        let chosen: Vec<usize> = free.take(count).collect();
        if chosen.len() < count {
            return LocalEvent::Refused {
                reason: format!("only {} slices are free", chosen.len()),
                room: true,
                record: Some(Box::new(self.record().as_ref().clone())),
            };
        }
        let mut random = [0; 10];
        random[2..].copy_from_slice(&rng.next_u64().to_be_bytes());
        self.fence += 1;
        let grant = Grant {
            lease: LeaseId::new(now.0, random),
            fence: Fence::new(1, self.fence),
        };
        for at in chosen {
            self.slices[at] = Some(grant.lease);
        }
        let lease = Lease {
            grant,
            tag,
            expires: now.after(ttl),
        };
        self.leases.insert(grant.lease, lease);
        LocalEvent::Reserved(grant)
    }

    pub fn renew(&mut self, now: Moment, grant: Grant, ttl: Duration) {
        if let Some(lease) = self.leases.get_mut(&grant.lease) {
            lease.expires = now.after(ttl);
        }
    }

    pub fn release(&mut self, now: Moment, grant: Grant) -> LocalEvent {
        if self.has_container(grant) {
            self.violations.push(format!(
                "I11: lease {} released under its container",
                grant.lease
            ));
        }
        if self.leases.contains_key(&grant.lease) {
            self.last_reserved = Some(now);
        }
        self.drop_lease(grant.lease);
        LocalEvent::Released(grant)
    }

    fn has_container(&self, grant: Grant) -> bool {
        self.containers.values().any(|one| one.grant == grant)
    }

    fn drop_lease(&mut self, lease: LeaseId) {
        if self.leases.remove(&lease).is_none() {
            return;
        }
        if !self.released.insert(lease) {
            self.violations
                .push(format!("I11: lease {lease} released twice"));
        }
        for slice in self
            .slices
            .iter_mut()
            .filter(|slice| **slice == Some(lease))
        {
            *slice = None;
        }
    }

    /// Starts a container: with a lease that is there, once.
    pub fn start(
        &mut self,
        now: Moment,
        tag: Tag,
        grant: Grant,
        spec: &Arc<JobSpec>,
        guard: Option<Moment>,
        rng: &mut Rng,
    ) -> LocalEvent {
        let refuse = |reason: &str| LocalEvent::StartRefused {
            lasting: false,
            reason: reason.to_owned(),
        };
        let lease = self.leases.get(&grant.lease);
        if lease.is_none_or(|lease| lease.grant != grant || lease.tag != tag) {
            return refuse("there is no such lease");
        }
        // One in thirty containers cannot be made.
        if rng.below(30) == 0 {
            return refuse("the image cannot be read");
        }
        *self.starts.entry(tag).or_default() += 1;
        if self.starts[&tag] > 1 {
            self.violations.push(format!("I8: {tag} started twice"));
        }
        let runs = Duration::from_millis(spec.time_limit_seconds.unwrap_or(20) * 1_000);
        let code = if rng.below(10) == 0 { 1 } else { 0 };
        let container = Container {
            grant,
            ends: now.after(runs),
            code,
            guard,
            row: MemberRow {
                tag,
                coordinator: HostId::from_bits(0),
                term: Term::NONE,
                spec_hash: fixture::hash(u64::from(spec.members)),
                grant,
                phase: MemberPhase::Running,
                heard: Moment(0),
                ttl: Duration::from_secs(10),
                on_partition: spec.on_partition,
                grace: Duration::from_secs(spec.checkpoint_grace_seconds),
            },
            keepers: Vec::new(),
        };
        self.containers.insert(tag, container);
        LocalEvent::Started
    }

    /// Ends a container, with its lease.
    pub fn end(&mut self, tag: Tag, code: Option<i32>) -> Option<LocalEvent> {
        let container = self.containers.remove(&tag)?;
        self.drop_lease(container.grant.lease);
        Some(LocalEvent::Ended(Exit {
            timed_out: false,
            code,
            reason: format!("exit {code:?}"),
        }))
    }

    /// Nothing is left of what ran or was promised.
    pub fn clear(&mut self) {
        self.containers.clear();
        let leases: Vec<LeaseId> = self.leases.keys().copied().collect();
        for lease in leases {
            self.drop_lease(lease);
        }
    }

    /// The leases of reservations that nobody remembers go.
    pub fn forget_reservations(&mut self) {
        let idle = |lease: &&Lease| !self.has_container(lease.grant);
        let idle: Vec<LeaseId> = self
            .leases
            .values()
            .filter(idle)
            .map(|one| one.grant.lease)
            .collect();
        for lease in idle {
            self.drop_lease(lease);
        }
    }

    /// Leases without a container end by themselves.
    pub fn expire(&mut self, now: Moment) {
        let due = |lease: &&Lease| lease.expires <= now && !self.has_container(lease.grant);
        let due: Vec<LeaseId> = self
            .leases
            .values()
            .filter(due)
            .map(|one| one.grant.lease)
            .collect();
        for lease in due {
            self.drop_lease(lease);
        }
    }

    /// Leases that no container has.
    pub fn reserved(&self) -> impl Iterator<Item = &Lease> {
        self.leases
            .values()
            .filter(|lease| !self.has_container(lease.grant))
    }
}
