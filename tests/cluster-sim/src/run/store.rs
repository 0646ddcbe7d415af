//! The store of one host: batches become durable one after the other, some time after they were handed over.
//!
//! It keeps what it has acknowledged, over whatever death of kerfd or of the host. Of the rest a crash keeps some
//! whole batches, in their order. A full disk takes nothing until there is room again. A store that is lost comes back
//! empty, with a higher epoch, as [`Store::epoch`] says.

use std::collections::{BTreeSet, VecDeque};

use kerf_scheduler::Saved;
use kerf_scheduler::core::Change;
use kerf_types::JobId;

use crate::world::Micros;

/// One batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Its number in the life of its core.
    pub number: u64,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// The store.
#[derive(Debug)]
pub struct Store {
    /// What is durable.
    pub saved: Saved,
    /// Handed over and not durable.
    pub waiting: VecDeque<Batch>,
    /// Nothing can be written before.
    pub full_until: Micros,
    /// Grows when the store is lost; the high bits of every fence.
    pub epoch: u16,
    /// Starts of kerfd in this epoch.
    pub starts: u64,
    /// Jobs that have ended here.
    pub ended: BTreeSet<JobId>,
    /// Jobs whose end was asked for here.
    pub cancelled: BTreeSet<JobId>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            saved: Saved::default(),
            waiting: VecDeque::new(),
            full_until: 0,
            epoch: 1,
            starts: 0,
            ended: BTreeSet::new(),
            cancelled: BTreeSet::new(),
        }
    }
}

impl Store {
    /// Makes the oldest waiting batch durable.
    pub fn write_next(&mut self) -> Option<Batch> {
        let batch = self.waiting.pop_front()?;
        for change in &batch.changes {
            self.apply(change);
        }
        Some(batch)
    }

    /// Makes one change durable.
    pub fn apply(&mut self, change: &Change) {
        self.saved.apply(change);
        if let Change::EndJob(job, _) = change {
            self.ended.insert(*job);
            self.cancelled.remove(job);
        }
    }

    /// Whether a job of this id is or was here.
    pub fn knows(&self, job: JobId) -> bool {
        self.saved.jobs.contains_key(&job) || self.ended.contains(&job)
    }

    /// The store is gone. The epoch stands in a file beside it, so the next one is higher, unless `forgets`.
    pub fn lose(&mut self, forgets_epoch: bool) {
        let epoch = self.epoch + u16::from(!forgets_epoch);
        *self = Self {
            epoch,
            full_until: self.full_until,
            ..Self::default()
        };
    }
}
