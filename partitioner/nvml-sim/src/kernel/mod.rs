//! The kernel of a simulated machine: what it shows under `/sys`, and what it does with what is written there.
//!
//! The machine's folder has a plain tree (`root/sys`) that everybody may read as files. A write goes through
//! here: the model validates it as the kernel does, changes the state, and what follows from the state is shown
//! anew. The state lies in a file of its own beside the machine's, under the same kind of lock, so all processes
//! that write through this module see one kernel. Whoever writes into the plain files changes nothing.
//!
//! - `state` and the vendors' modules (`amd`, `vgpu`) own the rules and are pure;
//! - `tree` is what is shown, as a value;
//! - `disk` owns the state file and brings the plain tree in line with it.
//!
//! Read, list, link and write by path, with errnos: as much as a file system in user space needs.

pub mod amd;
mod control;
mod disk;
mod errno;
mod resolve;
mod stat;
pub mod state;
#[cfg(test)]
mod tests;
mod tree;
pub mod vgpu;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::model::tables;
use crate::store::StoreError;

pub use control::ControlError;
use disk::Disk;
pub use disk::KERNEL_FILE;
pub(crate) use disk::begin;
pub use errno::Errno;
pub use stat::Stat;
use state::{Access, FaultKind, State};
pub use tree::{Entry, View};

/// How often an access that hangs looks whether the fault was lifted.
const HANG_POLL: Duration = Duration::from_millis(20);

/// A machine's kernel.
#[derive(Debug)]
pub struct Kernel {
    backing: Backing,
}

/// Where the state is.
#[derive(Debug)]
enum Backing {
    /// In a machine's folder.
    Disk(Disk),
    /// In this process alone, with the parts of the tree that do not change.
    Memory(Mutex<Arc<Seen>>, View),
}

/// A state and what it shows.
#[derive(Debug)]
struct Seen {
    state: State,
    view: View,
}

impl Seen {
    fn new(state: State) -> Self {
        let view = state.view();
        Self { state, view }
    }
}

