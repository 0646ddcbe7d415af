//! What all parts of `members` share: the table that readers see, over the store that outlives kerfd.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kerf_scheduler::core::{LocalCommand, LocalEvent};
use kerf_telemetry::SelfMetrics;
use kerf_types::HostId;
use kerf_types::job::JobSpec;
use kerf_types::peer::{Exit, MemberAsk, Tag};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::console::Console;
use super::copies::Copies;
use super::guards::Guards;
use super::ports::Ports;
use super::watch::RETRY;
use super::{Parts, Told};
use crate::config::Config;
use crate::errors::chain;
use crate::host::HostHandle;
use crate::launcher::{Launcher, logs};
use crate::problems::Problems;
use crate::store::{KeptRuns, RunKey, RunRow, RunState, SharedStore, StoreError};

/// What is kept of members that have ended, for `kerf logs`; the configuration bounds their logs.
const KEPT_RUNS: u32 = 1_000;

pub(super) struct Inner {
    pub me: HostId,
    /// What is in force; a reload changes it.
    pub config: Mutex<Arc<Config>>,
    pub host: HostHandle,
    pub launcher: Arc<Launcher>,
    pub metrics: Arc<SelfMetrics>,
    pub store: SharedStore,
    pub copies: Copies,
    /// What ends members in time although kerfd is dead.
    pub guards: Guards,
    pub table: Mutex<BTreeMap<RunKey, Entry>>,
    /// The tasks of members that something is wanted of, by the way to them.
    pub actors: Mutex<BTreeMap<Tag, mpsc::UnboundedSender<LocalCommand>>>,
    /// What members that are held or run were promised of CPU and memory.
    pub promised: Mutex<BTreeMap<Tag, MemberAsk>>,
    /// Ports at which first members are met that are held or run here.
    pub ports: Ports,
    pub problems: Arc<Problems>,
    /// When containerd answered last that was asked before a reservation.
    pub answered: Mutex<Option<Instant>>,
    /// Everything that goes on for members; it ends before kerfd does.
    pub tasks: Mutex<JoinSet<()>>,
    told: mpsc::UnboundedSender<(Tag, Told)>,
}

#[derive(Debug)]
pub(super) struct Entry {
    /// Its description, while it goes on.
    pub spec: Option<Arc<JobSpec>>,
    pub row: watch::Sender<RunRow>,
    /// The terminal of its container, while it has one.
    pub console: watch::Sender<Option<Arc<Console>>>,
    /// Whether nothing of it is left in containerd, so that its output is whole.
    pub cleared: watch::Sender<bool>,
}

impl Entry {
    pub(super) fn new(spec: Option<JobSpec>, row: RunRow) -> Self {
        Self {
            spec: spec.map(Arc::new),
            cleared: watch::Sender::new(!row.is_active()),
            row: watch::Sender::new(row),
            console: watch::Sender::new(None),
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").finish_non_exhaustive()
    }
}

impl Inner {
    pub(super) fn new(
        parts: Parts,
        copies: Copies,
        told: mpsc::UnboundedSender<(Tag, Told)>,
    ) -> Self {
        let guards = Guards::new(&parts.config.paths.run_dir);
        Self {
            me: parts.me,
            config: Mutex::new(parts.config),
            host: parts.host,
            launcher: parts.launcher,
            metrics: parts.metrics,
            store: parts.store,
            copies,
            guards,
            table: Mutex::default(),
            actors: Mutex::default(),
            promised: Mutex::default(),
            ports: Ports::default(),
            problems: parts.problems,
            answered: Mutex::default(),
            tasks: Mutex::default(),
            told,
        }
    }

    pub(super) fn table(&self) -> MutexGuard<'_, BTreeMap<RunKey, Entry>> {
        lock(&self.table)
    }

