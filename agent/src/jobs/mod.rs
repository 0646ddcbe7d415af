//! Jobs that were submitted to this host: from a spec to an exit code, as people see them.
//!
//! The table in `inner` is what readers see, the store is what outlives kerfd, and the copies in the run folder are
//! what outlives the store. Where a job runs and how it is, the scheduler says ([`Jobs::report`]); what is wanted of
//! a job goes to the scheduler as a [`Wish`]. Members of jobs, and their containers, are the business of `members`.

mod copies;
mod error;
mod inner;
mod list;
mod output;
mod report;
mod show;
mod submit;
mod taken;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kerf_scheduler::core::Input;
use kerf_telemetry::SelfMetrics;
use kerf_telemetry::snapshot::JobFacts;
use kerf_types::JobId;
use kerf_types::job::JobSpec;
use tokio::sync::{mpsc, watch};

pub use error::JobError;
pub use list::Place;
pub use output::Asked;
pub use submit::by;

use crate::config::Config;
use crate::errors::chain;
use crate::events::Events;
use crate::host::Degraded;
use crate::launcher::{LaunchPolicy, Launcher};
use crate::members::{Attachment, Members};
use crate::problems::Problems;
use crate::store::{JobRow, JobRows, JobStore, SharedStore, StoreError};
use copies::{Copies, is_newer};
use inner::{Entry, Inner};

/// What is wanted of the scheduler: that it takes a job, or ends one.
pub type Wish = Input;

/// What jobs work with.
#[derive(Debug)]
pub struct Parts {
    /// Configuration in force.
    pub config: Arc<Config>,
    /// Members on this host.
    pub members: Members,
    /// The store.
    pub store: SharedStore,
    /// Where events go.
    pub events: Events,
    /// Counters.
    pub metrics: Arc<SelfMetrics>,
    /// What cannot be made sense of.
    pub problems: Arc<Problems>,
}

/// The jobs of this host; clones share them.
#[derive(Debug, Clone)]
pub struct Jobs {
    inner: Arc<Inner>,
}

impl Jobs {
    /// Reads the jobs of an earlier kerfd. One that cannot be read is named in `kerf status` and keeps nobody else
    /// from starting. What comes out of the receiver is for the scheduler.
    pub fn start(parts: Parts) -> Result<(Self, mpsc::UnboundedReceiver<Wish>), StoreError> {
        let copies = Copies::new(&parts.config.paths.run_dir);
        let known = known(&mut parts.store.lock(), &copies, &parts.problems)?;
        // Unbounded: jobs are, and there are two wishes for each.
        let (wishes, receiver) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            config: Mutex::new(parts.config),
            members: parts.members,
            events: parts.events,
            metrics: parts.metrics,
            store: parts.store,
            copies,
            table: Mutex::default(),
            problems: parts.problems,
            facts: watch::Sender::new(JobFacts::default()),
            wishes,
        });
        for (id, (row, spec)) in known {
            inner.table().insert(id, Entry::new(spec, row));
        }
        inner.count();
        Ok((Self { inner }, receiver))
    }

    /// One job.
    pub fn get(&self, id: JobId) -> Result<JobRow, JobError> {
        self.inner.row(id).ok_or(JobError::Unknown { id })
    }

    /// Jobs that have not ended, with their descriptions.
    pub fn unended(&self) -> Vec<(JobRow, Arc<JobSpec>)> {
        let table = self.inner.table();
        let entries = table
            .values()
            .map(|entry| (entry.row.borrow().clone(), Arc::clone(&entry.spec)));
        entries.filter(|(row, _)| !row.state.is_final()).collect()
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

    /// Asks for the end of a job.
    pub fn cancel(&self, id: JobId) -> Result<JobRow, JobError> {
        // As it was when it was asked to end: a job that waits has ended a moment later, and whoever reads that
        // would take it for one that had ended before.
        let asked = self.inner.update(id, |row| {
            row.cancel_requested |= !row.state.is_final();
        })?;
        if !asked.state.is_final() {
            self.inner
                .events
                .add("job", &id.to_string(), "cancel requested");
            self.inner.wish(Wish::Cancel { job: id });
        }
        Ok(asked)
    }

    /// Puts a new configuration in force. Jobs that were admitted under the old one go on.
    pub fn reconfigure(&self, config: Arc<Config>, policy: LaunchPolicy) {
        self.inner.members.reconfigure(Arc::clone(&config), policy);
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
        let Some(mut console) = self.inner.members.console((id, 0)) else {
            // It ended before it had one; who asks waits until it has started.
            return Ok(None);
        };
        // Both senders live in tables, which forget only what has ended.
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

    /// What metrics say about jobs.
    pub fn facts(&self) -> watch::Receiver<JobFacts> {
        self.inner.facts.subscribe()
    }

    /// Members of jobs on this host.
    pub fn members(&self) -> &Members {
        &self.inner.members
    }

    /// The way to containerd.
    pub fn launcher(&self) -> &Launcher {
        self.inner.members.launcher()
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
        } else if let Some(row) = of_store.filter(|row| row.is_shared && !copy.is_shared) {
            // A crash came between the store and the copy, which may be all that is left one day.
            copies.keep(row);
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
