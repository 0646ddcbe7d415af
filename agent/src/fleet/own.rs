//! This host's own record, made anew whenever the host is another than before.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_scheduler::compact;
use kerf_types::host_record::{Admission, Amount, CutPolicy, RecordVersion};
use kerf_types::{Health, HostId, HostName, HostRecord, Inventory, Timestamp};

use crate::config::{Config, Owner, Partition};
use crate::host::{HostView, PARTITIONING, now, view};
use crate::members::Load;

/// Revisions of one start of kerfd: a thousand a second would last for seven weeks.
const REVISION_BITS: u32 = 32;

/// Labels of jobs that are told; others choose by the first of them in their order.
const JOB_LABELS: usize = kerf_api::convert::LABEL_LIMIT;

/// Load in thousandths is told in steps of a tenth: that is what hosts are compared by.
const LOAD_STEP: u16 = 100;

/// Who this host is.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub id: HostId,
    pub name: HostName,
    /// Where its peers reach it; empty where it runs alone.
    pub address: String,
    /// Which start of kerfd this is.
    pub start: u64,
}

/// What the configuration says of this host.
#[derive(Debug)]
struct Chosen {
    labels: BTreeMap<String, String>,
    price: Option<u64>,
    partition: Partition,
    host_network: bool,
}

impl From<&Config> for Chosen {
    fn from(config: &Config) -> Self {
        Self {
            labels: config.labels.clone(),
            price: config.price,
            partition: config.partition,
            host_network: config.launch.host_network,
        }
    }
}

/// The record as it was last told.
#[derive(Debug)]
pub(super) struct Own {
    who: Who,
    told: Chosen,
    revision: u64,
    record: Option<Arc<HostRecord>>,
    since: Timestamp,
}

impl Own {
    pub fn new(who: Who, config: &Config) -> Self {
        Self {
            who,
            told: Chosen::from(config),
            revision: 0,
            record: None,
            since: now(),
        }
    }

    /// Who this host is.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// Puts a new configuration in force.
    pub fn reconfigure(&mut self, config: &Config) {
        self.told = Chosen::from(config);
    }

    /// Since when it is there.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// The newest record.
    pub fn record(&self) -> Option<Arc<HostRecord>> {
        self.record.clone()
    }

    /// The record of what is seen, if it says something new.
    pub fn look(&mut self, view: &HostView, load: &Load) -> Option<Arc<HostRecord>> {
        let mut record = self.describe(view, load);
        if let Some(known) = &self.record {
            record.version = known.version;
            if **known == record {
                return None;
            }
        }
        self.revision += 1;
        record.version = RecordVersion {
            epoch: view.epoch,
            revision: (self.who.start << REVISION_BITS) | self.revision,
        };
        let record = Arc::new(record);
        self.record = Some(Arc::clone(&record));
        Some(record)
    }

    fn describe(&self, host: &HostView, load: &Load) -> HostRecord {
        let leases = host.leases.iter();
        let usage = view::usage(
            &host.inventory,
            &host.slices,
            &host.shared,
            leases,
            &host.vgpus,
        );
        let (models, gpus) = compact(&told(host), &usage);
        let admission = if host.draining {
            Admission::Draining
        } else {
            Admission::Open
        };
        let mut job_labels = load.labels.clone();
        job_labels.truncate(JOB_LABELS);
        let partition = self.told.partition;
        HostRecord {
            id: self.who.id,
            name: self.who.name.clone(),
            address: self.who.address.clone(),
            version: RecordVersion::default(),
            labels: self.told.labels.clone(),
            admission,
            policy: CutPolicy {
                // What its owner would refuse nobody need ask for.
                on_demand: partition.on_demand
                    && partition.owner != Owner::Others
                    && !host.degraded.contains_key(PARTITIONING),
                mode_change_when_idle: partition.mode_change_when_idle,
            },
            host_network: self.told.host_network,
            keeps_jobs: true,
            models,
            gpus,
            cpu_milli: load.cpu_milli,
            memory_bytes: in_steps(load.memory_bytes),
            load_per_mille: busy(load.cpu_milli),
            jobs: load.members,
            job_labels,
            price_milli_per_hour: self.told.price,
        }
    }
}

/// What others are told of the GPUs: one that is drained for maintenance is as good as in it.
fn told(host: &HostView) -> Inventory {
    let mut inventory = host.inventory.clone();
    for gpu in &mut inventory.gpus {
        if host.held.contains(&gpu.pci) {
            let since = Timestamp(0);
            gpu.health = Health::Maintenance { since };
        }
    }
    inventory
}

/// Memory in whole MiB, so that no two hosts differ by noise.
fn in_steps(memory: Amount) -> Amount {
    let whole = |bytes: u64| bytes >> 20 << 20;
    Amount {
        total: whole(memory.total),
        free: whole(memory.free),
    }
}

/// How busy the host is: processes that run or want to, for each CPU, over the last minute.
fn busy(cpu: Amount) -> u16 {
    use procfs::Current;
    let cpus = u32::try_from(cpu.total / 1_000).unwrap_or(1).max(1);
    let load = procfs::LoadAverage::current().map_or(0.0, |load| f64::from(load.one));
    let share = (load / f64::from(cpus)).clamp(0.0, 1.0);
    // Steps of a tenth from 0 to 10.
    let steps = (0..=10_u16)
        .rev()
        .find(|steps| f64::from(*steps) <= share * 10.0);
    steps.unwrap_or(0) * LOAD_STEP
}

#[cfg(test)]
mod tests;
