//! Jobs of this host: from a submitted spec to an exit code.
//!
//! Every job has one task that moves it along; the table in `inner` is what readers see, the store is what
//! outlives kerfd, and the copies in the run folder are what outlives the store. A container goes on while
//! kerfd is away, and its task takes it up again.

mod console;
mod container;
mod copies;
mod error;
mod inner;
mod list;
mod logs;
mod problems;
mod run;
mod show;
mod start;
mod submit;
mod sweep;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use kerf_telemetry::SelfMetrics;
use kerf_telemetry::snapshot::JobFacts;
use kerf_types::JobId;
use kerf_types::job::JobSpec;
use tokio::sync::watch;

pub use console::Attachment;
pub use error::JobError;
pub use list::Place;

use crate::config::Config;
use crate::errors::chain;
use crate::events::Events;
use crate::host::{Degraded, HostHandle};
use crate::launcher::{LaunchPolicy, Launcher};
use crate::store::{JobRow, JobRows, JobStore, StoreError};
use copies::{Copies, is_newer};
use inner::{Entry, Inner};
use problems::Problems;

/// The jobs of this host; clones share them.
#[derive(Debug, Clone)]
pub struct Jobs {
    inner: Arc<Inner>,
}

impl Jobs {
    /// Reads the jobs of an earlier kerfd and takes them up again. One that cannot be read is named in
    /// `kerf status` and keeps nobody else from starting.
    pub fn start(
        config: Arc<Config>,
        host: HostHandle,
        launcher: Arc<Launcher>,
        mut store: JobStore,
        events: Events,
        metrics: Arc<SelfMetrics>,
    ) -> Result<Self, StoreError> {
        let copies = Copies::new(&config.paths.run_dir);
        let problems = Problems::new();
        let known = known(&mut store, &copies, &problems)?;
        let inner = Arc::new(Inner {
            config: Mutex::new(config),
            host,
            launcher,
            events,
            metrics,
            store: Mutex::new(store),
            copies,
            table: Mutex::default(),
            problems,
            facts: watch::Sender::new(JobFacts::default()),
            tasks: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
        });
        for (id, (row, spec)) in known {
            let active = !row.state.is_final();
            inner.table().insert(id, Entry::new(spec, row));
            if active {
                inner.spawn(run::resume(Arc::clone(&inner), id));
            }
        }
        inner.count();
        inner.spawn(sweep::sweep(Arc::clone(&inner)));
        inner.spawn(logs::bound(Arc::clone(&inner)));
        Ok(Self { inner })
    }

    /// Ends everything that goes on for jobs, each at a point where it waits; the next kerfd goes on from what
    /// is in the store. What would go on while the runtime is taken down around it would meet errors that are
    /// not the job's, and write them down as its end.
    pub async fn stop(&self) {
        let mut tasks = {
            let mut tasks = self
                .inner
                .tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        tasks.shutdown().await;
    }

    /// One job.
    pub fn get(&self, id: JobId) -> Result<JobRow, JobError> {
        self.inner.row(id).ok_or(JobError::Unknown { id })
    }

    /// How many jobs have not ended.
    pub fn active(&self) -> usize {
        let table = self.inner.table();
        let states = table.values().map(|entry| entry.row.borrow().state);
        states.filter(|state| !state.is_final()).count()
    }

    /// What is not well with jobs, by what it concerns.
    pub fn problems(&self) -> Vec<(String, Degraded)> {
        self.inner.problems.list()
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

    /// Takes the terminal of a job, once it has one; `None` for a job that has ended without.
    pub async fn attach(&self, id: JobId) -> Result<Option<Attachment>, JobError> {
        let spec = self.inner.spec(id).ok_or(JobError::Unknown { id })?;
        if !spec.terminal {
            return Err(JobError::NoTerminal { id });
        }
        let mut row = self.watch(id)?;
        let mut console = {
            let table = self.inner.table();
            let entry = table.get(&id).ok_or(JobError::Unknown { id })?;
            entry.console.subscribe()
        };
        // Both senders live in the table, which forgets only jobs that have ended.
        let found = tokio::select! {
            biased;
            found = console.wait_for(Option::is_some) => found.ok().and_then(|found| found.clone()),
            _ = row.wait_for(|row| row.state.is_final()) => None,
        };
        match found.map(|console| console.attach()) {
            Some(None) => Err(JobError::Attached { id }),
            Some(attached) => Ok(attached),
            None => Ok(None),
        }
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

/// The jobs of the store, made good from the copies in the run folder.
fn known(
    store: &mut JobStore,
    copies: &Copies,
    problems: &Problems,
) -> Result<BTreeMap<JobId, (JobRow, JobSpec)>, StoreError> {
    let JobRows {
        rows,
        mut unreadable,
    } = store.all()?;
    let mut known = BTreeMap::new();
    for row in rows {
        match kerf_api::json::job::parse(&row.spec) {
            Ok(spec) => drop(known.insert(row.id, (row, spec))),
            Err(error) => unreadable.push((row.id.to_string(), chain(&error))),
        }
    }
    for copy in copies.read() {
        let of_store = known.get(&copy.id).map(|(row, _)| row);
        if of_store.is_some_and(|row| row.state.is_final()) {
            // Its end is known; only the copy was left.
            copies.forget(copy.id);
        } else if is_newer(&copy, of_store)
            && let Ok(spec) = kerf_api::json::job::parse(&copy.spec)
        {
            tracing::warn!(job.id = %copy.id, "job taken up from its copy");
            // The job counts even when the store cannot be written now; its next change is.
            if let Err(error) = store.put_job(&copy) {
                tracing::error!(job.id = %copy.id, error = chain(&error), "job not kept");
            }
            unreadable.retain(|(id, _)| *id != copy.id.to_string());
            known.insert(copy.id, (copy, spec));
        }
    }
    for (id, why) in unreadable {
        problems.add_unreadable(id, why);
    }
    Ok(known)
}
