//! Jobs of this host: from a submitted spec to an exit code.
//!
//! Every job has one task that moves it along; the table here is what readers see, the store is what
//! outlives kerfd. A container goes on while kerfd is away, and its task takes it up again.

mod container;
mod error;
mod run;
mod start;
mod submit;
mod sweep;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kerf_telemetry::SelfMetrics;
use kerf_telemetry::snapshot::JobFacts;
use kerf_types::JobId;
use kerf_types::job::{JobSpec, JobState};
use tokio::sync::watch;

pub use error::JobError;

use crate::config::Config;
use crate::events::Events;
use crate::host::{HostHandle, now};
use crate::launcher::{LaunchPolicy, Launcher, TerminalIo};
use crate::store::{JobRow, JobStore, StoreError};

/// Ended jobs that are kept for `kerf jobs` and `kerf logs`. Their logs are the bulk of it.
const KEPT: u32 = 1_000;

/// Jobs that have not ended. Each has a task and, once it waits, a try per change of the host.
const ACTIVE_LIMIT: usize = 4_096;

/// The jobs of this host; clones share them.
#[derive(Debug, Clone)]
pub struct Jobs {
    inner: Arc<Inner>,
}

struct Inner {
    /// What is in force; a reload changes it.
    config: Mutex<Arc<Config>>,
    host: HostHandle,
    launcher: Arc<Launcher>,
    events: Events,
    metrics: Arc<SelfMetrics>,
    store: Mutex<JobStore>,
    table: Mutex<BTreeMap<JobId, Entry>>,
    facts: watch::Sender<JobFacts>,
    /// Waiting jobs try in turn, the longest waiting first: tokio's mutex is fair.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Entry {
    spec: Arc<JobSpec>,
    row: watch::Sender<JobRow>,
    terminal: Option<TerminalIo>,
    /// Whether nothing of it is left in containerd, so that its output is whole.
    cleared: watch::Sender<bool>,
}

impl Jobs {
    /// Reads the jobs of an earlier kerfd and takes them up again.
    pub fn start(
        config: Arc<Config>,
        host: HostHandle,
        launcher: Arc<Launcher>,
        store: JobStore,
        events: Events,
        metrics: Arc<SelfMetrics>,
    ) -> Result<Self, StoreError> {
        let rows = store.all()?;
        let inner = Arc::new(Inner {
            config: Mutex::new(config),
            host,
            launcher,
            events,
            metrics,
            store: Mutex::new(store),
            table: Mutex::default(),
            facts: watch::Sender::new(JobFacts::default()),
            turn: tokio::sync::Mutex::new(()),
        });
        let jobs = Self { inner };
        for row in rows {
            jobs.take_up(row)?;
        }
        jobs.inner.count();
        tokio::spawn(sweep::sweep(Arc::clone(&jobs.inner)));
        Ok(jobs)
    }

    fn take_up(&self, row: JobRow) -> Result<(), StoreError> {
        let spec = kerf_api::json::job::parse(&row.spec).map_err(|error| StoreError::Row {
            what: "job",
            why: error.to_string(),
        })?;
        let (id, active) = (row.id, !row.state.is_final());
        let entry = Entry {
            spec: Arc::new(spec),
            row: watch::Sender::new(row),
            terminal: None,
            cleared: watch::Sender::new(!active),
        };
        self.inner.table().insert(id, entry);
        if active {
            tokio::spawn(run::resume(Arc::clone(&self.inner), id));
        }
        Ok(())
    }

    /// One job.
    pub fn get(&self, id: JobId) -> Result<JobRow, JobError> {
        self.inner.row(id).ok_or(JobError::Unknown { id })
    }

    /// Jobs in the order of submission; those that have ended only with `all`.
    pub fn list(&self, all: bool) -> Vec<JobRow> {
        let table = self.inner.table();
        let rows = table.values().map(|entry| entry.row.borrow().clone());
        let mut rows: Vec<JobRow> = rows.filter(|row| all || !row.state.is_final()).collect();
        rows.sort_by_key(|row| (row.submitted, row.id));
        rows
    }

    /// Waits until a job has ended.
    pub async fn wait(&self, id: JobId) -> Result<JobRow, JobError> {
        let mut row = self.watch(id)?;
        // The sender lives in the table, which forgets only jobs that have ended.
        let ended = row.wait_for(|row| row.state.is_final()).await;
        ended
            .map(|row| row.clone())
            .map_err(|_| JobError::Unknown { id })
    }

    /// Changes of a job.
    pub fn watch(&self, id: JobId) -> Result<watch::Receiver<JobRow>, JobError> {
        let table = self.inner.table();
        table
            .get(&id)
            .map(|entry| entry.row.subscribe())
            .ok_or(JobError::Unknown { id })
    }