impl Kernel {
    /// The kernel of the machine in `dir`.
    ///
    /// # Errors
    /// `Absent` where there is no machine; `Foreign` or `Io` where its state cannot be read.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let backing = Backing::Disk(Disk::open(dir)?);
        Ok(Self { backing })
    }

    /// The kernel of a machine of that name that lives in this process alone, for models and tests. `None` for a
    /// machine with neither AMD GPUs nor vGPUs: the rest of a tree is files.
    #[must_use]
    pub fn in_memory(machine: &str, seed: u64) -> Option<Self> {
        let spec = tables::machine(machine)?;
        let majors = amd::Majors { drm: 226, kfd: 234 };
        let (amd, vgpu) = (amd::Amd::new(spec, seed, majors), vgpu::Vgpu::new(spec));
        if amd.is_none() && vgpu.is_none() {
            return None;
        }
        Some(Self::of_state(State {
            amd,
            vgpu,
            ..State::default()
        }))
    }

    /// A kernel with this state that lives in this process alone.
    #[must_use]
    pub fn of_state(state: State) -> Self {
        let mut fixed = View::default();
        if let Some(amd) = &state.amd {
            amd.show_functions(&mut fixed);
        }
        if let Some(vgpu) = &state.vgpu {
            vgpu.show_functions(&mut fixed);
        }
        let seen = Mutex::new(Arc::new(Seen::new(state)));
        let backing = Backing::Memory(seen, fixed);
        Self { backing }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// As the kernel refuses it; EIO where the machine's state cannot be read.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, Errno> {
        let (seen, path) = self.look(path)?;
        if seen
            .state
            .amd
            .as_ref()
            .is_some_and(|amd| amd.refuses_read(&path))
        {
            return Err(Errno::EPERM);
        }
        match seen.view.get(&path) {
            Some(Entry::File(bytes, mode)) if mode & 0o444 != 0 => Ok(bytes.clone()),
            Some(Entry::File(..)) => Err(Errno::EACCES),
            Some(Entry::Folder) => Err(Errno::EISDIR),
            Some(Entry::Link(_)) => Err(Errno::ELOOP),
            None => self.fixed_bytes(&path),
        }
    }

    /// Names in a folder.
    ///
    /// # Errors
    /// As for [`Kernel::read`].
    pub fn list(&self, path: &str) -> Result<Vec<String>, Errno> {
        let (seen, path) = self.look(path)?;
        let known = match seen.view.get(&path) {
            Some(Entry::Folder) => true,
            Some(_) => return Err(Errno::ENOTDIR),
            None => false,
        };
        let mut names: BTreeSet<String> = seen.view.names(&path);
        match self.fixed_names(&path) {
            Ok(fixed) => names.extend(fixed),
            Err(errno) if !known => return Err(errno),
            Err(_) => {}
        }
        Ok(names.into_iter().collect())
    }

    /// The text of a link.
    ///
    /// # Errors
    /// EINVAL where it is none; ENOENT where nothing is.
    pub fn link(&self, path: &str) -> Result<String, Errno> {
        let mut seen = self.seen()?;
        // That a vGPU is there or not may be seen by its link alone.
        if seen.state.vgpu.as_ref().is_some_and(vgpu::Vgpu::waits) {
            self.change(State::look)?;
            seen = self.seen()?;
        }
        let path = self.resolve(&seen.view, path, false)?;
        match self.entry(&seen.view, &path) {
            Some(Entry::Link(target)) => Ok(target),
            Some(_) => Err(Errno::EINVAL),
            None => Err(Errno::ENOENT),
        }
    }

    /// Gives a value to a file, as one open, write and close do.
    ///
    /// # Errors
    /// As the kernel refuses it; EIO where the machine's state cannot be changed.
    pub fn write(&self, path: &str, value: &[u8]) -> Result<(), Errno> {
        let seen = self.seen()?;
        let path = self.resolve(&seen.view, path, true)?;
        match self.entry(&seen.view, &path) {
            Some(Entry::File(_, mode)) if mode & 0o222 != 0 => {}
            Some(Entry::File(..)) => return Err(Errno::EACCES),
            Some(_) => return Err(Errno::EISDIR),
            None => return Err(Errno::ENOENT),
        }
        self.while_hung(&path, Access::Write)?;
        if let Some(answer) = self.stopped(&path) {
            return answer;
        }
        self.change(|state| match state.fault(&path, Access::Write) {
            Some(FaultKind::Fail(errno)) => Err(errno),
            Some(FaultKind::FailDone(errno)) => {
                state.write(&path, value, 0)?;
                Err(errno)
            }
            Some(FaultKind::Ignore) => Ok(()),
            Some(FaultKind::Delay(looks)) => state.write(&path, value, looks),
            Some(FaultKind::Hang) | None => state.write(&path, value, 0),
        })?
    }

    /// One look at a path: faults of reading befall it, and what was put off comes nearer.
    fn look(&self, path: &str) -> Result<(Arc<Seen>, String), Errno> {
        let seen = self.seen()?;
        let path = self.resolve(&seen.view, path, true)?;
        self.while_hung(&path, Access::Read)?;
        let faulty = seen.state.has_fault(&path, Access::Read);
        let waits = seen.state.waits();
        if !faulty && !waits {
            return Ok((seen, path));
        }
        let befallen = self.change(|state| {
            state.look();
            state.fault(&path, Access::Read)
        })?;
        match befallen {
            Some(FaultKind::Fail(errno) | FaultKind::FailDone(errno)) => Err(errno),
            _ => Ok((self.seen()?, path)),
        }
    }

    fn while_hung(&self, path: &str, on: Access) -> Result<(), Errno> {
        while self.seen()?.state.hangs(path, on) {
            thread::sleep(HANG_POLL);
        }
        Ok(())
    }

    /// The answer to a write that the machine's fuse keeps from being done: each counts as a call of the driver.
    fn stopped(&self, path: &str) -> Option<Result<(), Errno>> {
        let Backing::Disk(disk) = &self.backing else {
            return None;
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        let code = disk.fuse()?.stops(&format!("write {name}"))?;
        Some(match i32::try_from(code) {
            Ok(0) => Ok(()),
            Ok(number) => Err(Errno::from_number(number)),
            Err(_) => Err(Errno::EIO),
        })
    }

    fn seen(&self) -> Result<Arc<Seen>, Errno> {
        match &self.backing {
            Backing::Disk(disk) => disk.read().map_err(|_| Errno::EIO),
            Backing::Memory(seen, _) => Ok(Arc::clone(
                &seen.lock().unwrap_or_else(PoisonError::into_inner),
            )),
        }
    }

    /// Changes the state under its lock; what `change` leaves is kept, whatever it returns.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, Errno> {
        match &self.backing {
            Backing::Disk(disk) => disk.change(change).map_err(|_| Errno::EIO),
            Backing::Memory(seen, _) => {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let mut state = seen.state.clone();
                let answer = change(&mut state);
                if state != seen.state {
                    *seen = Arc::new(Seen::new(state));
                }
                Ok(answer)
            }
        }
    }
}