    pub(super) fn promised(&self) -> MutexGuard<'_, BTreeMap<Tag, MemberAsk>> {
        lock(&self.promised)
    }

    /// Begins something that ends with kerfd at the latest.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Tells the core what came of a command.
    pub(super) fn tell(&self, tag: Tag, event: LocalEvent) {
        // The driver ends before its members do, and then nobody needs to know.
        drop(self.told.send((tag, Told::Event(event))));
    }

    /// Says why a member stays where it is.
    pub(super) fn note(&self, tag: Tag, why: &str) {
        drop(self.told.send((tag, Told::Note(why.to_owned()))));
    }

    pub(super) fn row(&self, key: RunKey) -> Option<RunRow> {
        let table = self.table();
        table.get(&key).map(|entry| entry.row.borrow().clone())
    }

    /// The row of this very attempt.
    pub(super) fn row_of(&self, tag: Tag) -> Option<RunRow> {
        self.row((tag.job, tag.member)).filter(|row| row.tag == tag)
    }

    pub(super) fn spec(&self, tag: Tag) -> Option<Arc<JobSpec>> {
        self.table().get(&(tag.job, tag.member))?.spec.clone()
    }

    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&lock(&self.config))
    }

    pub(super) fn log_dir(&self, (job, member): RunKey) -> PathBuf {
        let jobs = self.config().paths.state_dir.join("jobs");
        match member {
            0 => jobs.join(job.to_string()),
            member => jobs.join(format!("{job}-{member}")),
        }
    }

    /// Writes a member that is about to be made. It takes the place of the attempt before it.
    pub(super) fn put_new(&self, row: RunRow, spec: &Arc<JobSpec>) -> Result<(), StoreError> {
        tokio::task::block_in_place(|| {
            // Held to the end: what is written of the attempt before comes wholly before this, or not at all.
            let mut store = self.store.lock();
            store.put_run(&row)?;
            self.copies.keep(&row);
            let mut table = self.table();
            match table.get_mut(&row.key()) {
                Some(entry) => {
                    entry.spec = Some(Arc::clone(spec));
                    entry.cleared.send_replace(false);
                    // Who attaches now waits for the terminal of this container.
                    entry.console.send_replace(None);
                    entry.row.send_replace(row);
                }
                None => {
                    let mut entry = Entry::new(None, row.clone());
                    entry.spec = Some(Arc::clone(spec));
                    table.insert(row.key(), entry);
                }
            }
            Ok(())
        })
    }

    /// Changes a member, in the store first: what was not written down did not happen. One that is not there any
    /// more, or in another attempt, is left alone.
    pub(super) fn update(
        &self,
        tag: Tag,
        change: impl FnOnce(&mut RunRow),
    ) -> Result<(), StoreError> {
        tokio::task::block_in_place(|| {
            let mut store = self.store.lock();
            let Some(known) = self.row_of(tag) else {
                return Ok(());
            };
            let mut row = known.clone();
            change(&mut row);
            if row == known {
                return Ok(());
            }
            store.put_run(&row)?;
            self.copies.keep(&row);
            if let Some(entry) = self.table().get(&row.key()) {
                entry.row.send_replace(row);
            }
            Ok(())
        })
    }

    /// Changes a member however long the store fails.
    pub(super) async fn insist(&self, tag: Tag, change: impl Fn(&mut RunRow)) {
        let mut said = false;
        while let Err(error) = self.update(tag, &change) {
            if !said {
                let error = chain(&error);
                tracing::error!(job.id = %tag.job, error, "member not kept, tried again");
                said = true;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Writes down how a member ended, and forgets the oldest beyond what is kept.
    pub(super) async fn end(&self, tag: Tag, exit: &Exit) {
        self.cut_logs(tag);
        let log_dir = self.log_dir((tag.job, tag.member));
        let log_bytes = tokio::task::block_in_place(|| logs::usage(&log_dir));
        self.insist(tag, |row| {
            row.state = RunState::Ended(exit.clone());
            row.log_bytes = log_bytes;
        })
        .await;
        self.prune();
    }

    /// Brings the logs of a member within their bound: it may have printed much since the last look, and ended.
    pub(super) fn cut_logs(&self, tag: Tag) {
        let limit = self.config().launch.log_limit;
        let log_dir = self.log_dir((tag.job, tag.member));
        let cut = tokio::task::block_in_place(|| logs::bound(&log_dir, limit));
        if let Err(error) = cut {
            tracing::warn!(job.id = %tag.job, error = chain(&error), "log not cut");
        }
    }

    /// Says that nothing of an ended member is left.
    pub(super) async fn clear(&self, tag: Tag) {
        self.promised().remove(&tag);
        self.ports.forget(tag);
        // What it is made of is not needed any more, and may be large.
        self.insist(tag, |row| row.spec.clear()).await;
        let key = (tag.job, tag.member);
        let _store = self.store.lock();
        let mut table = self.table();
        let entry = table.get_mut(&key);
        if entry
            .as_ref()
            .is_some_and(|entry| entry.row.borrow().tag != tag)
        {
            // The next attempt has begun: the copy is its own.
            return;
        }
        self.copies.forget(key);
        if let Some(entry) = entry {
            entry.spec = None;
            entry.cleared.send_replace(true);
        }
    }

    /// Bytes of the descriptions of other hosts' jobs that go on here.
    pub(super) fn foreign_specs(&self) -> u64 {
        let table = self.table();
        let rows = table.values().map(|entry| entry.row.borrow());
        let foreign = rows.filter(|row| row.coordinator.is_some() && row.is_active());
        let bytes = foreign.map(|row| u64::try_from(row.spec.len()).unwrap_or(u64::MAX));
        bytes.fold(0, u64::saturating_add)
    }

    fn prune(&self) {
        let keep = KeptRuns {
            runs: KEPT_RUNS,
            log_bytes: self.config().launch.kept_logs.0,
        };
        tokio::task::block_in_place(|| {
            // Held to the end: a member that begins anew meanwhile must find its folder.
            let mut store = self.store.lock();
            let pruned = store.prune_runs(keep).unwrap_or_else(|error| {
                tracing::warn!(error = chain(&error), "old members not forgotten");
                Vec::new()
            });
            for key in pruned {
                self.table().remove(&key);
                self.copies.forget(key);
                if let Err(error) = std::fs::remove_dir_all(self.log_dir(key))
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    tracing::warn!(job.id = %key.0, %error, "log of a forgotten member not removed");
                }
            }
        });
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
