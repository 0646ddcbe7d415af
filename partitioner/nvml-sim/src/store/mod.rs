//! The state file of a machine. Owns its one lock, its atomic replacement and the cheap answer to
//! "has it changed"; knows nothing of NVML.
//!
//! A change is: take the lock, read, change, write the free one of two slots, turn the header to
//! it (`slots`). One read of the header tells a reader whether anything has changed.
//!
//! Nothing is flushed to the disk. The state has to survive processes, not the machine: a real
//! driver forgets its MIG layout with a reboot too.

mod alive;
mod bus;
mod caps;
pub(crate) mod slots;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use crate::model::machine::{FORMAT, Machine};

pub use alive::{pid_namespace, start_time};
pub use caps::{NUMBERED_CIS, NUMBERED_GIS, capability_minor, capability_text};
use slots::Header;

/// Name of the state file in a machine's folder.
pub const STATE_FILE: &str = "machine.state";
/// The first state of a new machine, until it is complete.
const NEXT_FILE: &str = "machine.state.next";
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

/// The lock of a machine's state, for as long as this lives.
#[derive(Debug)]
pub struct Held(File);

/// The state last seen, and the file that it was seen in.
#[derive(Debug)]
struct Seen {
    file: File,
    header: Header,
    machine: Arc<Machine>,
    lives_checked: Instant,
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

    /// The state as it is now. One `fstat` and one read of the header when nothing has changed.
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
        let failed = |error| io_error("read", &path, error);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let lives_checked = seen
            .as_ref()
            .map_or_else(long_ago, |seen| seen.lives_checked);
        // A machine that was removed, and maybe made anew, is another file.
        let known =
            seen.take_if(|seen| !matches!(seen.file.metadata(), Ok(facts) if facts.nlink() > 0));
        drop(known);
        if let Some(seen) = seen.as_ref()
            && slots::header(&seen.file).map_err(failed)? == Some(seen.header)
        {
            return Ok(Arc::clone(&seen.machine));
        }
        let file = match seen.take() {
            Some(seen) => seen.file,
            None => File::open(&path).map_err(|error| self.unreadable(&path, error))?,
        };
        let (header, machine) = parse(&file, &path)?;
        let machine = Arc::new(machine);
        *seen = Some(Seen {
            file,
            header,
            machine: Arc::clone(&machine),
            lives_checked,
        });
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
        self.change_held(&self.hold()?, change)
    }

    /// Keeps everybody else from changing the state.
    ///
    /// # Errors
    /// `Absent` or `Io`.
    pub fn hold(&self) -> Result<Held, StoreError> {
        self.lock(OpenOptions::new().read(true).write(true))
            .map(Held)
    }

    /// [`Store::change`] for whoever holds the lock.
    ///
    /// # Errors
    /// As for [`Store::change`].
    pub fn change_held<T, E>(
        &self,
        Held(file): &Held,
        change: impl FnOnce(&mut Machine, u64) -> Result<T, E>,
    ) -> Result<Result<T, E>, StoreError> {
        let path = self.dir.join(STATE_FILE);
        let (header, before) = self.current(file, &path)?;
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
        caps::extend(&self.dir, &before, &machine)?;
        bus::extend(&self.dir, &before, &machine)?;
        let state = encode(&machine, &path)?;
        let header = slots::write(file, Some(header), &state);
        let header = header.map_err(|error| io_error("write", &path, error))?;
        // The change is committed, and an error would say that it is not. What is left over stands for
        // nothing in the state, and the next process that opens the machine repairs it.
        caps::shrink(&self.dir, &before, &machine).ok();
        bus::shrink(&self.dir, &before, &machine).ok();
        self.remember(header, machine);
        Ok(changed)
    }

    /// The state in a file that we have locked; not parsed again if it is the one last seen.
    fn current(&self, file: &File, path: &Path) -> Result<(Header, Arc<Machine>), StoreError> {
        let machine = self.read_as_written()?;
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error| io_error("read", path, error);
        if let Some(seen) = seen.as_ref()
            && Arc::ptr_eq(&seen.machine, &machine)
            && identity(&seen.file).map_err(failed)? == identity(file).map_err(failed)?
            && slots::header(file).map_err(failed)? == Some(seen.header)
        {
            return Ok((seen.header, machine));
        }
        let (header, machine) = parse(file, path)?;
        Ok((header, Arc::new(machine)))
    }

    /// Keeps what we have just written, so that the next read need not parse it.
    fn remember(&self, header: Header, machine: Machine) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = seen.as_mut()
            && seen.header.sequence + 1 == header.sequence
        {
            seen.header = header;
            seen.machine = Arc::new(machine);
        }
    }

    /// Writes the first state of a new machine.
    ///
    /// # Errors
    /// `Io`.
    pub fn begin(&self, machine: &Machine) -> Result<(), StoreError> {
        let (next, path) = (self.dir.join(NEXT_FILE), self.dir.join(STATE_FILE));
        let state = encode(machine, &path)?;
        let file = File::create(&next).map_err(|error| io_error("create", &next, error))?;
        slots::write(&file, None, &state).map_err(|error| io_error("write", &next, error))?;
        fs::rename(&next, &path).map_err(|error| io_error("rename", &next, error))
    }

    /// Brings the files under `proc` and `sys` in line with the state, which a writer that was killed
    /// between its commit and its last unlink has left otherwise. Quietly gives up without the
    /// right to write: reading NVML needs none.
    pub fn repair(&self) {
        let path = self.dir.join(STATE_FILE);
        let Ok(file) = self.lock(OpenOptions::new().read(true)) else {
            return;
        };
        if let Ok((_, machine)) = parse(&file, &path) {
            caps::repair(&self.dir, &machine).ok();
            bus::repair(&self.dir, &machine).ok();
        }
    }

    /// Opens the state file and locks it; the lock goes with the file. A file that was removed
    /// while we waited is not the machine's any more.
    fn lock(&self, options: &OpenOptions) -> Result<File, StoreError> {
        let path = self.dir.join(STATE_FILE);
        loop {
            let file = options
                .open(&path)
                .map_err(|error| self.unreadable(&path, error))?;
            file.lock()
                .map_err(|error| io_error("lock", &path, error))?;
            let facts = file
                .metadata()
                .map_err(|error| io_error("stat", &path, error))?;
            if facts.nlink() > 0 {
                return Ok(file);
            }
        }
    }
}

/// The state in a file.
fn parse(file: &File, path: &Path) -> Result<(Header, Machine), StoreError> {
    let read = slots::read(file).map_err(|error| io_error("read", path, error))?;
    let known = read.and_then(|(header, text)| {
        let machine: Machine = serde_json::from_slice(&text).ok()?;
        (machine.format == FORMAT && machine.spec().is_some()).then_some((header, machine))
    });
    known.ok_or_else(|| StoreError::Foreign(path.to_owned()))
}

/// Device and inode.
fn identity(file: &File) -> io::Result<(u64, u64)> {
    let facts = file.metadata()?;
    Ok((facts.dev(), facts.ino()))
}

fn encode(machine: &Machine, path: &Path) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(machine).map_err(|error| io_error("encode", path, error.into()))
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
