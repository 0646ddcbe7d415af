//! Members of jobs on this host: what the scheduler's core wants done, done with the host's owner and with
//! containerd.
//!
//! ```text
//!   core ── Reserve, Renew, Release ──► owner of the devices
//!     ▲  ── Start, Stop, Find ────────► containerd
//!     └──── Reserved, Started, Ended … ───┘
//!      ── Guard ──────────────────► fences, which outlive kerfd
//! ```
//! Each member that something is wanted of has one task, which takes its commands one after the other. The table
//! in `inner` is what readers see, the store is what outlives kerfd, and the copies in the run folder are what
//! outlives the store. It never decides where a job runs or whether it is started again, and it knows no peer.

mod actor;
mod admit;
mod begin;
mod console;
mod container;
mod copies;
mod guard;
pub mod guards;
mod inner;
mod load;
mod logs;
mod orders;
mod ports;
mod reserve;
mod sweep;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use kerf_scheduler::core::{LocalCommand, LocalEvent};
use kerf_telemetry::SelfMetrics;
use kerf_types::HostId;
use kerf_types::job::JobSpec;
use kerf_types::peer::Tag;
use tokio::sync::{mpsc, watch as channel};

pub use console::{Attachment, Console};
pub use load::Load;

use crate::config::Config;
use crate::errors::chain;
use crate::host::HostHandle;
use crate::launcher::{LaunchPolicy, Launcher};
use crate::problems::Problems;
use crate::store::{RunKey, RunRow, RunRows, SharedStore, StoreError};
use copies::Copies;
use inner::{Entry, Inner};

/// What a member has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// What came of a command.
    Event(LocalEvent),
    /// Why it is where it is, for people.
    Note(String),
}

/// What members have to tell, in the order in which it happened.
pub type Voice = mpsc::UnboundedReceiver<(Tag, Told)>;

/// What members work with.
#[derive(Debug)]
pub struct Parts {
    /// Configuration in force.
    pub config: Arc<Config>,
    /// The owner of the devices.
    pub host: HostHandle,
    /// The way to containerd.
    pub launcher: Arc<Launcher>,
    /// The store.
    pub store: SharedStore,
    /// Counters.
    pub metrics: Arc<SelfMetrics>,
    /// What cannot be made sense of.
    pub problems: Arc<Problems>,
    /// The id of this host.
    pub me: HostId,
}

/// The members on this host; clones share them.
#[derive(Debug, Clone)]
pub struct Members {
    inner: Arc<Inner>,
}

impl Members {
    /// Reads what an earlier kerfd has left; what goes on is taken up when the core asks for it.
    pub fn start(parts: Parts) -> Result<(Self, Voice), StoreError> {
        let copies = Copies::new(&parts.config.paths.run_dir);
        let known = known(&parts.store, &copies, &parts.problems)?;
        // Unbounded: a member is told of a handful of times, and members are bounded.
        let (told, voice) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner::new(parts, copies, told));
        for (row, spec) in known {
            inner.table().insert(row.key(), Entry::new(spec, row));
        }
        inner.spawn(sweep::sweep(Arc::clone(&inner)));
        inner.spawn(logs::bound(Arc::clone(&inner)));
        Ok((Self { inner }, voice))
    }

    /// Carries out a command of the core, after those that came before it for the same member.
    pub fn carry_out(&self, tag: Tag, command: LocalCommand) {
        actor::carry_out(&self.inner, tag, command);
    }

    /// Ends everything that goes on for members, each at a point where it waits; the next kerfd goes on from what
    /// is in the store. What would go on while the runtime is taken down around it would meet errors that are
    /// not the job's, and write them down as its end.
    pub async fn stop(&self) {
        let mut tasks = {
            let tasks = self.inner.tasks.lock();
            std::mem::take(&mut *tasks.unwrap_or_else(PoisonError::into_inner))
        };
        tasks.shutdown().await;
    }

    /// The id of this host.
    pub fn me(&self) -> HostId {
        self.inner.me
    }

    /// One member, in its newest attempt here.
    pub fn get(&self, key: RunKey) -> Option<RunRow> {
        self.inner.row(key)
    }

    /// Every member that is or was here, as far as it is kept.
    pub fn all(&self) -> Vec<RunRow> {
        let table = self.inner.table();
        let rows = table.values().map(|entry| entry.row.borrow().clone());
        rows.collect()
    }

    /// What members take of this host.
    pub fn load(&self) -> Load {
        load::of(&self.inner)
    }

    /// Puts a new configuration in force. What was admitted under the old one goes on.
    pub fn reconfigure(&self, config: Arc<Config>, policy: LaunchPolicy) {
        self.inner.launcher.set_policy(policy);
        let current = self.inner.config.lock();
        *current.unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Where the output of a member lies, and a flag that turns true once it is whole.
    pub fn output(&self, key: RunKey) -> Option<(PathBuf, channel::Receiver<bool>)> {
        let table = self.inner.table();
        let cleared = table.get(&key)?.cleared.subscribe();
        Some((self.inner.log_dir(key), cleared))
    }

    /// The terminal of a member, as it comes and goes.
    pub fn console(&self, key: RunKey) -> Option<channel::Receiver<Option<Arc<Console>>>> {
        let table = self.inner.table();
        Some(table.get(&key)?.console.subscribe())
    }

    /// The way to containerd.
    pub fn launcher(&self) -> &Launcher {
        &self.inner.launcher
    }
}

/// The members of the store, made good from the copies in the run folder.
fn known(
    store: &SharedStore,
    copies: &Copies,
    problems: &Problems,
) -> Result<Vec<(RunRow, Option<JobSpec>)>, StoreError> {
    let mut store = store.lock();
    let RunRows {
        rows: mut known,
        mut unreadable,
    } = store.runs()?;
    for (copy, spec) in copies.read() {
        let of_store = known.iter().position(|(row, _)| row.key() == copy.key());
        let kept = of_store.and_then(|at| known.get(at)).map(|(row, _)| row);
        if kept.is_some_and(|row| row.tag == copy.tag && !row.is_active()) {
            // Its end is known; only the copy was left.
            copies.forget(copy.key());
        } else if copies::is_newer(&copy, kept) {
            tracing::warn!(job.id = %copy.tag.job, "member taken up from its copy");
            // It counts even when the store cannot be written now; its next change is.
            if let Err(error) = store.put_run(&copy) {
                tracing::error!(job.id = %copy.tag.job, error = chain(&error), "member not kept");
            }
            unreadable.retain(|(job, _)| *job != copy.tag.job.to_string());
            if let Some(at) = of_store {
                drop(known.swap_remove(at));
            }
            known.push((copy, spec));
        }
    }
    for (job, why) in unreadable {
        problems.add_unreadable(job, why);
    }
    Ok(known)
}
