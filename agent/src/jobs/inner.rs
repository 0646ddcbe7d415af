//! What all parts of `jobs` share: the table that readers see, over the store that outlives kerfd.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kerf_telemetry::SelfMetrics;
use kerf_telemetry::snapshot::JobFacts;
use kerf_types::job::{JobSpec, JobState};
use kerf_types::{Bytes, JobId};
use tokio::sync::{mpsc, watch};

use super::copies::Copies;
use super::{JobError, Wish};
use crate::config::Config;
use crate::errors::chain;
use crate::events::Events;
use crate::members::Members;
use crate::problems::Problems;
use crate::store::{JobRow, Kept, SharedStore};

/// What is kept of jobs that have ended, for `kerf jobs`.
const KEPT_JOBS: u32 = 1_000;

/// Bound on the specs of jobs that have ended: they are in memory, and 1,000 of the largest
/// would be 256 MiB.
const KEPT_SPECS: Bytes = Bytes(64 << 20);

pub(super) struct Inner {
    /// What is in force; a reload changes it.
    pub config: Mutex<Arc<Config>>,
    pub members: Members,
    pub events: Events,
    pub metrics: Arc<SelfMetrics>,
    pub store: SharedStore,
    pub copies: Copies,
    pub table: Mutex<BTreeMap<JobId, Entry>>,
    pub problems: Arc<Problems>,
    pub facts: watch::Sender<JobFacts>,
    /// The way to the scheduler.
    pub wishes: mpsc::UnboundedSender<Wish>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub spec: Arc<JobSpec>,
    pub row: watch::Sender<JobRow>,
}

impl Entry {
    pub(super) fn new(spec: JobSpec, row: JobRow) -> Self {
        Self {
            spec: Arc::new(spec),
            row: watch::Sender::new(row),
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}

impl Inner {
    pub(super) fn table(&self) -> MutexGuard<'_, BTreeMap<JobId, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn row(&self, id: JobId) -> Option<JobRow> {
        self.table()
            .get(&id)
            .map(|entry| entry.row.borrow().clone())
    }

    pub(super) fn spec(&self, id: JobId) -> Option<Arc<JobSpec>> {
        self.table().get(&id).map(|entry| Arc::clone(&entry.spec))
    }

    pub(super) fn config(&self) -> Arc<Config> {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&config)
    }

    /// Changes a job, in the store first, and returns it as it is then: what was not written down did not
    /// happen. The store is held from the read to the publication, so that two changes of one job are both
    /// kept. The table is only ever taken after the store.
    pub(super) fn update(
        &self,
        id: JobId,
        change: impl FnOnce(&mut JobRow),
    ) -> Result<JobRow, JobError> {
        tokio::task::block_in_place(|| {
            let mut store = self.store.lock();
            let known = self.row(id).ok_or(JobError::Unknown { id })?;
            let mut row = known.clone();
            change(&mut row);
            if row != known {
                store.put_job(&row)?;
                self.publish(row.clone());
            }
            Ok(row)
        })
    }

    /// Shows what is in the store.
    pub(super) fn publish(&self, row: JobRow) {
        self.copies.keep(&row);
        if let Some(entry) = self.table().get(&row.id) {
            entry.row.send_replace(row);
        }
        self.count();
    }

    /// Forgets the oldest jobs beyond what is kept.
    pub(super) fn prune(&self) {
        let keep = Kept {
            jobs: KEPT_JOBS,
            spec_bytes: KEPT_SPECS.0,
        };
        let pruned = tokio::task::block_in_place(|| self.store.lock().prune_jobs(keep));
        let pruned = pruned.unwrap_or_else(|error| {
            tracing::warn!(error = chain(&error), "old jobs not forgotten");
            Vec::new()
        });
        for id in pruned {
            self.table().remove(&id);
        }
    }

    pub(super) fn count(&self) {
        let mut facts = JobFacts::default();
        for entry in self.table().values() {
            let row = entry.row.borrow();
            *facts.by_state.entry(row.state).or_default() += 1;
            let tenant = (entry.spec.tenant.clone(), row.state);
            *facts.by_tenant.entry(tenant).or_default() += 1;
            if row.state == JobState::Pending {
                let oldest = facts.oldest_pending.unwrap_or(row.submitted);
                facts.oldest_pending = Some(oldest.min(row.submitted));
            }
        }
        self.facts.send_replace(facts);
    }
}
