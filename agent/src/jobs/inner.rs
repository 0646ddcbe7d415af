//! What all parts of `jobs` share: the table that readers see, over the store that outlives kerfd.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kerf_telemetry::SelfMetrics;
use kerf_telemetry::snapshot::JobFacts;
use kerf_types::job::{JobSpec, JobState};
use kerf_types::{Bytes, JobId};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::console::Console;
use super::copies::Copies;
use super::{JobError, problems::Problems, run};
use crate::config::Config;
use crate::errors::chain;
use crate::events::Events;
use crate::host::{HostHandle, now};
use crate::launcher::{Launcher, logs};
use crate::store::{JobRow, JobStore, Kept};

/// What is kept of jobs that have ended, for `kerf jobs` and `kerf logs`; the configuration bounds their logs.
const KEPT_JOBS: u32 = 1_000;

/// Bound on the specs of jobs that have ended: they are in memory, and 1,000 of the largest
/// would be 256 MiB.
const KEPT_SPECS: Bytes = Bytes(64 << 20);

pub(super) struct Inner {
    /// What is in force; a reload changes it.
    pub config: Mutex<Arc<Config>>,
    pub host: HostHandle,
    pub launcher: Arc<Launcher>,
    pub events: Events,
    pub metrics: Arc<SelfMetrics>,
    pub store: Mutex<JobStore>,
    pub copies: Copies,
    pub table: Mutex<BTreeMap<JobId, Entry>>,
    pub problems: Problems,
    pub facts: watch::Sender<JobFacts>,
    /// Everything that goes on for jobs; it ends before kerfd does.
    pub tasks: Mutex<JoinSet<()>>,
    /// Waiting jobs try one after the other, in the order in which they come to try: tokio's mutex is fair.
    /// So no job tries twice before another that waits has tried once; it is no order of submission.
    pub turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub spec: Arc<JobSpec>,
    pub row: watch::Sender<JobRow>,
    /// The terminal of its container, while it has one.
    pub console: watch::Sender<Option<Arc<Console>>>,
    /// Whether nothing of it is left in containerd, so that its output is whole.
    pub cleared: watch::Sender<bool>,
}

impl Entry {
    pub(super) fn new(spec: JobSpec, row: JobRow) -> Self {
        Self {
            spec: Arc::new(spec),
            cleared: watch::Sender::new(row.state.is_final()),
            row: watch::Sender::new(row),
            console: watch::Sender::new(None),
        }
    }

    pub(super) fn forget_console(&self) {
        self.console.send_replace(None);
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

    /// Begins something that ends with kerfd at the latest.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
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

    pub(super) fn log_dir(&self, id: JobId) -> PathBuf {
        self.config()
            .paths
            .state_dir
            .join("jobs")
            .join(id.to_string())
    }

    pub(super) fn store(&self) -> MutexGuard<'_, JobStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a job, in the store first: what was not written down did not happen. The store is held from
    /// the read to the publication, so that two changes of one job are both kept. The table is only ever
    /// taken after the store.
    pub(super) fn update(
        &self,
        id: JobId,
        change: impl FnOnce(&mut JobRow),
    ) -> Result<(), JobError> {
        tokio::task::block_in_place(|| {
            let mut store = self.store();
            let known = self.row(id).ok_or(JobError::Unknown { id })?;
            let mut row = known.clone();
            change(&mut row);
            if row == known {
                return Ok(());
            }
            store.put_job(&row)?;
            self.copies.keep(&row);
            if let Some(entry) = self.table().get(&id) {
                entry.row.send_replace(row);
            }
            self.count();
            Ok(())
        })
    }

    /// Changes a job however long the store fails. Returns whether there is such a job.
    pub(super) async fn insist(&self, id: JobId, change: impl Fn(&mut JobRow)) -> bool {
        let mut said = false;
        loop {
            match self.update(id, &change) {
                Ok(()) => return true,
                Err(JobError::Unknown { .. }) => return false,
                Err(error) => {
                    if !said {
                        let error = chain(&error);
                        tracing::error!(job.id = %id, error, "job change not kept, tried again");
                        said = true;
                    }
                    tokio::time::sleep(run::RETRY).await;
                }
            }
        }
    }

    /// Ends a job, and forgets the oldest beyond what is kept. Somebody may wait for this end, so it is
    /// tried until it is written.
    pub(super) async fn end(
        &self,
        id: JobId,
        state: JobState,
        exit_code: Option<i32>,
        reason: &str,
    ) {
        let ended = now();
        self.cut_logs(id);
        let log_bytes = tokio::task::block_in_place(|| logs::usage(&self.log_dir(id)));
        let kept = self.insist(id, |row| {
            row.state = state;
            row.exit_code = exit_code;
            row.ended = Some(ended);
            row.log_bytes = log_bytes;
            reason.clone_into(&mut row.reason);
        });
        if !kept.await {
            return;
        }
        self.metrics.job_ends.inc([state.as_str()]);
        let text = format!("{} ({reason})", state.as_str());
        self.events.add("job", &id.to_string(), &text);
        self.prune();
    }

    /// Brings the logs of a job within their bound: it may have printed much since the last look, and ended.
    pub(super) fn cut_logs(&self, id: JobId) {
        let limit = self.config().launch.log_limit;
        let cut = tokio::task::block_in_place(|| logs::bound(&self.log_dir(id), limit));
        if let Err(error) = cut {
            tracing::warn!(job.id = %id, error = chain(&error), "log not cut");
        }
    }

    /// Says that nothing of an ended job is left.
    pub(super) fn clear(&self, id: JobId) {
        self.copies.forget(id);
        if let Some(entry) = self.table().get(&id) {
            entry.cleared.send_replace(true);
        }
    }

    fn prune(&self) {
        let keep = Kept {
            jobs: KEPT_JOBS,
            log_bytes: self.config().launch.kept_logs.0,
            spec_bytes: KEPT_SPECS.0,
        };
        let pruned = tokio::task::block_in_place(|| self.store().prune_jobs(keep));
        let pruned = pruned.unwrap_or_else(|error| {
            tracing::warn!(error = chain(&error), "old jobs not forgotten");
            Vec::new()
        });
        for id in pruned {
            self.table().remove(&id);
            if let Err(error) = std::fs::remove_dir_all(self.log_dir(id))
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(job.id = %id, %error, "log of a forgotten job not removed");
            }
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