    /// Turns true once a job has ended and nothing of it is left in containerd.
    pub fn cleared(&self, id: JobId) -> Result<watch::Receiver<bool>, JobError> {
        let table = self.inner.table();
        table
            .get(&id)
            .map(|entry| entry.cleared.subscribe())
            .ok_or(JobError::Unknown { id })
    }

    /// Asks for the end of a job.
    pub fn cancel(&self, id: JobId) -> Result<JobRow, JobError> {
        if self.get(id)?.state.is_final() {
            return self.get(id);
        }
        self.inner.update(id, |row| {
            // It may have ended since.
            row.cancel_requested |= !row.state.is_final();
        })?;
        self.inner
            .events
            .add("job", &id.to_string(), "cancel requested");
        self.get(id)
    }

    /// Puts a new configuration in force. Jobs that were admitted under the old one go on.
    pub fn reconfigure(&self, config: Arc<Config>, policy: LaunchPolicy) {
        self.inner.launcher.set_policy(policy);
        let current = self.inner.config.lock();
        *current.unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Takes the terminal of a job, for the one who attaches to it.
    pub fn take_terminal(&self, id: JobId) -> Option<TerminalIo> {
        self.inner.table().get_mut(&id)?.terminal.take()
    }

    /// Where the output of a job lies.
    pub fn log_dir(&self, id: JobId) -> PathBuf {
        self.inner.log_dir(id)
    }

    /// What metrics say about jobs.
    pub fn facts(&self) -> watch::Receiver<JobFacts> {
        self.inner.facts.subscribe()
    }

    /// The way to containerd.
    pub fn launcher(&self) -> &Launcher {
        &self.inner.launcher
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}

impl Inner {
    fn table(&self) -> MutexGuard<'_, BTreeMap<JobId, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn row(&self, id: JobId) -> Option<JobRow> {
        self.table()
            .get(&id)
            .map(|entry| entry.row.borrow().clone())
    }

    fn spec(&self, id: JobId) -> Option<Arc<JobSpec>> {
        self.table().get(&id).map(|entry| Arc::clone(&entry.spec))
    }

    fn config(&self) -> Arc<Config> {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&config)
    }

    fn log_dir(&self, id: JobId) -> PathBuf {
        self.config()
            .paths
            .state_dir
            .join("jobs")
            .join(id.to_string())
    }

    fn store(&self) -> MutexGuard<'_, JobStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a job, in the store first: what was not written down did not happen. The store is held from
    /// the read to the publication, so that two changes of one job are both kept. The table is only ever
    /// taken after the store.
    fn update(&self, id: JobId, change: impl FnOnce(&mut JobRow)) -> Result<(), JobError> {
        tokio::task::block_in_place(|| {
            let mut store = self.store();
            let mut row = self.row(id).ok_or(JobError::Unknown { id })?;
            change(&mut row);
            store.put_job(&row)?;
            if let Some(entry) = self.table().get(&id) {
                entry.row.send_replace(row);
            }
            self.count();
            Ok(())
        })
    }

    /// Changes a job however long the store fails. Returns whether there is such a job.
    async fn insist(&self, id: JobId, change: impl Fn(&mut JobRow)) -> bool {
        let mut said = false;
        loop {
            match self.update(id, &change) {
                Ok(()) => return true,
                Err(JobError::Unknown { .. }) => return false,
                Err(error) => {
                    if !said {
                        let error = crate::errors::chain(&error);
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
    async fn end(&self, id: JobId, state: JobState, exit_code: Option<i32>, reason: &str) {
        let ended = now();
        let kept = self.insist(id, |row| {
            row.state = state;
            row.exit_code = exit_code;
            row.ended = Some(ended);
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

    /// Says that nothing of an ended job is left.
    fn clear(&self, id: JobId) {
        if let Some(entry) = self.table().get(&id) {
            entry.cleared.send_replace(true);
        }
    }

    fn prune(&self) {
        let pruned = tokio::task::block_in_place(|| self.store().prune_jobs(KEPT));
        for id in pruned.unwrap_or_default() {
            self.table().remove(&id);
            if let Err(error) = std::fs::remove_dir_all(self.log_dir(id))
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(job.id = %id, %error, "logs of a forgotten job remain");
            }
        }
    }

    /// How many jobs have not ended.
    fn active(&self) -> usize {
        let table = self.table();
        let states = table.values().map(|entry| entry.row.borrow().state);
        states.filter(|state| !state.is_final()).count()
    }

    fn count(&self) {
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
