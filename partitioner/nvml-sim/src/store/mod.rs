//! The state file of a machine. Owns its one lock, its atomic replacement and the cheap answer to
//! "has it changed"; knows nothing of NVML.
//!
//! A change is: take the lock, read, change, write a new file, rename it over the old one. The
//! rename is the commit, so a kill at any point leaves the old state or the new one. A reader
//! keeps the file open that it has parsed: as long as it does, no other file can get that inode
//! number, so one `stat` that shows the same number proves that nothing has changed. Times would
//! not: two changes within a tick of the kernel's clock have one.
//!
//! Nothing is flushed to the disk. The state has to survive processes, not the machine: a real
//! driver forgets its MIG layout with a reboot too.

mod alive;
mod caps;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use crate::model::machine::{FORMAT, Machine};

pub use alive::start_time;
pub use caps::{NUMBERED_CIS, NUMBERED_GIS, capability_minor, capability_text};

/// Name of the state file in a machine's folder.
pub const STATE_FILE: &str = "machine.state";
/// Its successor, until the rename.
const NEXT_FILE: &str = "machine.state.next";
/// The lock; a file of its own because the state file is replaced.
const LOCK_FILE: &str = "machine.lock";
/// How often a reader looks whether the processes of the load still live.
const LIFE_CHECK: Duration = Duration::from_millis(200);

/// Why the state could not be read or changed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no machine in the folder.
    #[error("no simulated machine in {}", .0.display())]
    Absent(PathBuf),
    /// Not a machine's state, or one of another format.
    #[error("{} is not the state of a machine that this version understands", .0.display())]
    Foreign(PathBuf),
    /// The system refused.
    #[error("cannot {operation} {}", .path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// A machine's folder with the state last seen.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug)]
struct Seen {
    /// Kept open: it pins the inode number.
    _file: File,
    /// Device and inode of it.
    identity: (u64, u64),
    machine: Arc<Machine>,
    lives_checked: Instant,
}

impl Seen {
    fn new(
        file: File,
        path: &Path,
        machine: Arc<Machine>,
        lives_checked: Instant,
    ) -> Result<Self, StoreError> {
        let facts = file
            .metadata()
            .map_err(|error| io_error("stat", path, error))?;
        let identity = (facts.dev(), facts.ino());
        Ok(Self {
            _file: file,
            identity,
            machine,
            lives_checked,
        })
    }
}

