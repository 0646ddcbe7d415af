//! The way of the core's batches into the store: in groups, by a thread of their own.
//!
//! ```text
//!   core ──batch──► gathered ──group──► thread: one transaction, one flush of the disk
//!                      ▲                   │
//!                      └── the next group ◄┘── Written: this batch and all before it are durable
//! ```
//! While a group is on its way to the disk the next one gathers, so a flush is paid once for all that has become ready
//! meanwhile, and whoever is alone waits for no other. It owns the order of what is written: a group is written whole or not
//! at all, one after the other, and nothing is told before the flush. It never drops a batch, never reads a meaning into
//! one, and never holds up the task that feeds it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use kerf_scheduler::core::Change;
use tokio::sync::mpsc;

use crate::errors::chain;
use crate::store::StoreError;

/// Time between two tries to write to a store that fails.
const RETRY: Duration = Duration::from_secs(1);

/// Changes of one group, unless one batch alone has more. A launch on this host waits for the end of its transaction: with
/// more of them that would be seen there, and with fewer the disk is flushed more often than it must be.
const GROUP_MOST: usize = 1_024;

/// How long an end of kerfd waits for what is not written yet. What is lost then nobody was told of.
const PATIENCE: Duration = Duration::from_secs(5);

/// Something that is not in the store yet.
#[derive(Debug)]
struct Batch {
    number: u64,
    changes: Vec<Change>,
}

/// What is written at one time.
#[derive(Debug)]
struct Group {
    /// Number of its last batch.
    last: u64,
    changes: Vec<Change>,
}

/// A group that is durable.
#[derive(Debug)]
pub struct Written<T> {
    /// Number of its last batch; every batch before it is durable too.
    pub batch: u64,
    /// What the write has given back.
    pub outcome: T,
}

/// Tells that the writer has panicked, and ends what must not go on without it.
struct Watch<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Watch<F> {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(end) = self.0.take()
        {
            end();
        }
    }
}

/// Writes batches in groups. Dropped, it ends its thread after the group that is on its way; a store that fails keeps it from
/// ending no longer than to the next try.
pub struct Writer<T> {
    gathered: VecDeque<Batch>,
    /// The way to the thread, which has one group at a time.
    groups: SyncSender<Group>,
    written: mpsc::Receiver<Written<T>>,
    /// Whether a group is on its way.
    is_writing: bool,
}

impl<T> fmt::Debug for Writer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("gathered", &self.gathered.len())
            .field("is_writing", &self.is_writing)
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Writer<T> {
    /// A writer of what `keep` writes: all of the changes in one transaction that is flushed when it returns, or none.
    /// `broken` is called when that panics: nothing is written any more then, and whoever feeds it would decide on and
    /// never be answered.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        keep: impl FnMut(&[Change]) -> Result<T, StoreError> + Send + 'static,
        broken: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        // One group is with the thread, and one answer with the feeder: neither end ever waits for room.
        let (groups, wanted) = sync_channel(1);
        let (told, written) = mpsc::channel(1);
        let thread = std::thread::Builder::new().name("kerf-writer".to_owned());
        thread.spawn(move || {
            let _watch = Watch(Some(broken));
            write(keep, &wanted, &told);
        })?;
        Ok(Self {
            gathered: VecDeque::new(),
            groups,
            written,
            is_writing: false,
        })
    }

    /// Takes a batch; it is written with the next group.
    pub fn add(&mut self, number: u64, changes: Vec<Change>) {
        self.gathered.push_back(Batch { number, changes });
    }

    /// Has a group written of what has gathered, unless one is on its way: the next follows it then.
    pub fn hand_over(&mut self) {
        if self.is_writing {
            return;
        }
        let Some(group) = self.next_group() else {
            return;
        };
        // It has taken the one before, or its answer would not have come.
        self.is_writing = self.groups.try_send(group).is_ok();
        if !self.is_writing {
            tracing::error!("nothing of the scheduler is kept any more: its writer has ended");
        }
    }

    fn next_group(&mut self) -> Option<Group> {
        let Batch {
            number,
            mut changes,
        } = self.gathered.pop_front()?;
        let mut last = number;
        while let Some(next) = self.gathered.front() {
            if changes.len() + next.changes.len() > GROUP_MOST {
                break;
            }
            last = next.number;
            let next = self.gathered.pop_front();
            changes.extend(next.into_iter().flat_map(|batch| batch.changes));
        }
        Some(Group { last, changes })
    }

    /// The next group that is durable, if there is one at this moment.
    pub fn try_written(&mut self) -> Option<Written<T>> {
        let written = self.written.try_recv().ok()?;
        self.is_writing = false;
        self.hand_over();
        Some(written)
    }

    /// The next group that is durable; the one behind it is on its way by then. Never returns while nothing is being
    /// written. Nothing is lost when it is not waited for to the end.
    pub async fn written(&mut self) -> Written<T> {
        if !self.is_writing {
            return std::future::pending().await;
        }
        let Some(written) = self.written.recv().await else {
            tracing::error!("nothing of the scheduler is kept any more: its writer has ended");
            self.is_writing = false;
            return std::future::pending().await;
        };
        self.is_writing = false;
        self.hand_over();
        written
    }

    /// Writes what is left, as far as the store takes it in time.
    pub async fn finish(mut self) {
        self.hand_over();
        let rest = async {
            while self.is_writing {
                self.written().await;
            }
        };
        if tokio::time::timeout(PATIENCE, rest).await.is_err() {
            tracing::warn!(
                "the last of what the scheduler decided is not kept; nobody was told of it"
            );
        }
    }
}

/// Writes group after group, each as often as it takes.
fn write<T>(
    mut keep: impl FnMut(&[Change]) -> Result<T, StoreError>,
    wanted: &Receiver<Group>,
    told: &mpsc::Sender<Written<T>>,
) {
    while let Ok(group) = wanted.recv() {
        let mut is_said = false;
        let outcome = loop {
            match keep(&group.changes) {
                Ok(outcome) => break outcome,
                Err(error) => {
                    if !std::mem::replace(&mut is_said, true) {
                        let error = chain(&error);
                        tracing::error!(
                            error,
                            "what the scheduler decided is not kept, tried again"
                        );
                    }
                }
            }
            // No other group comes before this one is told.
            if matches!(
                wanted.recv_timeout(RETRY),
                Err(RecvTimeoutError::Disconnected)
            ) {
                return;
            }
        };
        let written = Written {
            batch: group.last,
            outcome,
        };
        if told.blocking_send(written).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
