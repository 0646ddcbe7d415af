//! Reading files that a device's driver answers, by a thread that can be left behind.
//!
//! Owns the deadline of such a read, and which devices hold a thread. A show function of a sick device may never return
//! and cannot be called off, so that each device costs one thread at most, for as long as it holds it, and the time of
//! one look is bounded by [`MOST_LATE`]. A process knows of its own threads alone, and one that holds a thread cannot
//! end: whoever asks one process after another tells the next what the others hold. Knows nothing of what the files say.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Root, SysfsError};

/// How long a driver may take for one file: it answers in microseconds, or waits for a device that is stuck.
pub(super) const DEADLINE: Duration = Duration::from_secs(1);
/// Files that may be late in one look.
pub(super) const MOST_LATE: u32 = 3;

/// What a read tells.
type Answer = Result<Option<Vec<u8>>, SysfsError>;

/// How a file is read: with [`Root::bytes`], but where a test has it hang.
type Read = fn(&Root, &str) -> Answer;

/// The folder of a device in a tree.
type Place = (PathBuf, String);

/// The threads that did not come back yet, by number.
static HELD: Mutex<BTreeMap<u64, Place>> = Mutex::new(BTreeMap::new());
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// The driver took too long.
    Late,
    /// A thread of an earlier read is still in that device.
    Held,
    /// Others were late so often in this look that it is not asked.
    Spared,
    /// No thread could be started.
    Nobody,
}

/// The guard of one look.
#[derive(Debug)]
pub(super) struct Guard {
    deadline: Duration,
    read: Read,
    /// Folders that hold a thread of another process.
    others: BTreeSet<String>,
    late: Cell<u32>,
    thread: RefCell<Option<Thread>>,
}

/// A thread that reads what it is told to.
#[derive(Debug)]
struct Thread {
    ask: SyncSender<(u64, String)>,
    answers: Receiver<Answer>,
}

impl Guard {
    /// Nobody was late yet.
    pub fn new(deadline: Duration, read: Read) -> Self {
        Self {
            deadline,
            read,
            others: BTreeSet::new(),
            late: Cell::new(0),
            thread: RefCell::new(None),
        }
    }

    /// Enters none of these folders: a thread of another process is stuck there.
    pub fn beside(self, others: impl IntoIterator<Item = String>) -> Self {
        let others = others.into_iter().collect();
        Self { others, ..self }
    }

    /// Whether a thread is in a device, of this process or of another that was named.
    pub fn is_held(&self, root: &Root, folder: &str) -> bool {
        self.others.contains(folder) || is_held(root.path(), folder)
    }

    /// Reads a file of the device whose folder that is.
    pub fn read(&self, root: &Root, folder: &str, path: String) -> Result<Answer, Silence> {
        if self.is_held(root, folder) {
            return Err(Silence::Held);
        }
        if self.late.get() >= MOST_LATE {
            return Err(Silence::Spared);
        }
        let mut kept = self.thread.borrow_mut();
        let thread = match kept.take() {
            Some(thread) => thread,
            None => Thread::start(root, self.read).ok_or(Silence::Nobody)?,
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        thread
            .ask
            .send((number, path))
            .map_err(|_| Silence::Nobody)?;
        let answer = thread.answers.recv_timeout(self.deadline).or_else(|_| {
            // The thread answers before it takes this lock to say that it is back.
            let mut held = held();
            let answer = thread.answers.try_recv();
            if answer.is_err() {
                held.insert(number, (root.path().to_owned(), folder.to_owned()));
            }
            answer
        });
        match answer {
            Ok(answer) => {
                *kept = Some(thread);
                Ok(answer)
            }
            Err(_) => {
                self.late.set(self.late.get() + 1);
                Err(Silence::Late)
            }
        }
    }
}

impl Thread {
    fn start(root: &Root, read: Read) -> Option<Self> {
        let root = root.again().ok()?;
        let (ask, asked) = mpsc::sync_channel::<(u64, String)>(1);
        let (answer, answers) = mpsc::sync_channel(1);
        let work = move || {
            while let Ok((number, path)) = asked.recv() {
                let is_heard = answer.send(read(&root, &path)).is_ok();
                held().remove(&number);
                if !is_heard {
                    return;
                }
            }
        };
        let started = thread::Builder::new().name("device".to_owned()).spawn(work);
        started.ok().map(|_| Self { ask, answers })
    }
}

/// How long one file may take in a look for which somebody waits so long: when all that may be late are, a part as long is
/// left for the rest of it.
pub(super) fn deadline_within(look: Duration) -> Duration {
    DEADLINE.min(look / (MOST_LATE + 1))
}

/// The folders of a tree in which a thread of this process is stuck.
pub fn held_in(root: &Root) -> BTreeSet<String> {
    let held = held();
    let places = held.values().filter(|(of, _)| of == root.path());
    places.map(|(_, folder)| folder.clone()).collect()
}

/// Whether a thread of this process is in a device.
pub(super) fn is_held(root: &Path, folder: &str) -> bool {
    let held = held();
    let mut places = held.values();
    places.any(|(of, place)| of == root && place == folder)
}

fn held() -> MutexGuard<'static, BTreeMap<u64, Place>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}