impl Store {
    /// The store of the machine in `dir`, which need not exist yet.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            seen: Mutex::new(None),
        }
    }

    /// The state as it is now. One `stat` when nothing has changed.
    ///
    /// # Errors
    /// `Absent`, `Foreign` or `Io`.
    pub fn read(&self) -> Result<Arc<Machine>, StoreError> {
        let machine = self.read_as_written()?;
        if machine.gpus.iter().all(|gpu| gpu.processes.is_empty()) || !self.life_check_due() {
            return Ok(machine);
        }
        if !alive::any_dead(&machine) {
            return Ok(machine);
        }
        match self.change(|_, _| Ok::<_, std::convert::Infallible>(())) {
            // A client without the right to write sees the dead for as long as nobody else buries
            // them; refusing the whole read would be worse.
            Err(_) => Ok(machine),
            Ok(_) => self.read_as_written(),
        }
    }

    fn life_check_due(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = seen.as_mut() else {
            return false;
        };
        let due = seen.lives_checked.elapsed() >= LIFE_CHECK;
        if due {
            seen.lives_checked = Instant::now();
        }
        due
    }

    fn read_as_written(&self) -> Result<Arc<Machine>, StoreError> {
        let path = self.dir.join(STATE_FILE);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = seen.as_ref() {
            let now = fs::metadata(&path).map_err(|error| self.unreadable(&path, error))?;
            if (now.dev(), now.ino()) == seen.identity {
                return Ok(Arc::clone(&seen.machine));
            }
        }
        let mut file = File::open(&path).map_err(|error| self.unreadable(&path, error))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)
            .map_err(|error| io_error("read", &path, error))?;
        let machine = parse(&text).ok_or_else(|| StoreError::Foreign(path.clone()))?;
        let machine = Arc::new(machine);
        let lives_checked = seen
            .as_ref()
            .map_or_else(long_ago, |seen| seen.lives_checked);
        *seen = Some(Seen::new(file, &path, Arc::clone(&machine), lives_checked)?);
        Ok(machine)
    }

    fn unreadable(&self, path: &Path, error: io::Error) -> StoreError {
        if error.kind() == io::ErrorKind::NotFound {
            StoreError::Absent(self.dir.clone())
        } else {
            io_error("read", path, error)
        }
    }

    /// Changes the state under the lock. `change` gets the state, from which processes that have
    /// ended are already gone, and the time in µs; what it returns is committed with the state. If
    /// it fails, nothing is written.
    ///
    /// # Errors
    /// `StoreError` of the file, or inside the result the error of `change`.
    pub fn change<T, E>(
        &self,
        change: impl FnOnce(&mut Machine, u64) -> Result<T, E>,
    ) -> Result<Result<T, E>, StoreError> {
        let _lock = self.lock()?;
        let before = self.read_as_written()?;
        let mut machine = Machine::clone(&before);
        let now_us = now_us();
        let buried = machine.end_processes(now_us, |_, process| !alive::lives(process));
        let changed = change(&mut machine, now_us);
        if changed.is_err() {
            if !buried {
                return Ok(changed);
            }
            machine = Machine::clone(&before);
            machine.end_processes(now_us, |_, process| !alive::lives(process));
        }
        machine.generation += 1;
        caps::extend(&self.dir, &machine)?;
        self.commit(&machine)?;
        caps::shrink(&self.dir, &machine)?;
        Ok(changed)
    }

    /// Writes the first state of a new machine.
    ///
    /// # Errors
    /// `Io`.
    pub fn begin(&self, machine: &Machine) -> Result<(), StoreError> {
        let _lock = self.lock()?;
        caps::extend(&self.dir, machine)?;
        self.commit(machine)?;
        caps::shrink(&self.dir, machine)
    }

    /// Brings the files under `proc` in line with the state, which a writer that was killed
    /// between its commit and its last unlink has left otherwise. Quietly gives up without the
    /// right to write: reading NVML needs none.
    pub fn repair(&self) {
        let Ok(_lock) = self.lock() else { return };
        if let Ok(machine) = self.read_as_written() {
            caps::extend(&self.dir, &machine)
                .and_then(|()| caps::shrink(&self.dir, &machine))
                .ok();
        }
    }

    fn lock(&self) -> Result<File, StoreError> {
        let path = self.dir.join(LOCK_FILE);
        // Read access is enough for a lock; creating the file needs more and happens once.
        let file = File::open(&path)
            .or_else(|_| fs::OpenOptions::new().create(true).append(true).open(&path));
        let file = file.map_err(|error| io_error("open", &path, error))?;
        file.lock()
            .map_err(|error| io_error("lock", &path, error))?;
        Ok(file)
    }

    fn commit(&self, machine: &Machine) -> Result<(), StoreError> {
        let (next, state) = (self.dir.join(NEXT_FILE), self.dir.join(STATE_FILE));
        let text = serde_json::to_vec(machine)
            .map_err(|error| io_error("encode", &state, error.into()))?;
        let mut file = File::create(&next).map_err(|error| io_error("create", &next, error))?;
        file.write_all(&text)
            .map_err(|error| io_error("write", &next, error))?;
        fs::rename(&next, &state).map_err(|error| io_error("replace", &state, error))?;
        let file = File::open(&state).map_err(|error| io_error("read", &state, error))?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some(Seen::new(
            file,
            &state,
            Arc::new(machine.clone()),
            Instant::now(),
        )?);
        Ok(())
    }
}

fn parse(text: &[u8]) -> Option<Machine> {
    let machine: Machine = serde_json::from_slice(text).ok()?;
    (machine.format == FORMAT && machine.spec().is_some()).then_some(machine)
}

/// An instant before the first check is due.
fn long_ago() -> Instant {
    Instant::now()
        .checked_sub(LIFE_CHECK)
        .unwrap_or_else(Instant::now)
}

/// Microseconds since the epoch; every client of a machine uses the same clock.
#[must_use]
pub fn now_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn io_error(operation: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        operation,
        path: path.to_owned(),
        source,
    }
}
